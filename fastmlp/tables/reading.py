"""Tables from files, through the libraries that read them, as pandas frames. Imported on use."""

from __future__ import annotations

import gzip
import io
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DataError, invalid
from fastmlp.idx import check_unpacked
from fastmlp.inputs import check_regular

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["ENDINGS", "as_numbers", "find_target", "is_table", "read_table"]

ENDINGS = (
    *(".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet", ".feather", ".arrow"),
    *(".jsonl", ".arff"),
)
_TARGETS = ("target", "label", "class", "y")
_SEEN = 1 << 16  # bytes at the beginning, by which the delimiter is found
_MOST_WHOLE = 10**15  # integers from there on are names: float64 does not hold them all
_QUOTED = re.compile(r'"[^"]*"')
_CODE = re.compile(rb'0(?=\d)(?<=[,;\t|"\n ]0)')  # a zero that begins a field, before a digit


def is_table(path: str | Path) -> bool:
    """Return whether a name is that of a table, or of standard input.

    Examples
    --------
    >>> is_table("people.CSV.gz"), is_table("-"), is_table("digits")
    (True, True, False)
    """
    return str(path) == "-" or str(path).lower().endswith(ENDINGS)


def read_table(path: str | Path) -> DataFrame:
    """Return a table; columns of words are as they stand in the file.

    Parameters
    ----------
    path : path of a file with one of the `ENDINGS`, or "-" for comma-separated values from
        standard input. The delimiter of these is found, and commas in numbers beside it.

    Raises
    ------
    DataError
        The file is missing, damaged or empty, or a library is missing that reads it.
    """
    name = str(path)
    kind = "csv" if name == "-" else name.lower().removesuffix(".gz").rpartition(".")[2]
    try:
        import pandas as pd

        content = _bytes(name)
        if kind == "arff":
            frame = _read_arff(content, name)
        elif kind in ("feather", "arrow"):
            frame = _read_arrow(content)
        elif kind == "parquet":
            frame = pd.read_parquet(io.BytesIO(content))
        elif kind == "jsonl":
            frame = pd.read_json(io.BytesIO(content), lines=True, dtype=False)
        else:
            frame = _read_delimited(content)
        if any(frame.index.names):  # a column to all but pandas
            frame = frame.reset_index()
    except ImportError as error:
        raise DataError(
            f"{name}: expected {error.name or 'pandas'} to read it with, got none: "
            'pip install "fastmlp[data]"'
        ) from None
    except pd.errors.ParserWarning:
        raise DataError(
            f"{name}: expected as many values in each row as there are names in the first, got more"
        ) from None
    except DataError:
        raise
    except Exception as error:  # whatever these libraries raise for what is damaged
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{name}: expected a .{kind} table, got: {reason}") from None
    if len(frame) == 0:
        raise DataError(f"{name}: expected rows, got a table of shape {frame.shape}")
    frame.columns = [str(column).strip() for column in frame.columns]
    if not frame.columns.is_unique:
        twice = ", ".join(frame.columns[frame.columns.duplicated()].unique())
        raise DataError(f"{name}: expected columns of different names, got twice: {twice}")
    return frame


def _bytes(name: str) -> bytes:
    """Return what a file holds, unpacked; what unpacks to very much more is refused."""
    if name == "-":
        return sys.stdin.buffer.read()
    check_regular(name)
    content = Path(name).read_bytes()
    if not content.startswith(b"\x1f\x8b"):
        return content
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
        unpacked = bytearray()
        while chunk := stream.read(1 << 20):
            unpacked += chunk
            check_unpacked(name, len(content), len(unpacked))
    return bytes(unpacked)


def _read_delimited(content: bytes) -> DataFrame:
    """Read values between commas, semicolons or tabs."""
    import pandas as pd

    try:
        content.decode()
    except UnicodeDecodeError:  # as Excel saves it
        marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        content = content.decode("utf-16" if marked else "cp1252").encode()
        if not marked:
            warnings.warn("a text that is not UTF-8 is read as Windows-1252", stacklevel=3)
    lines = content[:_SEEN].decode("utf-8-sig", "replace").splitlines()
    whole_lines = lines[:-1] if len(content) > _SEEN else lines
    lines = [_QUOTED.sub("", line) for line in whole_lines if line] or [""]
    # What each row has most of; where none is in each, what the first row has most of.
    mark = max(",;\t|", key=lambda one: min(line.count(one) for line in lines))
    if not all(mark in line for line in lines):
        mark = max(",;\t|", key=lines[0].count)
    fields = [field.strip() for line in lines[1:] for field in line.split(mark)]
    commas = mark == ";" and any(re.fullmatch(r"-?\d+,\d+", field) for field in fields)
    options: dict[str, Any] = {"sep": mark, "decimal": "," if commas else "."}
    # From 3.1 on that is how numbers are read, and to ask for it is deprecated.
    if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1):
        options["float_precision"] = "round_trip"

    def read(**more: Any) -> DataFrame:
        with warnings.catch_warnings():
            # Else what a row has beyond the names is dropped, or the names are shifted.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.BytesIO(content), low_memory=False, index_col=False, skipinitialspace=True,
                encoding="utf-8-sig", keep_default_na=False, na_values=[""], **options, **more,
            )  # fmt: skip

    frame = read()
    whole = [name for name in frame.columns if frame[name].dtype.kind in "iu"]
    words = None
    if whole and _CODE.search(content):
        words = read(dtype=dict.fromkeys(whole, str), usecols=whole)
    for name in whole:
        if words is not None and words[name].str.fullmatch(r"0\d+").any():
            frame[name] = words[name]
        elif not (frame[name].abs() < _MOST_WHOLE).all():
            frame[name] = frame[name].astype(str)
    return frame


def _read_arrow(content: bytes) -> DataFrame:
    """Read Arrow's format of files, or of streams."""
    import pyarrow as pa

    stream = content.startswith(b"\xff\xff\xff\xff")
    table = (pa.ipc.open_stream if stream else pa.ipc.open_file)(content).read_all()
    table.validate(full=True)
    return table.to_pandas()


def _read_arff(content: bytes, name: str) -> DataFrame:
    """Read Weka's format; of what scipy does not read the name is told."""
    import pandas as pd
    from scipy.io import arff

    text = content.decode("utf-8-sig")
    refused = re.search(
        r"^\s*@attribute\s+((?>'[^']*'|\"[^\"]*\"|\S+))\s+(string|relational)\b", text, re.I | re.M
    )
    if refused:
        got = f"{refused[2].lower()} in {refused[1].strip(chr(39) + chr(34))}"
        raise DataError(f"{name}: expected attributes of numbers, names and dates, got {got}")
    frame = pd.DataFrame(arff.loadarff(io.StringIO(text))[0])
    for column in frame.columns[[dtype.kind == "O" for dtype in frame.dtypes]]:
        words = frame[column].str.decode("utf-8")
        frame[column] = words.where(words != "?", None)
    return frame


def as_numbers(frame: DataFrame) -> NDArray[Any] | None:
    """Return a table as an array (n, columns) of one type; None unless all of it are numbers."""
    plain = [
        dtype if isinstance(dtype, np.dtype) else np.dtype(getattr(dtype, "numpy_dtype", object))
        for dtype in frame.dtypes
    ]
    if any(dtype.kind not in "biuf" for dtype in plain) or frame.isna().any(axis=None):
        return None
    values: NDArray[Any] = frame.to_numpy(np.result_type(*plain) if plain else np.float64)
    return values


def find_target(
    columns: Sequence[str], target: str | None, table: str = "the table"
) -> tuple[str, str | None]:
    """Return the column to predict, and what to say of it where it was not named.

    Examples
    --------
    >>> find_target(["age", "Class", "income"], None)
    ('Class', "target: column 'Class', by its name")
    >>> find_target(["age", "income"], None)
    ('income', "target: column 'income', the last")
    """
    if target is not None:
        if target.strip() not in columns:
            some = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
            raise invalid("target", f"a column of {table} ({some})", repr(target))
        return target.strip(), None
    for name in _TARGETS:
        for column in columns:
            if column.lower() == name:
                return column, f"target: column {column!r}, by its name"
    return columns[-1], f"target: column {columns[-1]!r}, the last"
