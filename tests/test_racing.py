"""The race of batch sizes, from Python and from the command line."""

from __future__ import annotations

import csv
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastmlp
from fastmlp.cli import main
from fastmlp.errors import DivergenceWarning

BATCH_SIZES = (16, 100, None)


def data(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return rng.normal(size=(3, 10))[y] + 0.3 * rng.normal(size=(n, 10)), y


def network() -> fastmlp.Network:
    return fastmlp.Network([10, 8, 3], seed=1, dtype="float64")


def run(**options: Any) -> fastmlp.Race:
    given = {"batch_sizes": BATCH_SIZES, "max_seconds": 0.2, "optimizer": fastmlp.SGD(0.05)}
    return fastmlp.race(network(), *data(), **(given | options))


@pytest.mark.parametrize("clock", ["fair", "book"])
def test_all_start_from_the_same_and_their_records_agree(clock: str) -> None:
    net, (x, y) = network(), data()
    before = net.parameters()
    result = fastmlp.race(
        net, x, y, BATCH_SIZES, 0.2, optimizer=fastmlp.SGD(0.05), clock=clock, points=5
    )
    np.testing.assert_array_equal(net.parameters(), before)
    assert list(result.histories) == ["16", "100", "full"]
    start = net.evaluate(x, y)
    for label, history in result.histories.items():
        batch = 300 if label == "full" else int(label)
        assert (history.seconds[0], history.steps[0], history.epochs[0]) == (0, 0, 0)
        assert history.loss[0] == start["loss"]
        assert history.accuracy[0] == start["accuracy"]
        assert history.loss[-1] < history.loss[0]
        assert history.steps == sorted(set(history.steps))
        assert history.seconds == sorted(history.seconds)
        assert history.seconds[-1] >= 0.2
        per_epoch = math.ceil(300 / batch)
        for steps, epochs in zip(history.steps, history.epochs, strict=True):
            assert epochs == pytest.approx(steps // per_epoch + steps % per_epoch * batch / 300)
        end = result.networks[label].evaluate(x, y)
        assert history.loss[-1] == end["loss"]


def test_the_book_s_clock_measures_after_every_step_and_counts_it() -> None:
    def slow(result: fastmlp.Race, label: str) -> None:
        time.sleep(0.02)

    result = run(clock="book", batch_sizes=(16,), watch=slow)
    history = result.histories["16"]
    assert history.steps == list(range(len(history)))
    assert 2 <= len(history) <= 12


def test_the_fair_clock_counts_training_alone() -> None:
    def slow(result: fastmlp.Race, label: str) -> None:
        time.sleep(0.02)

    result = run(batch_sizes=(16,), watch=slow, points=4)
    history = result.histories["16"]
    assert 3 <= len(history) <= 6  # time 0, four moments, and the end if it is later
    assert history.steps[-1] > 100
    assert history.seconds[-1] < 0.5


def test_a_full_batch_is_trained_as_trainer_does_it() -> None:
    result = run(batch_sizes=(None,), shuffle=False, clock="book")
    steps = result.histories["full"].steps[-1]
    net, (x, y) = network(), data()
    trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(0.05), batch_size=None, shuffle=False)
    trainer.fit(x, y, epochs=steps)
    np.testing.assert_array_equal(result.networks["full"].parameters(), net.parameters())


def test_one_that_diverges_drops_out_and_the_others_go_on() -> None:
    """A sample by itself may have a length at which this rate diverges; the mean has not."""
    x = np.array([[100.0], *[[0.1]] * 99])
    net = fastmlp.Network([1, 1], output="identity", init="zeros", dtype="float64")
    with pytest.warns(DivergenceWarning, match="batch size 1 dropped out"):
        result = fastmlp.race(net, x, x[:, 0], (1, None), 0.1, optimizer=fastmlp.SGD(0.005))
    assert list(result.histories) == ["1", "full"]
    assert np.isfinite(result.histories["1"].loss).all()
    assert result.histories["full"].loss[-1] < 1e-6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_sizes": ()}, "batch_sizes: expected one or more different sizes"),
        ({"batch_sizes": (8, 8)}, "batch_sizes: expected one or more different sizes"),
        ({"batch_sizes": (0,)}, "batch_sizes: expected an integer of at least 1"),
        ({"clock": "wall"}, "clock: expected one of fair, book, got 'wall'"),
        ({"max_seconds": 0}, "max_seconds: expected a finite number greater than 0"),
        ({"points": 0}, "points: expected an integer of at least 1"),
        ({"loss": "mnist_loss"}, "loss: expected a loss for a softmax output"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(**options)


def test_the_table_and_the_picture(tmp_path: Path) -> None:
    result = run(batch_sizes=(16, None), max_seconds=0.05)
    result.to_csv(tmp_path / "race.csv")
    result.plot(tmp_path / "race.png")
    with (tmp_path / "race.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for label, history in result.histories.items():
        mine = [row for row in rows if row["batch_size"] == label]
        assert [float(row["loss"]) for row in mine] == history.loss
        assert [float(row["seconds"]) for row in mine] == history.seconds
        assert [int(row["steps"]) for row in mine] == history.steps
    assert (tmp_path / "race.png").read_bytes()[1:4] == b"PNG"
    assert repr(result).startswith("Race(loss by batch size: 16: ")


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--history", str(tmp_path / "h.csv"), "--plot", str(tmp_path / "p.png")]
    words = ["race", "digits", "--batch-sizes", "64,full", "--max-seconds", "0.1", "--hidden", "20"]
    assert main([*words, *files, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("batch size 64  0.00 s  0 steps  0.00 epochs  loss 2.")
    lines = out.splitlines()
    result = json.loads(lines[-1])
    assert set(result["batch_sizes"]) == {"64", "full"}
    assert result["plot"] == str(tmp_path / "p.png")
    losses = [result["batch_sizes"][line.split()[2].rstrip(":")]["loss"] for line in lines[:2]]
    assert losses == sorted(losses)
    with (tmp_path / "h.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["loss"]) == result["batch_sizes"]["full"]["loss"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--batch-sizes", "1,x"], "expected different positive integers, or full"),
        (["--batch-sizes", "8,8"], "expected different positive integers, or full"),
        (["--batch-sizes", "1,2,3,4,5,6,7", "--plot", "p.png"], "expected at most 6 with --plot"),
        (["--max-seconds", "0"], "expected a positive number"),
        (["--history", "no/such/folder.csv"], "no such folder"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["race", "digits", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not list(tmp_path.iterdir())
