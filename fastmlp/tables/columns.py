"""What the columns of a frame hold: numbers, words or dates, in words too, or what is no use."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DataError, invalid, invalid_type

__all__ = [
    "KINDS", "Column", "Plan", "as_dates", "as_numbers", "as_words", "columns_of", "is_missing",
    "look", "read_as",
]  # fmt: skip

# Alone in a field, among numbers or dates, these say that there is none.
MISSING = frozenset(
    {"", "?", "-", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "null", "NULL", "None"}
)

# The second of these is the first with the points and commas of most of Europe.
_NUMBERS = tuple(
    re.compile(
        rf"(?P<sign>[+-]?)\s?[$€£¥]?\s?(?P<whole>\d{{1,3}}(?:{group}\d{{3}})+|\d*)"
        rf"(?:{point}(?P<part>\d*))?(?P<power>[eE][+-]?\d+)?\s?[%€$£¥]?",
        re.ASCII,
    )
    for group, point in ((",", r"\."), (r"\.", ","))
)
_PLAIN = re.compile(r"[+-]?\d*\.?\d*([eE][+-]?\d+)?", re.ASCII)
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_MOST_DIGITS = 15  # of an integer that float64 holds; longer ones are names
_FEWEST_FOR_IDENTIFIER = 20  # rows, for a column to be taken for names or numbers of rows
_NEARLY_ALL = 0.95  # of the words of a column differ: it names the rows


class Column(NamedTuple):
    """A column as it came: float64 with NaN, dates with NaT, or objects with None."""

    name: str
    values: NDArray[Any]


class Plan(NamedTuple):
    """What a column is and what becomes of it: for readers, and in a file."""

    name: str
    kind: str  # number, pixel, category, date, or left out
    note: str = ""  # why it is left out, or how it is read


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
    seconds: NDArray[np.float64] = durations.astype("timedelta64[us]") / np.timedelta64(1, "s")
    return seconds


def is_missing(value: Any) -> bool:
    """Return whether an object stands for no value: None, NaN, NaT, or an empty word."""
    if value is None or type(value).__name__ == "NAType":  # pandas has a value of its own
        return True
    return value != value or (isinstance(value, str) and not value.strip())


def _by_value(values: NDArray[Any], make: Callable[[Any], Any]) -> list[Any] | None:
    """Return what is made of each value, each made once; None where one makes none."""
    made: dict[Any, Any] = {}
    keys = [(type(value), value) for value in values.tolist()]  # True is not 1 here
    try:
        for key in keys:
            if key not in made:
                made[key] = None if is_missing(key[1]) else make(key[1])
    except (TypeError, ValueError, OverflowError, AttributeError):
        return None
    return [made[key] for key in keys]


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
    for pattern in _NUMBERS:
        if numbers is None:
            numbers = _by_value(values, partial(_number_in_word, pattern))
            if numbers is not None and all(number is None for number in numbers):
                return None
    return None if numbers is None else np.array(numbers, np.float64)


def _plain_number(value: Any) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str | bytes | bool | np.bool_ | date):
        raise TypeError
    return float(value)


def _number_in_word(pattern: re.Pattern[str], word: Any) -> float | None:
    if word.strip() in MISSING:
        return None
    found = pattern.fullmatch(word.strip())
    whole = re.sub(r"\D", "", found["whole"]) if found else ""
    if not found or not (whole or found["part"]):
        raise ValueError
    if (len(whole) > 1 and whole[0] == "0") or len(whole) > _MOST_DIGITS:
        raise ValueError  # the code of a place, the number of an account
    return float(f"{found['sign']}{whole}.{found['part'] or 0}{found['power'] or ''}")


def as_dates(values: NDArray[Any]) -> NDArray[np.datetime64] | None:
    """Return a column as dates in UTC, NaT where there is none; None where not all are dates.

    Examples
    --------
    >>> as_dates(np.array(["2026-11-27", "2026-11-27 20:15+01:00"], object)).tolist()[1].hour
    19
    """
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]")
    dates = _by_value(values, _date) if values.dtype.kind == "O" else None
    if dates is None or all(when is None for when in dates):
        return None
    return np.array(dates, "datetime64[us]")


def _date(value: Any) -> datetime | None:
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


def as_words(values: NDArray[Any]) -> NDArray[Any] | None:
    """Return a column as words, None where there is none; None where some cannot be compared.

    Numbers that are whole are written without a point, so that a category that was read as an
    integer is the same as one that was read as a number.

    Examples
    --------
    >>> as_words(np.array([1.0, 2.5, np.nan])).tolist()
    ['1', '2.5', None]
    """
    words = _by_value(values, _word)
    return None if words is None else np.array([*words, None], object)[:-1]


def _word(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip()


# How a column of each kind is read, and what it must hold.
KINDS: dict[str, tuple[Callable[[NDArray[Any]], Any], str]] = {
    "number": (as_numbers, "numbers"), "date": (as_dates, "dates"),
    "category": (as_words, "plain values"), "pixel": (as_numbers, "numbers"),
}  # fmt: skip


def read_as(kind: str, column: Column) -> NDArray[Any]:
    """Return the values of a column as those of a kind, which they must be, and finite."""
    reader, what = KINDS[kind]
    found: NDArray[Any] | None = reader(column.values)
    if found is None:
        raise invalid("X", f"{what} in column {column.name!r}", _first_other(column.values, reader))
    if reader is as_numbers and np.isinf(found).any():
        raise invalid("X", f"finite numbers in column {column.name!r}", "infinity")
    return found


def _first_other(values: NDArray[Any], reader: Callable[[NDArray[Any]], Any]) -> str:
    """Return the first value that is not read, as it is written in a message."""
    for value in values.tolist():
        alone = np.array([value, None], object)[:1]
        if str(value).strip() not in MISSING and reader(alone) is None:
            return f"{value!r:.40}"
    return "others"


def look(column: Column, asked: str | None, messages: list[str]) -> tuple[Plan, Any]:
    """Return what a column is, as `asked` if that is given, and its values so read."""
    name, values = column
    if asked == "left out":
        return Plan(name, asked, "as asked"), None
    tried = (kind for kind in ("number", "date") if KINDS[kind][0](values) is not None)
    kind = asked or next(tried, "category")
    found = read_as(kind, column)
    why = _no_use(found, kind, asked is not None)
    if why:
        messages.append(f"column {name!r} is left out: {why}")
        return Plan(name, "left out", why), None
    if kind == "number" and values.dtype == object and any(map(_is_decorated, values)):
        messages.append(f"column {name!r}: numbers read from words")
        return Plan(name, kind, "read from words"), found
    return Plan(name, kind), found


def _no_use(found: NDArray[Any], kind: str, asked: bool) -> str:
    """Return why a column cannot help; nothing where it can."""
    missing = found == np.array(None) if kind == "category" else np.isnan(found)
    known = found[~missing]
    if not len(known):
        return "all missing"
    if len(known) == len(found) and (known == known[0]).all():
        return "constant"
    if asked or len(found) < _FEWEST_FOR_IDENTIFIER:
        return ""
    distinct = len(set(known)) if kind == "category" else 0
    if distinct > _NEARLY_ALL * len(known):
        return f"an identifier, {distinct} different words"
    if kind == "number" and len(known) == len(found) and _counts_rows(found):
        return "an identifier, integers that count the rows"
    return ""


def _counts_rows(numbers: NDArray[np.float64]) -> bool:
    """Return whether numbers are integers in a row, or nearly, in growing order."""
    if (numbers != np.floor(numbers)).any():
        return False
    steps = (numbers.max() - numbers.min()) / (len(numbers) - 1)
    grows = bool((np.diff(numbers) > 0).all())  # by much more it is sorted, and says something
    return (grows and steps <= 4) or (steps == 1 and len(np.unique(numbers)) == len(numbers))


def _is_decorated(value: Any) -> bool:
    """Return whether a word is a number that is more than digits."""
    word = value.strip() if isinstance(value, str) else ""
    return word not in MISSING and not _PLAIN.fullmatch(word)
