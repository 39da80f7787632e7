"""The trainer: what it computes, what it records, how it ends, and what it leaves behind."""

from __future__ import annotations

import copy
import math
import pickle
import resource
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastmlp
from fastmlp import passes, reference
from fastmlp.errors import DivergenceWarning
from fastmlp.kernels import step
from fastmlp.kernels.samples import samples_part
from fastmlp.kernels.target import BLOCK_ROWS
from fastmlp.kernels.weights import weights_part

OPTIMIZERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sgd": (lambda: fastmlp.SGD(0.2), {"learning_rate": 0.2}),
    "momentum": (
        lambda: fastmlp.SGD(0.05, momentum=0.9),
        {"learning_rate": 0.05, "momentum": 0.9},
    ),
    "nesterov": (
        lambda: fastmlp.SGD(0.05, momentum=0.9, nesterov=True),
        {"learning_rate": 0.05, "momentum": 0.9},
    ),
    "adam": (lambda: fastmlp.Adam(0.01), {"learning_rate": 0.01}),
    "adamw": (
        lambda: fastmlp.AdamW(0.01, weight_decay=0.1),
        {"learning_rate": 0.01, "weight_decay": 0.1},
    ),
}
SIZES = [20, 17, 9, 5]


def data(n: int, sizes: list[int] | None = None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return samples in clusters, one a class, so that there is something to learn."""
    sizes = sizes or SIZES
    rng = np.random.default_rng(seed)
    y = rng.integers(0, sizes[-1], n)
    return rng.normal(size=(sizes[-1], sizes[0]))[y] + 0.5 * rng.normal(size=(n, sizes[0])), y


def network(dtype: str = "float64", sizes: list[int] | None = None, **options: Any) -> Any:
    return fastmlp.Network(sizes or SIZES, dtype=dtype, seed=1, **({"hidden": "tanh"} | options))


def true_elements(net: fastmlp.Network) -> np.ndarray:
    """Return where in the buffer parameters stand; the rest is padding."""
    probe = fastmlp.Network(net.sizes, net.hidden, net.output, dtype=net.dtype)
    probe.set_parameters(np.ones(probe.n_parameters))
    return probe.buffer != 0


def end_chunks_at_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the trainer return to Python as often as it can."""
    monkeypatch.setattr(passes, "_CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(passes, "_FIRST_CHUNK", 0.0)


class Events:
    """Writes down what is called; `answers` maps an event to what it returns or raises."""

    def __init__(self, **answers: Any) -> None:
        self.names: list[str] = []
        self.answers = answers

    def _note(self, name: str) -> Any:
        self.names.append(name)
        answer = self.answers.get(name)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def on_train_begin(self, trainer: Any) -> Any:
        return self._note("on_train_begin")

    def on_chunk_end(self, trainer: Any, history: Any) -> Any:
        return self._note("on_chunk_end")

    def on_epoch_end(self, trainer: Any, history: Any) -> Any:
        return self._note("on_epoch_end")

    def on_train_end(self, trainer: Any, history: Any) -> Any:
        return self._note("on_train_end")


class StopAfter:
    """Stops the training when so many chunks, or so many epochs, are done."""

    def __init__(self, chunks: float = math.inf, epochs: float = math.inf) -> None:
        self.chunks, self.epochs = chunks, epochs

    def on_chunk_end(self, trainer: Any, history: Any) -> bool:
        self.chunks -= 1
        return self.chunks <= 0

    def on_epoch_end(self, trainer: Any, history: Any) -> bool:
        self.epochs -= 1
        return self.epochs <= 0


# --- what it computes -----------------------------------------------------------------------------

# (samples, batch size, epochs): whole batches, a partial last one, batches that span blocks, all.
BATCHES = [
    (96, 32, 4),
    (100, 32, 3),
    (2 * BLOCK_ROWS + 44 + 150, 2 * BLOCK_ROWS + 44, 5),
    (2 * BLOCK_ROWS + 44, None, 10),
]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-4)])
@pytest.mark.parametrize(("n", "batch", "epochs"), BATCHES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_steps_equal_the_reference(
    name: str, n: int, batch: int | None, epochs: int, dtype: str, tolerance: float
) -> None:
    x, y = data(n)
    x = x.astype(dtype)
    weight = np.random.default_rng(3).uniform(0.2, 2.0, n)
    net = network(dtype)
    make, settings = OPTIMIZERS[name]
    weights, biases, losses = reference.train(
        x.astype("float64"), y, [w.astype("float64") for w in net.weights],
        [b.astype("float64") for b in net.biases], "tanh", "softmax", "cross_entropy",
        {"name": name} | settings, batch, np.arange(n), epochs, 0.3, weight,
    )  # fmt: skip
    assert len(losses) >= 10
    trainer = fastmlp.Trainer(net, optimizer=make(), batch_size=batch, shuffle=False, l2=0.3)
    history = trainer.fit(x, y, epochs=epochs, sample_weight=weight, record="step")
    np.testing.assert_allclose(history.loss, losses, rtol=tolerance)
    for ours, theirs in zip([*net.weights, *net.biases], [*weights, *biases], strict=True):
        scale = float(np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale)
    assert not net.buffer[~true_elements(net)].any()


@pytest.mark.parametrize(
    ("hidden", "output", "loss"),
    [
        ("relu", "softmax", "squared_error"),
        ("sigmoid", "sigmoid", "cross_entropy"),
        ("identity", "identity", "squared_error"),
        ("relu", "sigmoid", "mnist_loss"),
        ("tanh", "sigmoid", "squared_error"),
    ],
)
def test_every_kind_of_network_trains_as_the_reference(hidden: str, output: str, loss: str) -> None:
    x, y = data(70)
    targets = np.eye(5)[y] if loss != "squared_error" else np.eye(5)[y] * 0.8 + 0.1
    net = network(hidden=hidden, output=output)
    weights, biases, losses = reference.train(
        x, targets, net.weights, net.biases, hidden, output, loss,
        {"name": "sgd", "learning_rate": 0.02}, 32, np.arange(70), 4,
    )  # fmt: skip
    trainer = fastmlp.Trainer(
        net, loss=loss, optimizer=fastmlp.SGD(0.02), batch_size=32, shuffle=False
    )
    history = trainer.fit(x, targets, epochs=4, record="step")
    np.testing.assert_allclose(history.loss, losses, rtol=1e-12)
    for ours, theirs in zip([*net.weights, *net.biases], [*weights, *biases], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_padding_stays_zero(name: str, dtype: str) -> None:
    x, y = data(150)
    net = network(dtype, hidden="sigmoid")  # sigmoid(0) is not 0
    padding = ~true_elements(net)
    assert padding.any()
    trainer = fastmlp.Trainer(net, optimizer=OPTIMIZERS[name][0](), batch_size=32, l2=0.1)
    trainer.fit(x.astype(dtype), y, epochs=3)
    assert not net.buffer[padding].any()
    assert np.abs(net.buffer).max() > 0


def test_integer_weights_equal_repetition_in_a_full_batch() -> None:
    x, y = data(30)
    weight = np.random.default_rng(4).integers(0, 4, 30)
    repeated = np.repeat(np.arange(30), weight)
    weighted, plain = network(), network()
    for net, rows, weights in ((weighted, slice(None), weight), (plain, repeated, None)):
        trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(0.3), batch_size=None, l2=0.2)
        history = trainer.fit(x[rows], y[rows], epochs=10, sample_weight=weights)
    np.testing.assert_allclose(weighted.parameters(), plain.parameters(), rtol=1e-10, atol=1e-12)
    assert history.loss[-1] < history.loss[0]


def test_a_batch_whose_weights_are_zero_changes_nothing_by_sgd() -> None:
    x, y = data(64)
    weight = np.repeat([0.0, 1.0], 32)
    net, half = network(), network()
    fastmlp.Trainer(net, optimizer=fastmlp.SGD(0.1), batch_size=32, shuffle=False).fit(
        x, y, epochs=1, sample_weight=weight
    )
    fastmlp.Trainer(half, optimizer=fastmlp.SGD(0.1), batch_size=32, shuffle=False).fit(
        x[32:], y[32:], epochs=1
    )
    np.testing.assert_array_equal(net.parameters(), half.parameters())


# --- the order of the samples ---------------------------------------------------------------------


def sample_order(epochs: int, **options: Any) -> list[list[int]]:
    """Return which sample each step of each epoch saw, told by its loss."""
    x, y = data(40)
    net = network()
    each = [net.evaluate(x[i : i + 1], y[i : i + 1])["loss"] for i in range(40)]
    assert len(set(each)) == 40
    trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(1e-30), batch_size=1, **options)
    losses = trainer.fit(x, y, epochs=epochs, record="step").loss
    seen = [each.index(loss) for loss in losses]
    return [seen[i : i + 40] for i in range(0, len(seen), 40)]


def test_shuffling_takes_every_sample_once_an_epoch_in_a_new_order() -> None:
    orders = sample_order(3, seed=7)
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert orders == sample_order(3, seed=7)
    assert orders != sample_order(3, seed=8)


def test_without_shuffling_samples_are_taken_as_they_stand() -> None:
    assert sample_order(2, shuffle=False) == [list(range(40))] * 2


def test_drop_last_leaves_out_what_does_not_fill_a_batch() -> None:
    x, y = data(100)
    dropping, short = network(), network()
    history = fastmlp.Trainer(dropping, batch_size=32, shuffle=False, drop_last=True).fit(
        x, y, epochs=2
    )
    fastmlp.Trainer(short, batch_size=32, shuffle=False).fit(x[:96], y[:96], epochs=2)
    assert history.steps == [3, 6]
    assert history.epochs == [1, 2]
    np.testing.assert_array_equal(dropping.parameters(), short.parameters())


# --- what it records ------------------------------------------------------------------------------


def test_history_of_epochs_is_the_mean_of_its_steps() -> None:
    x, y = data(100)
    weight = np.random.default_rng(5).uniform(0.5, 2.0, 100)
    histories = []
    for record in ("epoch", "step"):
        trainer = fastmlp.Trainer(network(), batch_size=32, shuffle=False, l2=0.1)
        histories.append(trainer.fit(x, y, epochs=2, sample_weight=weight, record=record))
    epochs, steps = histories
    totals = [weight[i : i + 32].sum() for i in range(0, 100, 32)]
    assert epochs.steps == [4, 8]
    assert epochs.epochs == [1, 2]
    assert steps.steps == list(range(1, 9))
    assert steps.epochs == pytest.approx([0.32, 0.64, 0.96, 1, 1.32, 1.64, 1.96, 2])
    for column in ("loss", "accuracy"):
        means = [np.average(getattr(steps, column)[i : i + 4], weights=totals) for i in (0, 4)]
        assert getattr(epochs, column) == pytest.approx(means, rel=1e-12)
    assert list(np.diff(steps.seconds) >= 0) == [True] * 7
    assert epochs.seconds[0] > 0


def test_accuracy_is_unknown_where_targets_are_numbers() -> None:
    x, _ = data(40)
    net = network(output="identity")
    history = fastmlp.Trainer(net).fit(x, np.zeros((40, 5)), epochs=1)
    assert math.isnan(history.accuracy[0])
    assert history.loss[0] == pytest.approx(network(output="identity").evaluate(
        x, np.zeros((40, 5)))["loss"])  # fmt: skip


def test_validation_is_measured_after_each_epoch() -> None:
    x, y = data(200)
    net = network()
    trainer = fastmlp.Trainer(net, batch_size=32)
    history = trainer.fit(x[:150], y[:150], epochs=3, validation=(x[150:], y[150:]))
    found = net.evaluate(x[150:], y[150:])
    assert history.validation_loss[-1] == found["loss"]
    assert history.validation_accuracy[-1] == found["accuracy"]
    assert len(set(history.validation_loss)) == 3


def test_by_step_only_the_last_of_an_epoch_has_a_validation() -> None:
    x, y = data(100)
    history = fastmlp.Trainer(network(), batch_size=32).fit(
        x, y, epochs=2, validation=(x, y), record="step"
    )
    measured = [not math.isnan(value) for value in history.validation_loss]
    assert measured == [False, False, False, True] * 2


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_a_second_fit_goes_on(name: str) -> None:
    x, y = data(100)
    once, twice = network(), network()
    trainer = fastmlp.Trainer(once, optimizer=OPTIMIZERS[name][0](), batch_size=32)
    whole = trainer.fit(x, y, epochs=3)
    trainer = fastmlp.Trainer(twice, optimizer=OPTIMIZERS[name][0](), batch_size=32)
    for epochs in (1, 2):
        parts = trainer.fit(x, y, epochs=epochs)
    np.testing.assert_array_equal(once.parameters(), twice.parameters())
    assert parts.loss == whole.loss
    assert parts.steps == whole.steps == [4, 8, 12]
    assert parts.epochs == whole.epochs
    assert parts is trainer.history


def test_no_epochs_do_nothing() -> None:
    x, y = data(20)
    net = network()
    before = net.parameters()
    assert len(fastmlp.Trainer(net).fit(x, y, epochs=0)) == 0
    np.testing.assert_array_equal(net.parameters(), before)


# --- how it ends ----------------------------------------------------------------------------------


def test_max_seconds_stops_the_training() -> None:
    x, y = data(2000)
    trainer = fastmlp.Trainer(network(), batch_size=32)
    history = trainer.fit(x, y, epochs=1_000_000, max_seconds=0.2)
    assert 0.2 <= history.seconds[-1] < 0.4
    assert history.steps[-1] > 63
    # A second call has a budget of its own.
    again = trainer.fit(x, y, epochs=1_000_000, max_seconds=0.1)
    assert again.seconds[-1] < 0.7
    assert again.seconds[-1] - 0.1 >= 0.2


def test_max_seconds_ends_in_the_middle_of_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    end_chunks_at_every_block(monkeypatch)
    x, y = data(100)
    history = fastmlp.Trainer(network(), batch_size=32).fit(x, y, epochs=5, max_seconds=0)
    assert history.steps == [1]
    assert history.epochs == [0.32]


def test_callbacks_see_all_four_events(monkeypatch: pytest.MonkeyPatch) -> None:
    end_chunks_at_every_block(monkeypatch)
    x, y = data(64)
    events = Events()
    fastmlp.Trainer(network(), batch_size=32).fit(x, y, epochs=2, callbacks=[events])
    epoch = ["on_chunk_end", "on_chunk_end", "on_epoch_end"]
    assert events.names == ["on_train_begin", *epoch, *epoch, "on_train_end"]


@pytest.mark.parametrize(("event", "steps"), [("on_chunk_end", [1]), ("on_epoch_end", [2])])
def test_true_from_a_callback_stops(
    event: str, steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    end_chunks_at_every_block(monkeypatch)
    x, y = data(64)
    events = Events(**{event: True})
    history = fastmlp.Trainer(network(), batch_size=32).fit(x, y, epochs=9, callbacks=[events])
    assert history.steps == steps
    assert events.names[-1] == "on_train_end"


@pytest.mark.parametrize("answer", [1, "stop", None, False])
def test_only_true_stops(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    end_chunks_at_every_block(monkeypatch)
    x, y = data(64)
    events = Events(on_chunk_end=answer, on_epoch_end=answer)
    history = fastmlp.Trainer(network(), batch_size=32).fit(x, y, epochs=2, callbacks=[events])
    assert history.steps == [2, 4]


def test_a_callback_may_have_only_some_events() -> None:
    class OnlyEnd:
        seen = 0

        def on_train_end(self, trainer: Any, history: Any) -> None:
            self.seen = history.steps[-1]

    only = OnlyEnd()
    x, y = data(64)
    fastmlp.Trainer(network(), batch_size=32).fit(x, y, epochs=3, callbacks=[only])
    assert only.seen == 6


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("stop")])
@pytest.mark.parametrize("batch", [32, None])
def test_an_interrupt_from_a_callback_leaves_the_truth(
    error: BaseException, batch: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two chunks: a step of several blocks that was under way is dropped whole."""
    end_chunks_at_every_block(monkeypatch)

    class Interrupt(StopAfter):
        def on_chunk_end(self, trainer: Any, history: Any) -> bool:
            if super().on_chunk_end(trainer, history):
                raise error
            return False

    x, y = data(2 * BLOCK_ROWS + 44)
    steps = 2 if batch else 0
    net, expected = network(), network()
    trainer = fastmlp.Trainer(net, batch_size=batch, shuffle=False)
    with pytest.raises(type(error)):
        trainer.fit(x, y, epochs=3, callbacks=[Interrupt(chunks=2)])
    assert trainer.history.steps == ([steps] if steps else [])
    assert trainer.optimizer.state(net).steps == steps
    if steps:
        rows = steps * 32
        fastmlp.Trainer(expected, batch_size=32, shuffle=False).fit(x[:rows], y[:rows], epochs=1)
    np.testing.assert_array_equal(net.parameters(), expected.parameters())
    assert trainer.fit(x, y, epochs=1).loss[-1] > 0  # and it can go on


# --- divergence -----------------------------------------------------------------------------------


def train_steps(rate: float, steps: int, batch: int | None, **options: Any) -> np.ndarray:
    """Return the parameters after a number of steps, one chunk each."""
    x, y = data(96)
    net = network(**options)
    trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(rate), batch_size=batch, shuffle=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        trainer.fit(x, y, epochs=100, callbacks=[StopAfter(chunks=steps)] if steps else [])
    assert trainer.history.steps[-1] == steps
    return net.parameters()


@pytest.mark.parametrize("hidden", ["relu", "tanh", "identity"])
@pytest.mark.parametrize("batch", [32, None])
@pytest.mark.parametrize("rate", [1e6, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_is_reported_and_undone(
    dtype: str, rate: float, batch: int | None, hidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_chunks_at_every_block(monkeypatch)
    options = {"dtype": dtype, "hidden": hidden}
    x, y = data(96)
    net = network(**options)
    trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(rate), batch_size=batch, shuffle=False)
    with pytest.raises((fastmlp.DivergenceError, DivergenceWarning)) as caught:
        trainer.fit(x, y, epochs=5)
    message = str(caught.value)
    assert "\n" not in message
    assert "learning_rate" in message
    epochs = trainer.history.epochs
    last = epochs[-1] if epochs else 0.0
    if caught.type is fastmlp.DivergenceError:
        assert f"in epoch {math.floor(last) + 1}, step" in message
    else:
        assert f"in epoch {math.ceil(last)}" in message
    assert np.isfinite(net.buffer).all()
    steps = trainer.history.steps[-1] if epochs else 0
    assert trainer.optimizer.state(net).steps == steps
    expected = (
        train_steps(rate, steps, batch, **options) if steps else network(**options).parameters()
    )
    np.testing.assert_array_equal(net.parameters(), expected)
    assert np.isfinite(trainer.history.loss).all()


@pytest.mark.parametrize("batch", [32, None])
def test_the_kept_parameters_gave_a_finite_loss(batch: int | None) -> None:
    x, y = data(96)
    net = network(output="identity")
    targets = np.eye(5)[y]
    trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(1e30), batch_size=batch, shuffle=False)
    with pytest.raises(fastmlp.DivergenceError):
        trainer.fit(x, targets, epochs=20)
    assert math.isfinite(net.evaluate(x, targets)["loss"])


def test_a_rising_loss_that_stays_finite_warns() -> None:
    x, y = data(96)
    net = network()
    trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(1e4), batch_size=32)
    with pytest.warns(DivergenceWarning, match=r"in epoch 3.*learning_rate"):
        trainer.fit(x, y, epochs=3)


def test_a_good_training_does_not_warn() -> None:
    x, y = data(200)
    net = network()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = fastmlp.Trainer(net, optimizer=fastmlp.Adam(0.01), batch_size=32).fit(
            x, y, epochs=30
        )
    assert history.accuracy[-1] > 0.95
    assert net.evaluate(x, y)["accuracy"] > 0.95


# --- what it costs --------------------------------------------------------------------------------


def compiled_signatures() -> list[int]:
    kernels = [step.train, step.train_parallel, step.infer, step.infer_parallel]
    kernels += [samples_part.dispatcher, weights_part.dispatcher]
    return [len(kernel.signatures) for kernel in kernels]


@pytest.mark.skipif(not hasattr(step.train, "signatures"), reason="nothing is compiled")
def test_nothing_is_compiled_after_the_first_epoch() -> None:
    x, y = data(300)
    x = x.astype("float32")
    for threads in (1, 2):
        net = network("float32")
        trainer = fastmlp.Trainer(net, batch_size=32, threads=threads)
        trainer.fit(x, y, epochs=1, validation=(x, y))
        before = compiled_signatures()
        assert sum(before) > 0
        trainer.fit(x, y, epochs=1)
        # Other data, batches, rules, losses and networks use the same machine code.
        fastmlp.Trainer(
            network("float32", [20, 3, 5]), optimizer=fastmlp.SGD(0.1, 0.9), batch_size=None,
            loss="squared_error", l2=0.1, threads=threads,
        ).fit(
            (x * 10).astype("uint8"), np.eye(5)[y], epochs=1, sample_weight=np.ones(300)
        )  # fmt: skip
        net.gradients(x[:, ::1], y)
        net.predict(np.asfortranarray(x))
        assert compiled_signatures() == before


@pytest.mark.skipif(not hasattr(step.train, "signatures"), reason="nothing is compiled")
def test_kernels_allocate_nothing_per_step() -> None:
    from numba.core.runtime import _nrt_python, rtsys

    x, y = data(256)
    allocated = []
    _nrt_python.memsys_enable_stats()
    try:
        for threads in (1, 2):
            for batch in (2, 128):
                trainer = fastmlp.Trainer(network(), batch_size=batch, threads=threads)
                trainer.fit(x, y, epochs=1)
                before = rtsys.get_allocation_stats()
                trainer.fit(x, y, epochs=1)
                allocated.append(rtsys.get_allocation_stats().alloc - before.alloc)
    finally:
        _nrt_python.memsys_disable_stats()
    # 128 steps and 2 steps allocate the same: what a call of a kernel does, if anything.
    assert allocated[0] <= allocated[1] + 2
    assert allocated[2] <= allocated[3] + 2


def resident() -> int:
    """Return the memory of this process in bytes, or 0 where the system does not tell."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * resource.getpagesize() if pages.exists() else 0


def test_memory_does_not_grow_with_the_steps() -> None:
    x, y = data(512)
    trainer = fastmlp.Trainer(network(), batch_size=4)
    trainer.fit(x, y, epochs=5)
    before = resident()
    tracemalloc.start()
    try:
        trainer.fit(x, y, epochs=1)
        first = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        trainer.fit(x, y, epochs=100)
        last = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert last[0] - first[0] < 100_000  # 12,800 steps; the history has 100 rows more
    assert last[1] - first[1] < 100_000
    assert resident() - before < 4 << 20


def test_data_are_not_copied() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20_000, 784), "uint8")
    y = np.arange(20_000) % 10
    net = network("float32", [784, 5, 10], input_scale=1 / 255)
    trainer = fastmlp.Trainer(net)
    trainer.fit(pixels[:200], y[:200], epochs=1)
    tracemalloc.start()
    try:
        trainer.fit(pixels, y, epochs=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < pixels.nbytes / 4


class Steps:
    """Notes what each step left behind."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.stop_after = stop_after
        self.seen: list[tuple[int, int, float]] = []

    def on_step_end(self, trainer: fastmlp.Trainer, history: fastmlp.History) -> bool:
        self.seen.append((trainer.steps, trainer.position, trainer.seconds))
        return trainer.steps >= self.stop_after


@pytest.mark.parametrize("batch_size", [32, 100, None])
def test_on_step_end_comes_after_every_update(batch_size: int | None) -> None:
    x, y = data(500)
    steps, batch = Steps(), batch_size or 500
    trainer = fastmlp.Trainer(network(), batch_size=batch_size)
    history = trainer.fit(x, y, epochs=2, callbacks=(steps,))
    per_epoch = -(-500 // batch)
    assert [step for step, _, _ in steps.seen] == list(range(1, 2 * per_epoch + 1))
    positions = [min(500, batch * i) for i in range(1, per_epoch + 1)]
    assert [position for _, position, _ in steps.seen] == 2 * positions
    seconds = [at for _, _, at in steps.seen]
    assert seconds == sorted(seconds)
    assert seconds[-1] == trainer.seconds == history.seconds[-1]


def test_true_from_on_step_end_stops_there_and_a_second_fit_goes_on() -> None:
    x, y = data(500)
    trainer = fastmlp.Trainer(network(), batch_size=32)
    trainer.fit(x, y, epochs=5, callbacks=(Steps(stop_after=3),))
    assert trainer.steps == trainer.history.steps[-1] == 3
    trainer.fit(x, y, epochs=1)
    assert trainer.steps == trainer.history.steps[-1] == 3 + 16


COPIES: list[Any] = [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("optimizer", [fastmlp.Adam(0.01), fastmlp.SGD(0.1, momentum=0.9)])
def test_a_copy_of_a_trainer_goes_on_as_the_original(copied: Any, optimizer: Any) -> None:
    x, y = data(96)
    trainer = fastmlp.Trainer(network(), optimizer=copied(optimizer), batch_size=32)
    trainer.fit(x, y, epochs=3, validation=(x, y))
    twin = copied(trainer)
    assert twin.network is not trainer.network
    assert twin.optimizer.state(twin.network).first.ctypes.data % 64 == 0
    for one in (trainer, twin):
        one.fit(x, y, epochs=2)
    np.testing.assert_array_equal(twin.network.buffer, trainer.network.buffer)
    assert twin.history.loss == trainer.history.loss
    assert twin.history.steps == trainer.history.steps == [3, 6, 9, 12, 15]


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_made_by_a_callback_is_of_that_moment(copied: Any) -> None:
    class Keep:
        def on_epoch_end(self, trainer: Any, history: Any) -> None:
            self.last = copied(trainer)

    x, y = data(96)
    keep, net = Keep(), network()
    trainer = fastmlp.Trainer(net, batch_size=32)
    trainer.fit(x, y, epochs=2, callbacks=[keep])
    trainer.fit(x, y, epochs=1)
    keep.last.fit(x, y, epochs=1)
    np.testing.assert_array_equal(keep.last.network.buffer, net.buffer)
    assert keep.last.history.steps == trainer.history.steps


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_made_in_the_middle_of_an_epoch_is_of_the_last_finished_step(copied: Any) -> None:
    class Keep:
        def on_step_end(self, trainer: Any, history: Any) -> None:
            if trainer.steps == 4:
                self.last = copied(trainer)

    x, y = data(96)
    keep, trainer = Keep(), fastmlp.Trainer(network(), batch_size=32)
    trainer.fit(x, y, epochs=2, callbacks=[keep])
    twin = keep.last
    assert (twin.steps, twin.finished_epochs, twin.history.steps) == (4, 1, [3])
    assert twin.optimizer.state(twin.network).steps == 4
    assert np.isfinite(twin.running_loss)
    twin.fit(x, y, epochs=1)
    assert twin.history.steps == [3, 7]


def test_a_pickle_made_by_a_callback_does_not_hold_the_data() -> None:
    class Keep:
        def on_chunk_end(self, trainer: Any, history: Any) -> None:
            self.size = len(pickle.dumps(trainer))

    x, y = data(960)
    keep, trainer = Keep(), fastmlp.Trainer(network(), batch_size=32)
    before = len(pickle.dumps(trainer))
    trainer.fit(x, y, epochs=1, validation=(x, y), callbacks=[keep])
    moments = 2 * trainer.network.buffer.nbytes
    assert keep.size < before + moments + 4000 < before + x.nbytes


def test_reading_a_trainer_makes_no_state_for_its_optimizer() -> None:
    net = network()
    trainer = fastmlp.Trainer(net)
    kind = type(trainer)
    properties = [name for name in dir(kind) if isinstance(getattr(kind, name), property)]
    assert {"steps", "position", "running_loss"} <= set(properties)
    for name in properties:
        getattr(trainer, name)
    repr(trainer)
    pickle.dumps(trainer)
    assert trainer.optimizer.known_state(net) is None


def test_a_second_fit_of_a_trainer_at_the_same_time_is_refused() -> None:
    class Again:
        def on_epoch_end(self, trainer: Any, history: Any) -> None:
            with pytest.raises(fastmlp.FastMLPError, match="fit: expected one fit of a Trainer"):
                trainer.fit(x, y)

    x, y = data(96)
    trainer = fastmlp.Trainer(network(), batch_size=32)
    history = trainer.fit(x, y, epochs=2, callbacks=[Again()])
    assert history.steps == [3, 6]
    trainer.fit(x, y, epochs=1)
    assert history.steps == [3, 6, 9]
