"""What the column to predict holds: classes or numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import invalid
from fastmlp.tables.columns import Column, as_dates, as_numbers, as_words, is_missing

__all__ = ["TargetColumn", "read_target"]

_MOST_CLASSES, _FEWEST_ROWS = 100, 5  # of numbers that are classes; and rows for each, on average


class TargetColumn(NamedTuple):
    """The targets that there are."""

    values: NDArray[Any]  # (rows.sum(),): str, bool or int64 for classes, float64 for numbers
    rows: NDArray[np.bool_]  # where there is one
    classes: bool
    messages: list[str]


def read_target(column: Column, output: str | None = None) -> TargetColumn:
    """Return the targets in a column, and whether they are classes.

    Words and booleans are classes; so are whole numbers, where they are few: at most 100, and five
    rows for each on average. All else are numbers, also in words.

    Parameters
    ----------
    column : Column
    output : {"softmax", "sigmoid", "identity"} or None
        Of the network: the first two want classes, the last numbers.

    Raises
    ------
    InvalidValueError
        There is no target at all, one class only, an infinity, dates, or words for numbers.

    Examples
    --------
    >>> read_target(Column("kind", np.array(["a", "b", None], object))).messages
    ["target 'kind': 2 classes; 1 row without one is left out"]
    >>> read_target(Column("price", np.array([1.0, 2.5]))).messages
    ["target 'price': numbers"]
    """
    name, values = column
    numbers = as_numbers(values)
    if numbers is None and as_dates(values) is not None:
        raise invalid(f"target {name!r}", "classes or numbers", "dates")
    found: NDArray[Any]
    if numbers is not None:
        rows = ~np.isnan(numbers)
        found = numbers[rows]
        if np.isinf(found).any():
            raise invalid(f"target {name!r}", "finite numbers", "infinity")
    else:
        rows = np.array([not is_missing(value) for value in values.tolist()], bool)
        kinds = {type(value) for value in values[rows]}
        words = as_words(values[rows])
        if words is None:
            raise invalid(f"target {name!r}", "plain values", "lists or other nested things")
        found = np.array(words, str)
        found = found == "True" if kinds <= {bool, np.bool_} else found
    if not len(found):
        raise invalid(f"target {name!r}", "a value in some row", "none")
    if output == "identity" and numbers is None:
        raise invalid(f"target {name!r}", "numbers for --output identity", "words")
    distinct = np.unique(found)
    whole = numbers is not None and bool((np.abs(distinct) < 2**53).all())
    whole = whole and bool((distinct == np.floor(distinct)).all())
    few = len(distinct) <= min(_MOST_CLASSES, len(found) / _FEWEST_ROWS)
    classes = output != "identity" and (output is not None or numbers is None or (whole and few))
    if classes and whole:
        found = found.astype(np.int64)
    if classes and len(distinct) == 1:
        raise invalid(f"target {name!r}", "at least 2 classes", f"1: {found[0]}")
    gaps = len(rows) - len(found)
    left = f"; {gaps} row{'s' * (gaps > 1)} without one {'are' if gaps > 1 else 'is'} left out"
    what = f"{len(distinct)} classes" if classes else "numbers"
    return TargetColumn(found, rows, classes, [f"target {name!r}: {what}{left if gaps else ''}"])
