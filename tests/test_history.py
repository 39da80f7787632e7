"""History keeps its columns aligned and writes them whole or not at all."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from pathlib import Path

import pytest

from fastmlp.errors import FastMLPError
from fastmlp.history import COLUMNS, History
from fastmlp.output import OutputError


@pytest.fixture
def history() -> History:
    history = History()
    history.record(epochs=0.5, steps=3, seconds=0.25, loss=2.0, accuracy=0.1)
    history.record(epochs=1, steps=6, seconds=0.5, loss=1 / 3, validation_accuracy=0.75)
    return history


def test_columns_stay_aligned_and_missing_values_are_nan(history: History) -> None:
    assert history.epochs == [0.5, 1.0]
    assert history.steps == [3, 6]
    assert history.seconds == [0.25, 0.5]
    assert history.loss == [2.0, 1 / 3]
    assert history.accuracy[0] == 0.1
    assert math.isnan(history.accuracy[1])
    assert math.isnan(history.validation_accuracy[0])
    assert history.validation_accuracy[1] == 0.75
    assert len(history) == 2
    assert {len(column) for column in history.to_dict().values()} == {2}


def test_a_bad_row_leaves_the_columns_as_they_were(history: History) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        history.record(epochs=2, steps=9, seconds=1.0, loss=0.5, accuracy="nonsense")
    assert {len(column) for column in history.to_dict().values()} == {2}


def test_to_dict_gives_copies(history: History) -> None:
    history.to_dict()["loss"].clear()
    assert len(history.loss) == 2


def test_csv_gives_the_values_back_to_the_last_bit(history: History, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    history.to_csv(path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [float(row["loss"]) for row in rows] == history.loss
    assert [row["steps"] for row in rows] == ["3", "6"]
    assert rows[1]["accuracy"] == ""
    assert [entry.name for entry in tmp_path.iterdir()] == ["history.csv"]


def test_csv_replaces_an_older_file(history: History, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("old\n" * 1000)
    history.to_csv(path)
    assert len(path.read_text().splitlines()) == 3


@pytest.mark.parametrize("name", ["missing/history.csv", "", "."])
def test_a_path_that_cannot_be_written_is_named_in_one_line(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError) as caught:
        history.to_csv(name)
    assert isinstance(caught.value, FastMLPError)
    assert isinstance(caught.value, OSError)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_repr_is_short(history: History) -> None:
    assert repr(history) == "History(2 records, 1 epoch, 6 steps, loss 0.3333, " + (
        "validation_accuracy 0.75)"
    )
    assert repr(History()) == "History(0 records)"


def test_importing_history_imports_nothing_heavy() -> None:
    code = (
        "import sys, fastmlp.history, fastmlp.output\n"
        "print(sorted({'numpy', 'numba', 'matplotlib', 'rich', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
