"""Data from the user's own files: .npz, a folder of IDX files or images, .csv and .parquet.

Whatever cannot be trained on is refused here, by a name the user knows: file, array, column.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.datasets import (
    Dataset,
    hold_out,
    load_digits,
    load_fashion_mnist,
    load_image_folder,
    load_mnist,
)
from fastmlp.errors import DataError, InvalidValueError, invalid
from fastmlp.idx import find_idx, read_idx
from fastmlp.images import find_parts
from fastmlp.inputs import check_regular
from fastmlp.npz import list_npz, read_npy, read_npz
from fastmlp.output import check_path
from fastmlp.tables.columns import Column, columns_of
from fastmlp.tables.encoder import TableEncoder
from fastmlp.tables.reading import ENDINGS, as_numbers, find_target, is_table, read_table
from fastmlp.tables.targets import read_target

__all__ = ["load_file", "load_inputs", "load_named"]

_NAMED = {"digits": load_digits, "mnist": load_mnist, "fashion-mnist": load_fashion_mnist}
_PARTS = ("x_train", "y_train", "x_test", "y_test")
_SVMLIGHT = (".svm", ".svmlight", ".libsvm")
# What others call x and y, in lower case.
_PAIRS = (("x", "y"), ("data", "labels"), ("data", "target"), ("features", "target"),
          ("features", "labels"), ("images", "labels"), ("arr_0", "arr_1"))  # fmt: skip
_IDX_PARTS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_CHECKED_AT_ONCE = 1 << 20  # values looked at for NaN in one go


def load_named(
    name: str | os.PathLike[str], *, target: str | None = None, numbers: bool = False
) -> Dataset:
    """Return a data set by name, or from a file or folder.

    Parameters
    ----------
    name : ``digits``, ``mnist``, ``fashion-mnist``, or a path as `load_file` takes it.
    target : the column to predict, for a table.
    numbers : as `load_file` takes it; data sets by name have classes all the same.

    Raises
    ------
    DataError
        If there is no such data set or file, or if it is damaged.
    InvalidValueError
        If `target` is missing for a table, is none of its columns, or is given for anything else.

    Examples
    --------
    >>> load_named("digits").name
    'digits'
    """
    loader = _NAMED.get(check_path(name, "name"))
    if loader is None:
        if not os.path.exists(name):
            raise DataError(f"{name}: expected {', '.join(_NAMED)} or a file, got no such file")
        return load_file(name, target=target, numbers=numbers)
    _refuse_target(target)
    return loader()


def load_file(
    path: str | os.PathLike[str],
    *,
    target: str | None = None,
    seed: int = 0,
    numbers: bool = False,
) -> Dataset:
    """Return the data set in a file or folder.

    - ``.npz`` with `x_train`, `y_train` and optionally `x_test`, `y_test`; or with `x`, `y`, or
      `data`, `labels` and other common names.
    - A folder with the four IDX files of MNIST by their usual names, gzipped or plain.
    - A folder of images, as `datasets.load_image_folder` takes it.
    - A table, ``.csv``, ``.parquet`` and others of `tables.reading.ENDINGS`: one column is the
      target. Where the others are not all numbers they are encoded by a `TableEncoder` that is
      fitted to the rows to train on. Needs the extra ``data``.
    - ``.svmlight``, ``.svm`` or ``.libsvm``: sparse rows.

    Where the file has no test rows of its own (`x`, `y` and tables), a quarter is held out, class
    by class. Targets of integers, booleans or strings are class labels, one-hot rows too;
    floating-point targets are for regression, and with `numbers` those of integers and booleans.

    Parameters
    ----------
    path : path of the file or folder.
    target : the column to predict, for a table.
    seed : of the choice of the rows held out.
    numbers : whether targets are for regression also where they are integers. Folders of images
        have classes all the same.

    Returns
    -------
    Dataset with x of shape (n, features), uint8, float32 or float64; `input_scale` is 1/255 for
    uint8, else 1.

    Raises
    ------
    DataError
        If the file is missing or damaged, or holds something that cannot be trained on: no rows,
        NaN or infinity, columns that are not numbers, x and y of different lengths, strings as
        targets where they are to be numbers.
    InvalidValueError
        If `target` is missing for a table, is none of its columns, or is given for anything else.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "data.npz")
    >>> np.savez(path, x=np.zeros((8, 3)), y=["no", "yes"] * 4)
    >>> data = load_file(path)
    >>> data.x_train.shape, data.x_test.shape, data.classes.tolist()
    ((6, 3), (2, 3), ['no', 'yes'])
    """
    path = Path(check_path(path))
    if is_table(path):
        return _load_table(path, target, seed, numbers)
    _refuse_target(target)
    if path.is_dir():
        if find_parts(path) is not None:
            return load_image_folder(path, seed=seed)
        return _load_idx_folder(path, numbers)
    if path.suffix.lower() in _SVMLIGHT:
        return _split(path, *_read_svmlight(path, numbers), seed, f"{path}: targets", numbers)
    if path.suffix.lower() != ".npz":
        raise DataError(
            f"{path}: expected a folder of IDX files or images, or a file whose name ends in .npz, "
            f"{', '.join((*_SVMLIGHT, *ENDINGS))}, got {path.suffix or 'a name without suffix'}"
        )
    names = {name.lower(): name for name in list_npz(path)}
    parts = [names[part] for part in _PARTS if part in names]
    if {"x_train", "y_train"} <= names.keys():
        if ("x_test" in names) != ("y_test" in names):
            raise DataError(f"{path}: expected both of x_test, y_test or none, got one")
        return _join(path, *read_npz(path, parts).values(), numbers=numbers)
    for pair in _PAIRS:
        if set(pair) <= names.keys():
            arrays = read_npz(path, [names[name] for name in pair])
            x, y = (arrays[names[name]] for name in pair)
            x = _features(x, f"{path}: {names[pair[0]]}")
            return _split(path, x, y, seed, f"{path}: {names[pair[1]]}", numbers)
    raise DataError(
        f"{path}: expected arrays x_train and y_train, or x and y, got "
        f"{', '.join(names.values()) or 'none'}"
    )


def load_inputs(path: str | os.PathLike[str], *, target: str | None = None) -> NDArray[Any]:
    """Return rows to predict from a file.

    Parameters
    ----------
    path : ``.npz`` with `x` or `x_test`, ``.npy``, ``.csv``, ``.parquet`` or an IDX file.
    target : a column of a table that is no feature; it need not be there.

    Returns
    -------
    ndarray of shape (n, features), uint8, float32 or float64; not scaled.

    Raises
    ------
    DataError
        If the file is missing or damaged, or holds no rows of finite numbers.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "images.npy")
    >>> np.save(path, np.zeros((2, 28, 28), dtype=np.uint8))
    >>> load_inputs(path).shape
    (2, 784)
    """
    path = Path(check_path(path))
    suffix = path.suffix.lower()
    if is_table(path):
        frame = read_table(path).drop(columns=[target], errors="ignore")
        values = as_numbers(frame)
        if values is None:
            raise DataError(
                f"{path}: expected numbers alone, as the model has no encoder for others, got "
                f"columns {', '.join(f'{name} ({d})' for name, d in frame.dtypes.items())}"
            )
        return _features(values, str(path), list(frame.columns))
    if suffix == ".npz":
        names = list_npz(path)
        wanted = ("x", "x_test", "data", "features", "images", "arr_0")
        found = [name for want in wanted for name in names if name.lower() == want]
        if not found:
            raise DataError(f"{path}: expected an array x or x_test, got {', '.join(names)}")
        return _features(read_npz(path, found[:1])[found[0]], f"{path}: {found[0]}")
    if suffix in _SVMLIGHT:
        rows: NDArray[Any] = _read_svmlight(path, True)[0]
        return rows
    if suffix == ".npy":
        return _features(read_npy(path), str(path))
    if suffix in ("", ".gz") or "idx" in path.name:
        return _features(read_idx(path), str(path))
    raise DataError(f"{path}: expected a .npz, .npy, .csv, .parquet or IDX file, got {suffix}")


def _load_table(path: Path, target: str | None, seed: int, numbers: bool) -> Dataset:
    """Read a table; what are not all numbers is encoded, as the rows to train on have it."""
    frame = read_table(path)
    target, _ = find_target(list(frame.columns), target, str(path))
    columns = columns_of(frame[[target]]) or []
    try:
        y = read_target(columns[0], "identity" if numbers else None)
    except InvalidValueError as error:
        raise DataError(f"{path}: {error}") from None
    frame = frame.drop(columns=[target])[y.rows]
    values = as_numbers(frame)
    if values is not None:
        x = _features(values, str(path), list(frame.columns))
        return _split(path, x, y.values, seed, f"{path}: {target}", numbers)
    data = _split(path, np.arange(len(frame))[:, None], y.values, seed, str(path), numbers)
    train, test = (frame.iloc[rows[:, 0].astype(int)] for rows in (data.x_train, data.x_test))
    encoder = TableEncoder().fit(train)
    x_train, x_test = encoder.transform(train), encoder.transform(test)
    return replace(data, x_train=x_train, x_test=x_test)


def _read_svmlight(path: Path, numbers: bool) -> tuple[Any, NDArray[Any]]:
    """Return rows as a sparse matrix, and their targets."""
    from sklearn.datasets import load_svmlight_file

    check_regular(path)
    try:
        x, y = load_svmlight_file(str(path))
        if not x.shape[0] or not np.isfinite(x.data).all():
            raise ValueError("no rows, or numbers that are not finite")
        column = read_target(Column("y", y), "identity" if numbers else None)
        return x[column.rows], column.values
    except (ValueError, OSError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: expected a file of svmlight's format, got: {reason}") from None


def _refuse_target(target: str | None) -> None:
    """Only a table has columns to choose from."""
    if target is not None:
        raise invalid("target", "None where the data are no table", repr(target))


def _load_idx_folder(folder: Path, numbers: bool) -> Dataset:
    """Read the four files of an MNIST-like folder; EMNIST's names begin with that of the set."""
    arrays = []
    for name in _IDX_PARTS:
        path = find_idx(folder, name)
        if path is None:
            path = find_idx(folder, "emnist-*-" + name.replace("t10k", "test"))
        if path is None:
            raise DataError(f"{folder}: expected images or a file {name}.gz or {name}, got neither")
        values = read_idx(path)
        arrays.append(values.astype(np.int64) if values.dtype.kind == "i" else values)
    return _join(folder, *arrays, numbers=numbers)


def _features(x: NDArray[Any], label: str, columns: Sequence[object] | None = None) -> NDArray[Any]:
    """Return x as (n, features) of uint8, float32 or float64, all finite; `label` is its name."""
    if x.dtype.kind not in "biuf":
        raise DataError(f"{label}: expected numbers, got {x.dtype}")
    if x.ndim < 2 or x.size == 0:
        raise DataError(f"{label}: expected a shape (n, features), none of them 0, got {x.shape}")
    x = x.reshape(len(x), -1)
    if x.dtype != np.uint8:
        wide = np.result_type(x.dtype, np.float32)  # int8, int16: float32; int32, int64: float64
        x = x.astype(np.float32 if wide == np.float32 else np.float64, copy=False)
        _check_finite(x, label, columns)
    return x


def _check_finite(x: NDArray[Any], label: str, columns: Sequence[object] | None = None) -> None:
    """Raise for the first NaN or infinity in x, without a temporary of x's size."""
    rows = x.reshape(len(x), -1)
    step = max(1, _CHECKED_AT_ONCE // rows.shape[1])
    for start in range(0, len(rows), step):
        finite = np.isfinite(rows[start : start + step])
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise DataError(
                f"{label}: expected finite numbers, got {rows[start + row, column]} in row "
                f"{start + row}, column {columns[column] if columns else column}"
            )


def _targets(y: NDArray[Any], rows: int, label: str) -> NDArray[Any]:
    """Return y as (rows,), or (rows, outputs) where it has several columns."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2) or len(y) != rows or y.size == 0:
        raise DataError(f"{label}: expected a row for each of the {rows} of x, got shape {y.shape}")
    if y.dtype.kind not in "biufU":
        raise DataError(f"{label}: expected numbers or strings, got {y.dtype}")
    if y.dtype.kind == "f":
        _check_finite(y, label)
    return y


def _encode(y: NDArray[Any], label: str, numbers: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return class numbers and sorted labels, or floating-point targets and no labels."""
    if numbers:
        if y.dtype.kind == "U":
            raise DataError(f"{label}: expected numbers, got strings")
        return y.astype(np.float32 if y.dtype == np.float32 else np.float64), np.empty(0)
    one_hot = y.ndim == 2 and y.dtype.kind != "U" and np.isin(y, (0, 1)).all()
    if one_hot and (np.count_nonzero(y, axis=1) == 1).all():
        return y.argmax(axis=1).astype(np.int64), np.arange(y.shape[1])
    if y.dtype.kind == "f":
        return y.astype(np.float32 if y.dtype == np.float32 else np.float64), np.empty(0)
    if y.ndim == 2:
        raise DataError(f"{label}: expected one-hot rows, got others, of {y.dtype}")
    classes, codes = np.unique(y, return_inverse=True)
    return codes.astype(np.int64), classes


def _split(
    path: Path, x: NDArray[Any], y: NDArray[Any], seed: int, label: str, numbers: bool
) -> Dataset:
    """Hold a quarter of the rows out, class by class; `label` is the name of y."""
    n = x.shape[0]
    codes, classes = _encode(_targets(y, n, label), label, numbers)
    train, test = hold_out(codes if len(classes) else np.zeros(n), seed=seed)
    return Dataset(x[train], codes[train], x[test], codes[test], classes, _scale(x), str(path))


def _join(
    path: Path,
    x_train: NDArray[Any],
    y_train: NDArray[Any],
    x_test: NDArray[Any] | None = None,
    y_test: NDArray[Any] | None = None,
    *,
    numbers: bool,
) -> Dataset:
    """Keep training and test rows as the user has split them; classes are those of both."""
    label = f"{path}: y_train"
    x_train = _features(x_train, f"{path}: x_train")
    n = len(x_train)
    y = _targets(y_train, n, label)
    if x_test is None or y_test is None:
        x_test = x_train[:0]
    else:
        x_test = _features(x_test, f"{path}: x_test")
        if x_test.shape[1] != x_train.shape[1] or _scale(x_test) != _scale(x_train):
            raise DataError(
                f"{path}: x_test: expected {x_train.shape[1]} {x_train.dtype} features as in "
                f"x_train, got {x_test.shape[1]} {x_test.dtype}"
            )
        y_test = _targets(y_test, len(x_test), f"{path}: y_test")
        if y_test.shape[1:] != y.shape[1:] or (y_test.dtype.kind == "U") != (y.dtype.kind == "U"):
            raise DataError(
                f"{path}: y_test: expected targets like those of y_train, {y.dtype} of shape "
                f"{y.shape}, got {y_test.dtype} of shape {y_test.shape}"
            )
        y = np.concatenate([y, y_test])
    codes, classes = _encode(y, label, numbers)
    return Dataset(x_train, codes[:n], x_test, codes[n:], classes, _scale(x_train), str(path))


def _scale(x: NDArray[Any]) -> float:
    """Return the input scale of features read from a file."""
    return 1 / 255 if x.dtype == np.uint8 else 1.0
