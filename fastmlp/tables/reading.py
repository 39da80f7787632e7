"""Tables from files, through the libraries that read them, as pandas frames. Imported on use."""

from __future__ import annotations

import gzip
import io
import re
import sys
import warnings
import zlib
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
    name, kind = str(path), _kind(path)
    if kind != "-":
        check_regular(path)
    try:
        import pandas as pd

        if kind == "arff":
            frame = _read_arff(Path(path))
        elif kind == "parquet":
            with open(path, "rb") as file:
                frame = pd.read_parquet(file)
        elif kind in ("feather", "arrow"):
            frame = _read_arrow(Path(path))
        elif kind == "jsonl":
            with open(path, "rb") as file:
                frame = pd.read_json(file, lines=True, dtype=False)
        else:
            frame = _read_delimited(_bytes(path))
    except ImportError as error:
        raise DataError(
            f"{name}: expected {error.name or 'pandas'} to read it with, got none: "
            'pip install "fastmlp[data]"'
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{name}: expected a .{kind} file, got: {reason}") from None
    except pd.errors.ParserWarning:
        raise DataError(
            f"{name}: expected as many values in each row as there are names in the first, got more"
        ) from None
    except DataError:
        raise
    except Exception as error:  # whatever these libraries raise for what is damaged
        reason = " ".join(str(error).split())
        raise DataError(f"{name}: expected a .{kind} table, got: {reason}") from None
    if len(frame) == 0:
        raise DataError(f"{name}: expected rows, got a table of shape {frame.shape}")
    frame.columns = [str(column).strip() for column in frame.columns]
    if not frame.columns.is_unique:
        twice = ", ".join(frame.columns[frame.columns.duplicated()].unique())
        raise DataError(f"{name}: expected columns of different names, got twice: {twice}")
    return frame


def _kind(path: str | Path) -> str:
    """Return the ending of a table's name, without .gz."""
    name = str(path).lower()
    return "-" if name == "-" else name.removesuffix(".gz").rpartition(".")[2]


def _bytes(path: str | Path) -> bytes:
    """Return what a file holds, unpacked; what unpacks to very much more is refused."""
    if str(path) == "-":
        return sys.stdin.buffer.read()
    content = Path(path).read_bytes()
    if not content.startswith(b"\x1f\x8b"):
        return content
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
        unpacked = bytearray()
        while chunk := stream.read(1 << 20):
            unpacked += chunk
            check_unpacked(str(path), len(content), len(unpacked))
    return bytes(unpacked)


def _read_delimited(content: bytes) -> DataFrame:
    """Read values between commas, semicolons or tabs."""
    import pandas as pd

    lines = content[:_SEEN].decode("utf-8-sig", "replace").splitlines()
    lines = [
        _QUOTED.sub("", line) for line in lines[: -1 if len(content) > _SEEN else None] if line
    ]
    counts = {mark: min((line.count(mark) for line in lines), default=0) for mark in ",;\t|"}
    mark = max(counts, key=lambda one: counts[one])
    if mark == "," and not counts[","]:
        mark = max(counts, key=lambda one: lines[0].count(one)) if lines else ","
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
    if whole and _may_hold_codes(content):
        words = read(dtype=dict.fromkeys(whole, str), usecols=whole)
        for name in whole:
            if words[name].str.fullmatch(r"0\d+").any():
                frame[name] = words[name]
    for name in whole:
        if frame[name].dtype.kind in "iu" and not (frame[name].abs() < _MOST_WHOLE).all():
            frame[name] = frame[name].astype(str)
    return frame


def _may_hold_codes(content: bytes) -> bool:
    """Return whether there is a digit behind a zero at the beginning of a field, as in 00501."""
    text = np.frombuffer(content, np.uint8)
    before, digit = np.zeros(256, bool), np.zeros(256, bool)
    before[list(b',;\t|"\n ')] = digit[list(b"0123456789")] = True
    for part in np.array_split(text, len(text) // _SEEN + 1):  # a code at a seam is seen elsewhere
        if (before[part[:-2]] & (part[1:-1] == ord("0")) & digit[part[2:]]).any():
            return True
    return False


def _read_arrow(path: Path) -> DataFrame:
    """Read Arrow's format of files, or of streams."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as source:
        stream = source.read(4) == b"\xff\xff\xff\xff"
        source.seek(0)
        reader = pa.ipc.open_stream(source) if stream else pa.ipc.open_file(source)
        table = reader.read_all()
        table.validate(full=True)
        return table.to_pandas()


def _read_arff(path: Path) -> DataFrame:
    """Read Weka's format; of what scipy does not read the name is told."""
    import pandas as pd
    from scipy.io import arff

    text = path.read_text("utf-8-sig")
    attributes = re.findall(
        r"^\s*@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(\S+)", text, re.IGNORECASE | re.MULTILINE
    )
    for name, kind in attributes:
        if kind.lower() in ("string", "relational"):
            got = f"{kind.lower()} in {name.strip(chr(39) + chr(34))}"
            raise DataError(f"{path}: expected attributes of numbers, names and dates, got {got}")
    values, _ = arff.loadarff(io.StringIO(text))
    frame = pd.DataFrame(values)
    for name in frame.columns[[dtype.kind == "O" for dtype in frame.dtypes]]:
        words = frame[name].str.decode("utf-8")
        frame[name] = words.where(words != "?", None)
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
    lower = [column.lower() for column in columns]
    for name in _TARGETS:
        if name in lower:
            found = columns[lower.index(name)]
            return found, f"target: column {found!r}, by its name"
    return columns[-1], f"target: column {columns[-1]!r}, the last"
