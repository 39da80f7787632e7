"""Tables, .csv and .parquet, as columns of numbers. Pandas is imported on use."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DataError, invalid
from fastmlp.inputs import check_regular

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["TABLES", "read_columns", "read_target"]

TABLES = (".csv", ".parquet")


def read_target(path: Path, target: str | None) -> tuple[NDArray[Any], list[str], NDArray[Any]]:
    """Return the other columns of a table, their names, and the column `target`.

    Raises
    ------
    DataError
        If the file is missing or damaged, or a value is; if another column than the target is
        not of numbers.
    InvalidValueError
        If there is no such column.
    """
    frame = _read_frame(path)
    if target is None or target not in frame.columns:
        columns = ", ".join(frame.columns[:8]) + (", ..." if len(frame.columns) > 8 else "")
        got = "None" if target is None else repr(target)
        raise invalid("target", f"a column of {path} ({columns})", got)
    column = frame[target]
    if column.isna().any():
        raise DataError(f"{path}: expected no missing values, got some in column {target}")
    dtype = _numpy_dtype(column.dtype)
    y = column.to_numpy(dtype) if dtype.kind in "biuf" else column.astype(str).to_numpy(np.str_)
    return *_numbers(path, frame.drop(columns=[target])), y


def read_columns(path: Path, without: str | None) -> tuple[NDArray[Any], list[str]]:
    """Return the columns of a table and their names, but for one that need not be there.

    Raises
    ------
    DataError
        If the file is missing or damaged, or a column is not of numbers.
    """
    return _numbers(path, _read_frame(path).drop(columns=[without], errors="ignore"))


def _numbers(path: Path, frame: DataFrame) -> tuple[NDArray[Any], list[str]]:
    """Return a table as an array (n, columns) of one type, and the names of its columns."""
    dtypes = {name: _numpy_dtype(dtype) for name, dtype in frame.dtypes.items()}
    wrong = [f"{name} ({frame[name].dtype})" for name, d in dtypes.items() if d.kind not in "biuf"]
    if wrong:
        raise DataError(f"{path}: expected numbers in every feature column, got {', '.join(wrong)}")
    missing = frame.columns[frame.isna().any()]
    if len(missing):
        raise DataError(
            f"{path}: expected no missing values, got some in column {', '.join(missing)}"
        )
    common = np.result_type(*dtypes.values()) if dtypes else np.float64
    return frame.to_numpy(common), list(frame.columns)


def _read_frame(path: Path) -> DataFrame:
    """Read a table with pandas."""
    check_regular(path)
    try:
        import pandas

        with path.open("rb") as file:
            if path.suffix.lower() == ".csv":
                # From 3.1 on that is how numbers are read, and to ask for it is deprecated.
                old = tuple(map(int, pandas.__version__.split(".")[:2])) < (3, 1)
                options = {"float_precision": "round_trip"} if old else {}
                with warnings.catch_warnings():
                    # Else what a row has beyond the names is dropped, or the names are shifted.
                    warnings.simplefilter("error", pandas.errors.ParserWarning)
                    frame = pandas.read_csv(file, low_memory=False, index_col=False, **options)
            else:
                frame = pandas.read_parquet(file)
    except ImportError:
        raise DataError(
            f"{path}: expected pandas and pyarrow to read it with, got none: "
            'pip install "fastmlp[data]"'
        ) from None
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise DataError(f"{path}: expected a {path.suffix} file, got: {reason}") from None
    except pandas.errors.ParserWarning:
        raise DataError(
            f"{path}: expected as many values in each row as there are names in the first, got more"
        ) from None
    except (ValueError, TypeError, LookupError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: expected a {path.suffix} table, got: {reason}") from None
    if len(frame) == 0:
        raise DataError(f"{path}: expected rows, got a table of shape {frame.shape}")
    frame.columns = frame.columns.map(str)
    if not frame.columns.is_unique:
        twice = ", ".join(frame.columns[frame.columns.duplicated()].unique())
        raise DataError(f"{path}: expected columns of different names, got twice: {twice}")
    return frame


def _numpy_dtype(dtype: object) -> np.dtype[Any]:
    """Return what NumPy calls the type of a pandas column: object if it has no name for it."""
    plain = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", object)
    return np.dtype(plain)
