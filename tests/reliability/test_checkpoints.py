"""Checkpoints: what ends a training loses no work, and what goes on ends with the same bits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastmlp
from fastmlp import passes
from fastmlp.errors import CheckpointWarning, DataError, InvalidTypeError, InvalidValueError
from fastmlp.history import COLUMNS
from fastmlp.kernels.target import BLOCK_ROWS
from fastmlp.output import OutputError
from fastmlp.persistence import read_tensors, write_tensors

SIZES = [20, 17, 5]
N = 2 * BLOCK_ROWS + 44  # a full batch is walked in several blocks
OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: fastmlp.SGD(0.1),
    "momentum": lambda: fastmlp.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: fastmlp.Adam(0.01),
    "adamw": lambda: fastmlp.AdamW(0.01, weight_decay=0.1),
}
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 5, N)
X = (RNG.normal(size=(5, 20))[Y] + RNG.normal(size=(N, 20))).astype("float32")


class InterruptAfter:
    """Interrupts the training when so many chunks are done."""

    def __init__(self, chunks: int) -> None:
        self.chunks = chunks

    def on_chunk_end(self, trainer: Any, history: Any) -> None:
        self.chunks -= 1
        if self.chunks == 0:
            raise KeyboardInterrupt


@pytest.fixture
def chunks_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the trainer return to Python as often as it can."""
    monkeypatch.setattr(passes, "_CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(passes, "_FIRST_CHUNK", 0.0)


def trainer(path: Path | None = None, optimizer: str = "adam", **options: Any) -> fastmlp.Trainer:
    net = fastmlp.Network(SIZES, hidden="tanh", seed=1, dtype=options.pop("dtype", "float32"))
    defaults = {"batch_size": 32, "seed": 3, "l2": 0.01, "every": 0.0, "threads": 1}
    return fastmlp.Trainer(
        net, optimizer=OPTIMIZERS[optimizer](), checkpoint=path, **(defaults | options)
    )


def contents(found: fastmlp.Trainer) -> list[Any]:
    """Return all that decides how a training goes on, and its history but for the clock."""
    state = found.optimizer.state(found.network)
    history = found.history.to_dict()
    assert len({len(column) for column in history.values()}) == 1
    columns = [history[name] for name in COLUMNS if name != "seconds"]
    arrays = [found.network.parameters(), state.first, state.second, np.array(columns)]
    return [*(array.tobytes() for array in arrays), state.steps, found._progress.random.random()]


@pytest.mark.usefixtures("chunks_of_a_block")
@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("sgd", {"batch_size": None}),
        ("sgd", {"batch_size": 50, "drop_last": True}),
        ("momentum", {"shuffle": False, "zero_skipping": True}),
        ("adam", {}),
        ("adam", {"dtype": "float64", "batch_size": BLOCK_ROWS + 20}),
        ("adamw", {"batch_size": 100, "l2": 0.0}),
        ("sgd", {"schedule": "one_cycle"}),
        ("adam", {"schedule": "cosine", "batch_size": 100, "drop_last": True}),
        ("adam", {"restore_best": True}),
        ("adamw", {"patience": 1, "restore_best": True, "schedule": "one_cycle"}),
        ("momentum", {"patience": 2, "min_delta": 0.05, "monitor": "accuracy"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("record", ["epoch", "step"])
def test_a_resumed_training_ends_with_the_bits_of_an_unbroken_one(
    tmp_path: Path, optimizer: str, options: dict[str, Any], record: str
) -> None:
    """Stopped again and again, after a few blocks each time, in a trainer made anew."""
    fit = {"epochs": 4, "validation": (X[:50], Y[:50]), "record": record}
    unbroken = trainer(None, optimizer, **options)
    unbroken.fit(X, Y, **fit)
    path, interrupted, chunks = tmp_path / "checkpoint", 0, np.random.default_rng(5)
    while True:
        broken = trainer(path, optimizer, **options)
        assert broken.resume() == (interrupted > 0)
        try:
            broken.fit(X, Y, **fit, callbacks=[InterruptAfter(chunks.integers(3, 8))])
        except KeyboardInterrupt:
            interrupted += 1
            assert broken.checkpoint_is_current
            assert np.isfinite(broken.network.buffer).all()
        else:
            break
    assert interrupted >= 1
    assert contents(broken) == contents(unbroken)
    assert broken.finished_epochs == unbroken.finished_epochs
    # And both go on alike.
    broken.fit(X, Y, **(fit | {"epochs": 1}))
    unbroken.fit(X, Y, **(fit | {"epochs": 1}))
    assert contents(broken) == contents(unbroken)


NOISY = np.where(RNG.random(N) < 0.5, RNG.integers(0, 5, N), Y)
NOISE = {"x": X[:40], "y": NOISY[:40], "validation": (X[40:], NOISY[40:])}


def worse_and_worse(path: Path | None, **options: Any) -> fastmlp.Trainer:
    """Return a trainer that learns noise by heart: soon it gets worse on data held out."""
    return trainer(path, batch_size=8, l2=0.0, **options)


@pytest.mark.usefixtures("chunks_of_a_block")
@pytest.mark.parametrize("seed", range(3))
def test_early_stopping_that_was_interrupted_stops_where_an_unbroken_one_does(
    tmp_path: Path, seed: int
) -> None:
    options: dict[str, Any] = {"patience": 3, "restore_best": True, "schedule": "one_cycle"}
    unbroken = worse_and_worse(None, **options)
    unbroken.fit(**NOISE, epochs=100)
    assert 5 <= unbroken.finished_epochs < 100  # by its patience, after it had become better
    expected = contents(unbroken)
    chunks = np.random.default_rng(seed)
    for _ in range(200):
        broken = worse_and_worse(tmp_path / "c", **options)
        broken.resume()
        try:
            broken.fit(**NOISE, epochs=100, callbacks=[InterruptAfter(chunks.integers(1, 8))])
        except KeyboardInterrupt:
            continue
        break
    assert contents(broken) == expected
    # Once more: it is over, and stays so.
    again = worse_and_worse(tmp_path / "c", **options)
    again.resume()
    again.fit(**NOISE, epochs=100)
    assert contents(again) == expected


def test_an_interrupted_fit_ends_with_its_best_parameters_and_goes_on_from_its_last(
    tmp_path: Path,
) -> None:
    class Interrupt:
        def on_epoch_end(self, trainer: Any, history: Any) -> None:
            if len(history) == 6:
                self.last = trainer.network.parameters()
                raise KeyboardInterrupt

    ours, interrupt = worse_and_worse(tmp_path / "c", restore_best=True), Interrupt()
    with pytest.raises(KeyboardInterrupt):
        ours.fit(**NOISE, epochs=9, callbacks=[interrupt])
    best = min(ours.history.validation_loss)
    assert ours.history.validation_loss[0] > best < ours.history.validation_loss[-1]
    assert ours.network.evaluate(*NOISE["validation"])["loss"] == best
    again = worse_and_worse(tmp_path / "c", restore_best=True)
    assert again.resume()
    np.testing.assert_array_equal(again.network.parameters(), interrupt.last)


def test_a_schedule_goes_on_only_in_a_fit_as_long_as_it_was_planned_for(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "c", schedule="cosine").fit(
            X, Y, epochs=3, callbacks=[InterruptAfter(2)]
        )
    steps = -(-N // 32)
    again = trainer(tmp_path / "c", schedule="cosine")
    again.resume()
    expected = f"epochs: expected {3 * steps} steps in all, as the checkpoint's schedule has, got"
    with pytest.raises(InvalidValueError, match=f"^{expected} {5 * steps}"):
        again.fit(X, Y, epochs=5)
    again.fit(X, Y, epochs=3)
    assert again.finished_epochs == 3


def test_a_checkpoint_from_before_early_stopping_is_resumed(tmp_path: Path) -> None:
    unbroken, first = trainer(), trainer(tmp_path / "c")
    unbroken.fit(X, Y, epochs=3)
    with pytest.raises(KeyboardInterrupt):
        first.fit(X, Y, epochs=3, callbacks=[InterruptAfter(2)])
    tensors, description = read_tensors(tmp_path / "c")
    for name in ("best", "since_best", "planned_steps"):
        del description["training"][name]
    for name in ("schedule", "restore_best", "monitor"):
        del description["training"]["settings"][name]
    write_tensors(tmp_path / "c", tensors, description)
    again = trainer(tmp_path / "c", patience=3)
    again.resume()
    again.fit(X, Y, epochs=3, validation=(X, Y))
    columns = again.history, unbroken.history
    assert columns[0].loss == columns[1].loss
    np.testing.assert_array_equal(again.network.buffer, unbroken.network.buffer)


def test_a_second_fit_is_resumed_as_the_second(tmp_path: Path) -> None:
    unbroken, broken = trainer(), trainer(tmp_path / "c")
    for each in (unbroken, broken):
        each.fit(X, Y, epochs=2)
    unbroken.fit(X, Y, epochs=3)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, Y, epochs=3, callbacks=[InterruptAfter(2)])
    again = trainer(tmp_path / "c")
    assert again.resume()
    again.fit(X, Y, epochs=3)
    assert again.finished_epochs == 5
    assert contents(again) == contents(unbroken)


def test_a_finished_fit_is_not_trained_again(tmp_path: Path) -> None:
    first = trainer(tmp_path / "c")
    first.fit(X, Y, epochs=2)
    again = trainer(tmp_path / "c")
    assert again.resume()
    assert len(again.fit(X, Y, epochs=2)) == 2
    assert contents(again) == contents(first)


@pytest.mark.usefixtures("chunks_of_a_block")
def test_time_budget_and_stopping_callbacks_can_be_resumed(tmp_path: Path) -> None:
    unbroken = trainer()
    unbroken.fit(X, Y, epochs=3)
    for _ in range(200):
        broken = trainer(tmp_path / "c")
        broken.resume()
        broken.fit(X, Y, epochs=3, max_seconds=0)
        if broken.finished_epochs == 3:
            break
    assert contents(broken) == contents(unbroken)


def test_other_numbers_of_threads_resume_with_the_same_bits(tmp_path: Path) -> None:
    unbroken = trainer(batch_size=200)
    unbroken.fit(X, Y, epochs=3)
    first = trainer(tmp_path / "c", batch_size=200, threads=2)
    with pytest.raises(KeyboardInterrupt):
        first.fit(X, Y, epochs=3, callbacks=[InterruptAfter(2)])
    second = trainer(tmp_path / "c", batch_size=200, threads=1)
    second.resume()
    second.fit(X, Y, epochs=3)
    assert contents(second) == contents(unbroken)


def test_a_checkpoint_is_a_model_and_goes_where_it_is_asked(tmp_path: Path) -> None:
    ours = trainer()
    ours.fit(X, Y, epochs=1)
    assert not ours.checkpoint_is_current
    ours.save_checkpoint(tmp_path / "c")
    net = fastmlp.Network.load(tmp_path / "c")
    np.testing.assert_array_equal(net.predict_proba(X), ours.network.predict_proba(X))
    theirs = trainer()
    assert theirs.resume(tmp_path / "c")
    assert contents(theirs) == contents(ours)


def test_without_a_file_nothing_is_resumed(tmp_path: Path) -> None:
    new = trainer(tmp_path / "missing")
    before = contents(trainer())
    assert not new.resume()
    assert contents(new) == before
    with pytest.raises(InvalidValueError, match=r"^path: expected .* got None"):
        trainer().resume()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"batch_size": 64}, "batch_size"),
        ({"shuffle": False}, "shuffle"),
        ({"drop_last": True}, "drop_last"),
        ({"loss": "squared_error"}, "loss"),
        ({"schedule": "cosine"}, "schedule"),
        ({"restore_best": True}, "restore_best"),
        ({"monitor": "accuracy"}, "monitor"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"optimizer": "adamw"}, "optimizer"),
        ({"dtype": "float64"}, "dtype"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    tmp_path: Path, options: dict[str, Any], word: str
) -> None:
    trainer(tmp_path / "c").fit(X, Y, epochs=1)
    other = trainer(tmp_path / "c", **options)
    before = contents(trainer(None, **options))
    with pytest.raises(InvalidValueError, match=f"^{word}: expected .*, as in .*, got "):
        other.resume()
    assert contents(other) == before


def test_a_momentum_of_which_nothing_was_kept_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path / "c", "sgd").fit(X, Y, epochs=1)
    with pytest.raises(InvalidValueError, match=r"^momentum: expected False, as in .*, got True"):
        trainer(tmp_path / "c", "momentum").resume()


@pytest.mark.usefixtures("chunks_of_a_block")
def test_other_data_in_the_middle_of_an_epoch_are_refused(tmp_path: Path) -> None:
    first = trainer(tmp_path / "c")
    first.fit(X, Y, epochs=1, max_seconds=0)
    assert 0 < first.position < N
    again = trainer(tmp_path / "c")
    again.resume()
    with pytest.raises(InvalidValueError, match=rf"^x: expected {N} samples an epoch, .* got 50"):
        again.fit(X[:50], Y[:50])
    again.fit(X, Y, epochs=1)
    assert again.finished_epochs == 1


def changed(path: Path, **changes: Any) -> None:
    """Write a checkpoint again with changes of its training's fields."""
    tensors, description = read_tensors(path)
    for key, value in changes.items():
        (tensors if key in tensors else description["training"])[key] = value
    write_tensors(path, tensors, description)


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": -1},
        {"epochs": "many"},
        {"n_samples": 1e300},
        {"steps_before": 1 << 70},
        {"seconds": "long"},
        {"first_loss": []},
        {"under_way": 2},
        {"random": None},
        {"random": {"bit_generator": "MT19937"}},
        {"random": {"bit_generator": "PCG64", "state": {"state": -1, "inc": 1 << 200}}},
        {"records": np.zeros((9999, 3))},
        {"records": np.zeros(3)},
        {"marks": np.zeros((0, 2))},
        {"history_loss": np.zeros(77)},
        {"history_steps": np.zeros((1, 1))},
        {"history_steps": np.array([np.nan])},
        {"epochs_before": 7},
        {"planned_steps": -1},
        {"since_best": 0.5},
        {"best": "good"},
        {"best": 10**400},
        {"weights_0": np.zeros((1, 1), "float32")},
        {"first_biases_1": np.zeros(5)},
    ],
    ids=str,
)
@pytest.mark.usefixtures("chunks_of_a_block")
def test_a_checkpoint_that_was_tampered_with_is_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    trainer(tmp_path / "c").fit(X, Y, epochs=1, max_seconds=0)
    changed(tmp_path / "c", **changes)
    victim = trainer(tmp_path / "c")
    with pytest.raises(DataError, match="expected a whole checkpoint"):
        victim.resume()
    assert contents(victim) == contents(trainer())


def test_a_model_is_no_checkpoint(tmp_path: Path) -> None:
    trainer().network.save(tmp_path / "m")
    with pytest.raises(DataError, match="expected a checkpoint, got a network without"):
        trainer().resume(tmp_path / "m")


@pytest.mark.usefixtures("chunks_of_a_block")
def test_divergence_after_a_resumption_keeps_finite_parameters(tmp_path: Path) -> None:
    """And the checkpoint before it stays."""
    first = trainer(tmp_path / "c", "sgd")
    first.fit(X, Y, epochs=1, max_seconds=0)
    kept = (tmp_path / "c").read_bytes()
    again = trainer(tmp_path / "c", "sgd", every=1000.0)
    again.resume()
    again.optimizer.learning_rate = 1e38
    with pytest.raises(fastmlp.DivergenceError, match="training diverged in epoch"):
        again.fit(X, Y, epochs=3)
    assert np.isfinite(again.network.buffer).all()
    assert again.optimizer.state(again.network).steps == again.history.steps[-1]
    assert (tmp_path / "c").read_bytes() == kept


# --- a disk that does not do its part -------------------------------------------------------------


@pytest.mark.parametrize("place", ["no/such/folder/c", "."])
def test_a_path_that_cannot_be_written_is_refused_before_training(
    tmp_path: Path, place: str
) -> None:
    ours = trainer(tmp_path / place)
    before = contents(trainer())
    with pytest.raises(OutputError, match="cannot write"):
        ours.fit(X, Y, epochs=1)
    assert contents(ours) == before


def test_a_folder_that_vanishes_is_a_warning(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    class Vanish:
        def on_epoch_end(self, trainer: Any, history: Any) -> None:
            shutil.rmtree(folder, ignore_errors=True)

    ours, unbroken = trainer(folder / "c"), trainer()
    with pytest.warns(CheckpointWarning, match="cannot write .*: no such folder; training goes on"):
        ours.fit(X, Y, epochs=2, callbacks=[Vanish()])
    assert not ours.checkpoint_is_current
    unbroken.fit(X, Y, epochs=2)
    assert contents(ours) == contents(unbroken)
    folder.mkdir()
    ours.fit(X, Y, epochs=1)
    assert trainer().resume(folder / "c")


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_full_disk_is_a_warning_and_the_old_checkpoint_stays(
    script: Callable[..., str], tmp_path: Path
) -> None:
    text = """
import resource
path = sys.argv[1]
trainer = fastmlp.Trainer(network(), checkpoint=path, every=0)
trainer.fit(x, y, epochs=1)
old = open(path, "rb").read()
resource.setrlimit(resource.RLIMIT_FSIZE, (len(old) // 2, resource.RLIM_INFINITY))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    trainer.fit(x, y, epochs=2)
assert {str(w.message) for w in caught} == {
    f"checkpoint: cannot write {path}: file too large; training goes on, and the last one that "
    "was written stays"
}, caught
assert open(path, "rb").read() == old
assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
trainer.fit(x, y, epochs=1)
print(trainer.finished_epochs, open(path, "rb").read() != old, trainer.checkpoint_is_current)
"""
    assert script(text, str(tmp_path / "c")) == "4 True True\n"


# --- killed ---------------------------------------------------------------------------------------

KILLED = """
path, kills = sys.argv[1], int(sys.argv[2])
sizes = dict(epochs=60, validation=(x[:100], y[:100]))
def new(checkpoint):
    return fastmlp.Trainer(
        network(), batch_size=64, threads=1, checkpoint=checkpoint, every=0.002, seed=7,
        **json.loads(sys.argv[4]),
    )
unbroken = new(None)
unbroken.fit(x, y, **sizes)
moments = np.random.default_rng(int(sys.argv[3]))
done = starts = broken = 0
while broken < kills:
    if done == unbroken.finished_epochs:  # once more from the beginning
        os.unlink(path)
        done = 0
    existed = os.path.exists(path)
    pid = os.fork()
    if pid == 0:
        trainer = new(path)
        trainer.resume()
        trainer.fit(x, y, **sizes)
        same = np.array_equal(trainer.network.buffer, unbroken.network.buffer)
        same &= trainer.history.loss == unbroken.history.loss
        same &= trainer.history.validation_loss == unbroken.history.validation_loss
        os._exit(0 if same else 3)
    time.sleep(moments.uniform(0.0, 0.1))
    os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -9), code
    broken += code == -9
    done = 0
    assert os.path.exists(path) or not existed
    if os.path.exists(path):
        check = new(None)
        assert check.resume(path)  # there is always one that can be read
        done = check.finished_epochs
        starts += 1
last = new(path)
last.resume()
last.fit(x, y, **sizes)
same = np.array_equal(last.network.buffer, unbroken.network.buffer)
alone = os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
print(broken, starts > kills // 3, alone, same and last.history.loss == unbroken.history.loss)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_killed_at_fifty_moments_it_ends_with_the_bits_of_an_unbroken_one(
    script: Callable[..., str], tmp_path: Path
) -> None:
    assert script(KILLED, str(tmp_path / "c"), "50", "0", "{}") == "50 True True True\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_killed_it_stops_where_an_unbroken_one_does_with_the_same_best_parameters(
    script: Callable[..., str], tmp_path: Path
) -> None:
    options = json.dumps({"patience": 50, "restore_best": True, "schedule": "one_cycle"})
    assert script(KILLED, str(tmp_path / "c"), "10", "2", options) == "10 True True True\n"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_killed_at_two_hundred_moments(script: Callable[..., str], tmp_path: Path) -> None:
    assert script(KILLED, str(tmp_path / "c"), "200", "1", "{}") == "200 True True True\n"


# --- the command line -----------------------------------------------------------------------------


def command(*words: Any) -> list[str]:
    return [sys.executable, "-m", "fastmlp", "train", *map(str, words)]


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX does")
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGKILL, -9, marks=pytest.mark.slow)],
)
def test_a_command_that_was_ended_goes_on(tmp_path: Path, number: int, code: int) -> None:
    options = ["--hidden", "32", "--epochs", "700", "--quiet", "--json"]
    kept = ["--checkpoint", tmp_path / "c", "--checkpoint-every", "0.05", "--resume"]
    process = subprocess.Popen(
        command(*options, *kept), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "c").exists():
        assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == ""
    if number == signal.SIGTERM:
        assert err == f"fastmlp: terminated; checkpoint saved to {tmp_path / 'c'}\n"
    assert not trainer_done(tmp_path / "c")
    found = []
    for extra, name in ((kept, "a"), ([], "b")):
        done = subprocess.run(
            command(*options, *extra, "--out", tmp_path / name),
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout.splitlines()[-1])
        found.append([result[key] for key in ("loss", "accuracy", "held_out_loss", "steps")])
    assert found[0] == found[1]
    for name, array in read_tensors(tmp_path / "a")[0].items():
        np.testing.assert_array_equal(array, read_tensors(tmp_path / "b")[0][name])
    assert trainer_done(tmp_path / "c")


def trainer_done(path: Path) -> bool:
    """Return whether the checkpoint is that of a finished training."""
    return bool(read_tensors(path)[1]["training"]["epochs"] == 700)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--resume"], "--resume: expected --checkpoint FILE with it"),
        (["--checkpoint", "{old}"], "--checkpoint: expected a file that is not there yet"),
        (["--checkpoint", "{new}", "--out", "{new}"], "--out: expected a file other than"),
        (["--checkpoint", "{new}/none/c"], "no such folder"),
        (["--checkpoint", "{old}", "--resume"], "not a whole safetensors file"),
    ],
)
def test_checkpoints_that_the_command_line_refuses(
    tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "old").write_text("precious")
    places = {"old": tmp_path / "old", "new": tmp_path / "new"}
    done = subprocess.run(
        command(*(word.format(**places) for word in words)),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "old").read_text() == "precious"


@pytest.mark.parametrize("path", [3, ["c"]])
def test_a_checkpoint_is_a_path(path: Any) -> None:
    with pytest.raises(InvalidTypeError, match=r"^checkpoint: expected a path, got "):
        trainer(path)
