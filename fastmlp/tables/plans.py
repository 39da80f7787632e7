"""What each column of a table is: a number, a category, a date, or of no use."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import invalid
from fastmlp.tables.columns import MISSING, Column, as_dates, as_numbers, as_words

__all__ = ["READERS", "Plan", "look"]

_FEWEST_FOR_IDENTIFIER = 20  # rows, for a column to be taken for names or numbers of rows
_NEARLY_ALL = 0.95  # of the words of a column differ: it names the rows


class Plan(NamedTuple):
    """What a column is and what becomes of it: for readers, and in a file."""

    name: str
    kind: str  # number, pixel, category, date, or left out
    note: str = ""  # why it is left out, or how it is read


def look(column: Column, kind: str | None, messages: list[str]) -> tuple[Plan, Any]:
    """Return what a column is, as `kind` if that is given, and its values so read."""
    name, values = column

    def left_out(why: str) -> tuple[Plan, Any]:
        messages.append(f"column {name!r} is left out: {why}")
        return Plan(name, "left out", why), None

    if kind == "left out":
        return Plan(name, kind, "as asked"), None
    asked = kind is not None
    if kind is None:
        kind = "number" if as_numbers(values) is not None else "date"
        kind = "category" if kind == "date" and as_dates(values) is None else kind
    found = READERS[kind](column)
    missing = found == np.array(None) if kind == "category" else np.isnan(found)
    known = found[~missing]
    if not len(known):
        return left_out("all missing")
    if not missing.any() and (known == known[0]).all():
        return left_out("constant")
    if not asked and len(values) >= _FEWEST_FOR_IDENTIFIER:
        distinct = len(set(known)) if kind == "category" else 0
        if distinct > _NEARLY_ALL * len(known):
            return left_out(f"an identifier, {distinct} different words")
        if kind == "number" and not missing.any() and _counts_rows(found):
            return left_out("an identifier, integers that count the rows")
    note = ""
    if kind == "number" and values.dtype == object and any(map(_is_decorated, values)):
        note = "read from words"
        messages.append(f"column {name!r}: numbers {note}")
    return Plan(name, kind, note), found


def _numbers(column: Column) -> NDArray[np.float64]:
    numbers = as_numbers(column.values)
    if numbers is None:
        raise invalid("X", f"numbers in column {column.name!r}", "others")
    if np.isinf(numbers).any():
        raise invalid("X", f"finite numbers in column {column.name!r}", "infinity")
    return numbers


def _dates(column: Column) -> NDArray[np.datetime64]:
    dates = as_dates(column.values)
    if dates is None:
        raise invalid("X", f"dates in column {column.name!r}", "others")
    return dates


def _words(column: Column) -> NDArray[Any]:
    try:
        return np.array([*as_words(column.values), None], object)[:-1]
    except TypeError:
        raise invalid("X", f"plain values in column {column.name!r}", "others") from None


READERS = {"number": _numbers, "pixel": _numbers, "date": _dates, "category": _words}


def _counts_rows(numbers: NDArray[np.float64]) -> bool:
    """Return whether different numbers are integers in a row, or in growing order."""
    if (numbers != np.floor(numbers)).any():
        return False
    in_a_row = numbers.max() - numbers.min() == len(numbers) - 1
    grows = bool((np.diff(numbers) > 0).all())
    return grows or (in_a_row and len(np.unique(numbers)) == len(numbers))


def _is_decorated(value: Any) -> bool:
    """Return whether a word is a number that Python does not read as one."""
    if not isinstance(value, str) or value.strip() in MISSING:
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False
