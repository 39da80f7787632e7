"""What the columns of a frame hold: numbers, words or dates, and numbers and dates in words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DataError, invalid, invalid_type

__all__ = ["Column", "as_dates", "as_numbers", "as_words", "columns_of", "words_to_numbers"]

# Alone in a field, among numbers or dates, these say that there is none.
MISSING = frozenset({"", "?", "-", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"})

# The second of these is the first with the points and commas of most of Europe.
_NUMBERS = tuple(
    re.compile(
        rf"(?P<sign>[+-]?)\s?[$€£¥]?\s?(?P<whole>\d{{1,3}}(?:{group}\d{{3}})+|\d*)"
        rf"(?:{point}(?P<part>\d*))?(?P<power>[eE][+-]?\d+)?\s?[%€$£¥]?",
        re.ASCII,
    )
    for group, point in ((",", r"\."), (r"\.", ","))
)
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_MOST_DIGITS = 15  # of an integer that float64 holds; longer ones are names


class Column(NamedTuple):
    """A column as it came: float64 with NaN, dates with NaT, or objects with None."""

    name: str
    values: NDArray[Any]


def columns_of(frame: Any, name: str = "X") -> list[Column] | None:
    """Return the columns of a frame of pandas, polars or pyarrow; None for what is no frame.

    Raises
    ------
    InvalidValueError
        Columns of one name, or a column of lists or other nested things.
    """
    if not (hasattr(frame, "columns") or hasattr(frame, "column_names")):
        return None
    try:
        import narwhals.stable.v2 as nw
    except ImportError:
        raise DataError(
            f"{name}: expected narwhals to read frames with, got none: pip install 'fastmlp[data]'"
        ) from None
    if hasattr(frame, "iloc"):
        frame = frame.set_axis([str(label) for label in frame.columns], axis=1)
        twice = frame.columns[frame.columns.duplicated()]
        if len(twice):
            raise invalid(name, "columns of different names", f"{twice[0]!r} twice")
    try:
        table = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise invalid_type(name, "a frame of pandas or polars, or a pyarrow table", frame) from None
    columns = []
    for series in table.iter_columns():
        kind = series.dtype
        if kind.is_nested():
            raise invalid(name, "columns of plain values", f"{kind} in column {series.name!r}")
        if kind.is_numeric():
            values = series.cast(nw.Float64()).to_numpy().astype(np.float64)
        elif kind in (nw.Date, nw.Datetime):
            if getattr(kind, "time_zone", None):
                series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            values = series.cast(nw.Datetime("us")).to_numpy().astype("datetime64[us]")
        elif kind == nw.Duration:
            values = _seconds(series.to_numpy())
        else:
            values = np.empty(len(series), object)
            values[:] = series.to_list()
        columns.append(Column(series.name, values))
    return columns


def _seconds(durations: NDArray[Any]) -> NDArray[np.float64]:
    numbers = durations.astype("timedelta64[us]").astype(np.float64) / 1e6
    numbers[np.isnat(durations)] = np.nan
    return numbers


def is_missing(value: Any) -> bool:
    """Return whether an object stands for no value: None, NaN, NaT, or an empty word."""
    if value is None or type(value).__name__ == "NAType":  # pandas has a value of its own
        return True
    return value != value or (isinstance(value, str) and not value.strip())


def _by_value(values: NDArray[Any], make: Callable[[Any], Any]) -> list[Any] | None:
    """Return what is made of each object, each made once; None where one makes none."""
    made: dict[Any, Any] = {}
    try:
        for value in values.tolist():
            if value not in made and not is_missing(value):
                made[value] = make(value)
    except (TypeError, ValueError, OverflowError, AttributeError):
        return None
    return [None if is_missing(value) else made[value] for value in values.tolist()]


def as_numbers(values: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return a column as numbers, NaN where there is none; None where not all are numbers.

    Examples
    --------
    >>> as_numbers(np.array(["1,234.5", "$ 3", "12 %", "?", None], object)).tolist()
    [1234.5, 3.0, 12.0, nan, nan]
    >>> as_numbers(np.array(["00501", "10001"], object)) is None
    True
    """
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    if values.dtype.kind == "m":
        return _seconds(values)
    if values.dtype.kind != "O":
        return None
    numbers = _by_value(values, _plain_number)
    if numbers is None:
        numbers = words_to_numbers(values)
    if numbers is None:
        return None
    return np.array([math.nan if number is None else number for number in numbers], np.float64)


def _plain_number(value: Any) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str | bytes | bool | np.bool_ | date):
        raise TypeError
    return float(value)


def words_to_numbers(values: NDArray[Any]) -> list[float | None] | None:
    """Return the numbers that all words of a column are, None for a gap; else None."""
    for pattern in _NUMBERS:

        def read(word: Any, pattern: re.Pattern[str] = pattern) -> float | None:
            if word.strip() in MISSING:
                return None
            found = pattern.fullmatch(word.strip())
            if found is None:
                raise ValueError
            whole = re.sub(r"\D", "", found["whole"])
            if not (whole or found["part"]):
                raise ValueError
            if (len(whole) > 1 and whole[0] == "0") or len(whole) > _MOST_DIGITS:
                raise ValueError  # the code of a place, the number of an account
            return float(f"{found['sign']}{whole}.{found['part'] or 0}{found['power'] or ''}")

        numbers = _by_value(values, read)
        if numbers is not None and any(number is not None for number in numbers):
            return numbers
    return None


def as_dates(values: NDArray[Any]) -> NDArray[np.datetime64] | None:
    """Return a column as dates in UTC, NaT where there is none; None where not all are dates.

    Examples
    --------
    >>> as_dates(np.array(["2026-11-27", "2026-11-27 20:15+01:00"], object)).tolist()[1].hour
    19
    """
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]")
    if values.dtype.kind != "O":
        return None
    dates = _by_value(values, _as_date)
    if dates is None or not any(when is not None for when in dates):
        return None
    return np.array(dates, "datetime64[us]")


def _as_date(value: Any) -> datetime | None:
    if isinstance(value, str):
        word = value.strip()
        if word in MISSING:
            return None
        if not _DATE.fullmatch(word):
            raise ValueError
        value = datetime.fromisoformat(word)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise TypeError
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def as_words(values: NDArray[Any]) -> list[str | None]:
    """Return a column's values as words, None where there is none.

    Numbers that are whole are written without a point, so that a category that was read as an
    integer is the same as one that was read as a number.
    """
    made: dict[Any, str | None] = {}
    for value in values.tolist():
        if (key := (type(value), value)) not in made:
            made[key] = None if is_missing(value) else _word(value)
    return [made[type(value), value] for value in values.tolist()]


def _word(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
