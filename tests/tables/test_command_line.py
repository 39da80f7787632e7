"""`fastmlp train people.csv` and what comes after it: evaluate, predict, info."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastmlp
from fastmlp import cli
from tests.tables.conftest import people

QUICK = ("--epochs", "15", "--hidden", "16", "--quiet")


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Run one command; return its status, and what it printed."""
    status = cli.main([str(word) for word in words])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def succeed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    status, out, err = run(capsys, *words)
    assert (status, err) == (0, "")
    return out


def fail(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith("fastmlp: error: ")
    assert err.count("\n") == 1
    return err


def last_json(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def test_classes_from_a_file_to_predictions(table: Path, tmp_path: Path, capsys: Any) -> None:
    model = tmp_path / "m.safetensors"
    words = ("train", table, "--target", "rich", "--drop", "income", "--out", model, "--json")
    status, out, err = run(capsys, *words)
    assert status == 0
    assert "fastmlp: target 'rich': 2 classes\n" in err
    assert "fastmlp: column 'id' is left out: an identifier, 300 different words\n" in err
    assert "fastmlp: column 'fee': numbers read from words\n" in err
    result = last_json(out)
    assert result["accuracy"] > 0.8
    assert out.splitlines()[0].startswith("held-out accuracy 0.")
    assert "on 46 rows" in out.splitlines()[0]

    new = tmp_path / "new.csv"
    people(200, seed=1).to_csv(new, index=False)
    measured = last_json(succeed(capsys, "evaluate", model, new, "--json"))
    assert measured["accuracy"] > 0.8
    assert measured["samples"] == 200
    assert set(measured) == {"accuracy", "loss", "samples"}

    out = succeed(capsys, "predict", model, new)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["prediction", "probability_no", "probability_yes"]
    right = [row["prediction"] for row in rows] == people(200, seed=1).rich
    assert right.mean() == pytest.approx(measured["accuracy"])
    assert all(
        abs(float(row["probability_no"]) + float(row["probability_yes"]) - 1) < 1e-6 for row in rows
    )
    loaded = fastmlp.TableClassifier.load(model)
    assert loaded.predict(people(200, seed=1)).tolist() == [row["prediction"] for row in rows]


def test_numbers_are_printed_in_their_own_unit(table: Path, tmp_path: Path, capsys: Any) -> None:
    model = tmp_path / "m"
    words = ("train", table, "--target", "income", "--drop", "rich", "--out", model)
    result = last_json(succeed(capsys, *words, "--json", "--quiet"))
    spread = people().income.var()
    assert result["r2"] > 0.7
    assert result["held_out_loss"] == pytest.approx(result["rmse"] ** 2)
    assert 0 < result["loss"] < 0.5 * spread
    measured = last_json(succeed(capsys, "evaluate", model, table, "--json"))
    assert set(measured) == {"r2", "rmse", "loss", "samples"}
    assert measured["samples"] == 300
    predicted = succeed(capsys, "predict", model, table).split()
    assert predicted[0] == "prediction"
    errors = np.array(predicted[1:], float) - people().income
    assert np.sqrt((errors**2).mean()) == pytest.approx(measured["rmse"], rel=1e-6)


def test_other_losses_and_rules_are_taken(table: Path, capsys: Any) -> None:
    words = ("train", table, "--target", "income", "--drop", "rich", "--json", *QUICK)
    plain = last_json(succeed(capsys, *words))["loss"]
    far = last_json(succeed(capsys, *words, "--loss", "absolute_error", "--dropout", "0.1"))
    assert 0.2 * plain**0.5 < far["loss"] < plain**0.5
    words += ("--optimizer", "sgd", "--learning-rate", "0.05", "--batch-size", "full", "--init")
    assert last_json(succeed(capsys, *words, "glorot"))["steps"] == 15


def test_columns_are_known_by_name(table: Path, tmp_path: Path, capsys: Any) -> None:
    model, other = tmp_path / "m", tmp_path / "other.parquet"
    succeed(capsys, "train", table, "--target", "rich", "--out", model, *QUICK)
    frame = pd.read_csv(table)
    shuffled = frame[frame.columns[::-1]].assign(more=1).sample(frac=1, random_state=0)
    shuffled.to_parquet(other)
    before = succeed(capsys, "predict", model, table).splitlines()[1:]
    after = succeed(capsys, "predict", model, other).splitlines()[1:]
    assert after == [before[i] for i in shuffled.index]
    frame.drop(columns="age").to_csv(other.with_suffix(".csv"), index=False)
    for command in ("predict", "evaluate"):
        said = fail(capsys, command, model, other.with_suffix(".csv"))
        assert "X: expected a column 'age', as fitted, got" in said


def test_the_target_may_be_left_out_and_what_was_taken_is_said(
    table: Path, tmp_path: Path, capsys: Any
) -> None:
    status, _, err = run(capsys, "train", table, "--epochs", "1", "--hidden", "none")
    assert status == 0
    assert err.startswith("fastmlp: target: column 'rich', the last\n")
    named = tmp_path / "named.csv"
    people().rename(columns={"income": "Label"}).to_csv(named, index=False)
    status, _, err = run(capsys, "train", named, "--epochs", "1", "--hidden", "none")
    assert err.startswith("fastmlp: target: column 'Label', by its name\n")


def test_rows_without_a_target_are_left_out(tmp_path: Path, capsys: Any) -> None:
    frame = people()
    frame.loc[:9, "rich"] = None
    frame.to_csv(tmp_path / "t.csv", index=False)
    status, _, err = run(capsys, "train", tmp_path / "t.csv", "--epochs", "1", "--hidden", "none")
    assert status == 0
    assert "target 'rich': 2 classes; 10 rows without one are left out\n" in err


@pytest.mark.parametrize("part", ["held-out", "training", None])
def test_a_table_is_evaluated_whole_unless_told(
    table: Path, tmp_path: Path, capsys: Any, part: str | None
) -> None:
    model = tmp_path / "m"
    succeed(capsys, "train", table, "--out", model, *QUICK)
    words = ("--part", part) if part else ()
    measured = last_json(succeed(capsys, "evaluate", model, table, "--json", *words))
    assert measured["samples"] == {"held-out": 76, "training": 224, None: 300}[part]
    net = fastmlp.Network([2, 2])
    net.save(model)
    pd.DataFrame({"a": [1, 2] * 20, "b": [3, 4] * 20, "y": [0, 1] * 20}).to_csv(table, index=False)
    words = ("evaluate", model, table, "--target", "y", "--json", *words)
    measured = last_json(succeed(capsys, *words))
    assert measured["samples"] == {"held-out": 10, "training": 30, None: 40}[part]


def test_an_ensemble_is_one_file(table: Path, tmp_path: Path, capsys: Any) -> None:
    model = tmp_path / "m"
    words = ("train", table, "--ensemble", "2", "--out", model, "--json", *QUICK)
    assert last_json(succeed(capsys, *words))["networks"] == 2
    assert len(fastmlp.TableClassifier.load(model).networks_) == 2
    assert "ensemble: expected 1 with a checkpoint" in fail(
        capsys, "train", table, "--ensemble", "2", "--checkpoint", tmp_path / "c", "--quiet"
    )


def test_cross_validation_keeps_nothing(table: Path, tmp_path: Path, capsys: Any) -> None:
    words = ("train", table, "--target", "rich", "--cv", "3", "--json", *QUICK)
    out = succeed(capsys, *words)
    found = last_json(out)["accuracy"]
    assert len(found["folds"]) == 3
    assert found["mean"] == pytest.approx(np.mean(found["folds"]))
    assert out.startswith(f"accuracy {found['mean']:.4f} ± {found['std']:.4f} over 3 folds: ")
    for flag in ("--out", "--checkpoint"):
        assert f"{flag}: expected none with --cv" in fail(capsys, *words, flag, tmp_path / "m")


def test_importance_names_the_column_that_matters(table: Path, capsys: Any) -> None:
    words = ("train", table, "--target", "income", "--drop", "rich", "--importance", "--json")
    out = succeed(capsys, *words, "--quiet")
    assert next(iter(last_json(out)["importance"])) == "age"
    lines = out.splitlines()
    assert lines[1] == "R² lost where a column is shuffled:"
    assert lines[2].startswith("  age  ")


@pytest.mark.parametrize("target", ["rich", "income"])
def test_pictures_of_the_fit(table: Path, tmp_path: Path, capsys: Any, target: str) -> None:
    path = tmp_path / "p.png"
    succeed(capsys, "train", table, "--target", target, "--plot", path, *QUICK)
    assert path.read_bytes()[1:4] == b"PNG"


def test_predictions_as_arrays_and_outputs(table: Path, tmp_path: Path, capsys: Any) -> None:
    model, out = tmp_path / "m", tmp_path / "p.npy"
    succeed(capsys, "train", table, "--out", model, *QUICK)
    succeed(capsys, "predict", model, table, "--out", out)
    assert set(np.load(out)) <= {"no", "yes"}
    succeed(capsys, "predict", model, table, "--proba", "--out", out)
    assert np.load(out).shape == (300, 2)
    lines = succeed(capsys, "predict", model, table, "--proba").splitlines()
    assert len(lines) == 300
    assert len(lines[0].split(",")) == 2


def test_info_shows_what_became_of_each_column(table: Path, tmp_path: Path, capsys: Any) -> None:
    model = tmp_path / "m"
    succeed(capsys, "train", table, "--target", "rich", "--out", model, *QUICK)
    out = succeed(capsys, "info", model, "--json")
    assert "id: left out (an identifier, 300 different words)\n" in out
    assert "fee: number (read from words)\n" in out
    assert "rich: 2 classes" in out.splitlines()[0]
    kinds = {column["name"]: column["kind"] for column in last_json(out)["columns"]}
    assert kinds == {
        "id": "left out", "age": "number", "town": "category", "since": "date", "fee": "number",
        "income": "number",
    }  # fmt: skip
    net = fastmlp.Network([2, 3])
    net.save(model)
    assert succeed(capsys, "info", model).startswith("Network([2, 3]")


@pytest.mark.filterwarnings("default")  # as the command line has them
def test_unknown_words_and_other_units_are_warned_of(
    table: Path, tmp_path: Path, capsys: Any
) -> None:
    model = tmp_path / "m"
    succeed(capsys, "train", table, "--target", "rich", "--out", model, *QUICK)
    people().assign(town="Eridu", income=people().income / 1000).to_csv(table, index=False)
    status, _, err = run(capsys, "evaluate", model, table)
    assert status == 0
    assert "'Eridu' in column 'town'" in err
    assert "columns far outside what was fitted; is their unit the same? income" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "height"], "target: expected a column of"),
        (["--output", "sigmoid"], "--output: expected softmax or identity for a table"),
        (["--target", "town", "--output", "identity"], "expected numbers for --output identity"),
        (["--categorical", "height"], "categorical: expected columns of"),
        (["--cv", "1"], "--cv: expected an integer of at least 2"),
        (["--max-categories", "0"], "--max-categories: expected a positive integer"),
    ],
)
def test_mistakes_are_one_line(table: Path, capsys: Any, words: list[str], message: str) -> None:
    assert message in fail(capsys, "train", table, *words, "--quiet")


def test_table_options_are_for_tables(capsys: Any) -> None:
    said = fail(capsys, "train", "digits", "--ensemble", "2")
    assert "--ensemble: expected DATA that is a table, got digits" in said
    said = fail(capsys, "train", "digits", "--drop", "a")
    assert "--drop: expected DATA that is a table" in said


def test_a_model_of_a_table_wants_a_table(table: Path, tmp_path: Path, capsys: Any) -> None:
    model = tmp_path / "m"
    succeed(capsys, "train", table, "--out", model, *QUICK)
    assert "DATA: expected a table" in fail(capsys, "evaluate", model, "digits")
    assert "INPUT: expected a table" in fail(capsys, "predict", model, tmp_path / "x.npy")


def test_classes_that_are_unknown_are_named(table: Path, tmp_path: Path, capsys: Any) -> None:
    model = tmp_path / "m"
    succeed(capsys, "train", table, "--target", "rich", "--out", model, *QUICK)
    people().replace({"rich": {"yes": "very"}}).to_csv(table, index=False)
    said = fail(capsys, "evaluate", model, table)
    assert "DATA: expected classes among no, yes, got very" in said


def test_killed_and_resumed_it_ends_with_the_bits_of_an_unbroken_run(
    table: Path, tmp_path: Path, capsys: Any
) -> None:
    words = ["train", table, "--target", "rich", "--hidden", "16", "--quiet", "--epochs", "400"]
    succeed(capsys, *words, "--out", tmp_path / "whole")
    kept = [*words, "--checkpoint", tmp_path / "c", "--checkpoint-every", "0", "--out"]
    command = [sys.executable, "-m", "fastmlp", *map(str, kept), str(tmp_path / "broken")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not (tmp_path / "c").exists():
        if process.poll() is not None:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    succeed(capsys, *kept, tmp_path / "resumed", "--resume")
    resumed, whole = (
        fastmlp.TableClassifier.load(tmp_path / name) for name in ("resumed", "whole")
    )
    np.testing.assert_array_equal(resumed.networks_[0].buffer, whole.networks_[0].buffer)
    assert resumed.encoder_.to_dict() == whole.encoder_.to_dict()


CELLS = st.one_of(
    st.sampled_from(
        ["", "1", "2.5", "NA", "?", "x", "yes", "2026-01-01", "inf", "1e400", '"', "$3"]
    ),
    st.text(max_size=4),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=12))
def test_whatever_a_file_holds_there_is_a_model_or_one_line(
    rows: list[list[str]], tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(",".join(row) for row in rows), "utf-8", "surrogatepass")
    status, out, err = run(capsys, "train", path, "--epochs", "1", "--hidden", "2", "--quiet")
    if status == 0:
        assert out.startswith("training loss")
        assert err == "" or err.startswith("fastmlp: warning: ")
    else:
        assert status == 2
        assert err.startswith("fastmlp: error: ")
        assert err.count("\n") == 1
