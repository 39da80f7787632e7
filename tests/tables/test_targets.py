"""What a column to predict is taken for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastmlp import FastMLPError
from fastmlp.tables.columns import Column
from fastmlp.tables.targets import TargetColumn, read_target

FEW = np.arange(100.0) % 3
MANY = np.arange(300.0)


def target(values: Any, output: str | None = None) -> TargetColumn:
    if not isinstance(values, np.ndarray):
        values = np.array([*values, None], object)[:-1]
    return read_target(Column("t", values), output)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["a", "b", "a"], ["a", "b"]),
        (["None", "NA", "x"], ["NA", "None", "x"]),
        ([True, False, True], [False, True]),
        (FEW, [0, 1, 2]),
        (["1", "2"] * 10, [1, 2]),
    ],
)
def test_words_booleans_and_few_whole_numbers_are_classes(values: Any, classes: list[Any]) -> None:
    found = target(values)
    assert found.classes
    assert np.unique(found.values).tolist() == classes
    assert found.values.dtype.kind in "Ubi"


@pytest.mark.parametrize(
    "values", [MANY, FEW + 0.5, np.arange(20.0) % 5, np.arange(1000.0) % 101, ["$1.50", "$2"]]
)
def test_all_else_are_numbers(values: Any) -> None:
    found = target(values)
    assert not found.classes
    assert found.values.dtype == np.float64
    assert found.messages == ["target 't': numbers"]


def test_the_output_decides_otherwise() -> None:
    assert not target(FEW, "identity").classes
    assert target(np.arange(20.0) % 5, "softmax").classes
    with pytest.raises(FastMLPError, match=r"^target 't': expected numbers for --output identity"):
        target(["a", "b"], "identity")


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    found = target(["a", None, "b", "", float("nan")])
    assert found.rows.tolist() == [True, False, True, False, False]
    assert found.messages == ["target 't': 2 classes; 3 rows without one are left out"]
    assert target(np.array([1.5, np.nan, 2.0])).rows.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([None, ""], "expected a value in some row, got none"),
        (["a", "a", None], "expected at least 2 classes, got 1: a"),
        ([1.0, np.inf], "expected finite numbers, got infinity"),
        (np.array(["2026-01-01"], "M8[us]"), "expected classes or numbers, got dates"),
        (["2026-01-01", "2026-01-02"], "expected classes or numbers, got dates"),
        ([{"a": 1}, {"a": 2}], "expected plain values, got lists or other nested things"),
    ],
)
def test_what_cannot_be_predicted_is_refused(values: Any, message: str) -> None:
    with pytest.raises(FastMLPError) as caught:
        target(values)
    assert str(caught.value) == f"target 't': {message}"
