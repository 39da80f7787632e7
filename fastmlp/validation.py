"""Checks of what users pass in, and its conversion to what the kernels read."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastmlp.errors import invalid, invalid_type, shown
from fastmlp.kernels.layout import FLOAT32, FLOAT64, UINT8

__all__ = [
    "Samples",
    "all_finite",
    "as_array",
    "as_finite",
    "as_sample_weight",
    "as_samples",
    "check_choice",
    "check_finite",
    "check_flag",
    "check_integer",
    "check_number",
    "check_readable",
]

_KINDS = {np.dtype(np.uint8): UINT8, np.dtype(np.float32): FLOAT32, np.dtype(np.float64): FLOAT64}
_NO_INDICES = np.zeros(0, np.int32)
_NO_INDICES.flags.writeable = False
_ROWS_LOOKED_AT = 256  # to see how many zeros there are
_CHUNK = 1 << 20  # elements looked at together, so that no check copies the data


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return a word that is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise invalid(name, f"one of {', '.join(choices)}", shown(value, repr))
    return value


def check_flag(name: str, value: Any, none: bool = False) -> Any:
    """Return a bool (or None where that is allowed); what only `if` takes for one is refused."""
    if none and value is None:
        return None
    if not isinstance(value, bool | np.bool_):
        raise invalid_type(name, "None, True or False" if none else "True or False", value)
    return bool(value)


def check_integer(name: str, value: Any, least: int, none: bool = False) -> Any:
    """Return an integer from `least` to 2**64 - 1 (or None where that is allowed)."""
    if none and value is None:
        return None
    expected = f"an integer of at least {least}" + (" or None" if none else "")
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise invalid_type(name, expected, value) from None
    if number < least:
        raise invalid(name, expected, number)
    if number >= 1 << 64:
        raise invalid(name, f"{expected} and below 2**64", "a greater one")
    return number


def check_number(
    name: str, value: Any, least: float = 0.0, below: float = math.inf, open_below: bool = False
) -> float:
    """Return a finite number in [least, below), or in (least, below) if `open_below`."""
    bound = f"greater than {least:g}" if open_below else f"of at least {least:g}"
    expected = f"a finite number {bound}" + (f" and below {below:g}" if below < math.inf else "")
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    several = getattr(value, "ndim", 0) > 0
    if several or isinstance(value, str | bytes | bool | complex) or kind not in "iuf":
        raise invalid_type(name, expected, value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise invalid_type(name, expected, value) from None
    except OverflowError:  # an integer of hundreds of digits
        value = number = math.inf
    too_small = number <= least if open_below else number < least
    if not math.isfinite(number) or too_small or number >= below:
        raise invalid(name, expected, value)
    return number


def check_finite(name: str, array: NDArray[Any]) -> None:
    """Raise an error that names the first NaN or infinity of a float array, if there is one."""
    rows = max(1, _CHUNK // max(1, array[:1].size))
    for top in range(0, len(array), rows):
        part = array[top : top + rows]
        # One sum tells: it is finite unless an element is not (or it overflowed, then look).
        with np.errstate(all="ignore"):
            total = part.sum()
        if np.isfinite(total):
            continue
        bad = np.argwhere(~np.isfinite(part))
        if len(bad):
            index = (int(bad[0][0]) + top, *map(int, bad[0][1:]))
            place = ", ".join(map(str, index))
            raise invalid(name, "finite numbers", f"{part[tuple(bad[0])]} at [{place}]")


def all_finite(array: NDArray[Any]) -> bool:
    """Return whether no element is NaN or infinite."""
    with np.errstate(all="ignore"):
        total = array.sum()
    # A sum is finite unless an element is not; or it overflowed, then look.
    return bool(np.isfinite(total) or np.isfinite(array).all())


def as_array(name: str, value: Any, expected: str = "an array of numbers") -> NDArray[Any]:
    """Return what NumPy makes of a value, if that loses nothing."""
    if np.ma.isMaskedArray(value) and np.ma.getmaskarray(value).any():
        raise invalid(name, f"{expected}, none of them masked", "some masked")
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor's, of a kind NumPy has not
        raise invalid(name, expected, " ".join(str(error).split())) from None


def check_readable(name: str, value: Any) -> None:
    """Refuse an array with masked values, and one that NumPy cannot read; frames are not read."""
    if hasattr(value, "__array__") and not hasattr(value, "columns"):
        as_array(name, value)


def as_finite(
    name: str, value: ArrayLike, shape: tuple[int, ...], dtype: DTypeLike | None = None
) -> NDArray[Any]:
    """Return an array of a shape, of numbers that are finite, also in `dtype` if that is given."""
    array = as_array(name, value, f"numbers of shape {shape}")
    if array.dtype.kind not in "biuf":
        raise invalid(name, f"numbers of shape {shape}", f"dtype {array.dtype}")
    if array.shape != shape:
        raise invalid(name, f"shape {shape}", f"shape {array.shape}")
    if array.dtype.kind == "f":
        check_finite(name, array)
    if dtype is None or array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):  # what becomes infinite is refused
        cast = array.astype(dtype)
    if not all_finite(cast):
        bad = np.argwhere(~np.isfinite(cast))[0]
        place = ", ".join(map(str, bad))
        raise invalid(name, f"numbers that are finite in {cast.dtype}",
                      f"{array[tuple(bad)]} at [{place}]")  # fmt: skip
    return cast


class Samples(NamedTuple):
    """Rows of data as the kernels read them: the array's own memory, seen as bytes."""

    x: NDArray[np.uint8]  # the bytes from the first element to the last
    source: NDArray[np.int64]  # kind, first element, steps between rows and between columns
    n: int
    owner: Any  # keeps the memory alive: a matrix, or a CSR matrix
    indices: NDArray[np.int32] = _NO_INDICES  # of a CSR matrix, read-only
    row_starts: NDArray[np.int64] = np.zeros(0, np.int64)

    @property
    def most(self) -> int:
        """Entries that one sample can have."""
        if len(self.row_starts):
            return int(np.diff(self.row_starts).max())
        return int(self.owner.shape[1])

    def dense(self, first: int, stop: int) -> NDArray[Any]:
        """Return some of the rows as an array, sparse ones made dense."""
        rows = self.owner[first:stop]
        return _readable(rows.toarray()) if len(self.row_starts) else np.asarray(rows)

    def some(self) -> NDArray[Any]:
        """Return some rows: of dense data from all over them, of sparse data the first."""
        if len(self.row_starts):
            return self.dense(0, _ROWS_LOOKED_AT)
        return np.asarray(self.owner[:: -(-self.n // _ROWS_LOOKED_AT)])

    def size(self) -> float:
        """Return the median of some absolute values that are not 0; 0 where all are."""
        some = self.some()
        lit = np.abs(some[some != 0].astype(np.float64))
        return float(np.median(lit)) if lit.size else 0.0

    def density(self) -> float:
        """Return the share of elements that are not zero, for dense data those of some rows."""
        if len(self.row_starts):
            return float(self.row_starts[-1] / (self.n * self.owner.shape[1]))
        rows = self.some()
        return float(np.count_nonzero(rows) / rows.size)


def _readable(array: NDArray[Any]) -> NDArray[Any]:
    """Return numbers in a dtype that the kernels read."""
    if array.dtype in _KINDS:
        return array
    exact = array.dtype.kind == "f" or array.dtype.itemsize <= 2
    single = exact and array.dtype.itemsize <= 4
    with np.errstate(over="ignore"):  # what becomes infinite is refused
        return array.astype(np.float32 if single else np.float64)  # also from another byte order


def _as_matrix(name: str, x: Any) -> NDArray[Any]:
    """Return x as a 2-D array of a dtype that the kernels read."""
    array = as_array(name, x)
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            raise invalid(name, "an array of numbers", "objects that are none") from None
    if array.dtype.kind not in "biuf":
        raise invalid(name, "an array of numbers", f"dtype {array.dtype}")
    if array.ndim < 2:
        raise invalid(
            name, "a 2-D array (samples, features)", f"{array.ndim} dimension(s); for one sample "
            "use x.reshape(1, -1)",
        )  # fmt: skip
    array = _readable(array)
    if array.ndim > 2:
        array = array.reshape(len(array), math.prod(array.shape[1:]))
    return array


def _is_sparse(x: Any) -> bool:
    """Return whether x is a scipy.sparse matrix or array."""
    return hasattr(x, "toarray") and hasattr(x, "tocsr")


def _sparse_samples(name: str, x: Any, finite: bool) -> Samples:
    """Return a sparse matrix for the kernels, its memory in place where they can read it."""
    if len(x.shape) != 2:
        raise invalid(name, "a matrix (samples, features)", f"{len(x.shape)} dimension(s)")
    try:
        if hasattr(x, "check_format"):  # scipy converts without a look at the indices
            x.check_format(full_check=True)
        matrix = x.tocsr()
    except ValueError as error:
        raise invalid(name, "a valid sparse matrix", error) from None
    if not matrix.has_canonical_format:
        matrix = matrix.copy() if matrix is x else matrix
        matrix.sum_duplicates()
    if matrix.dtype.kind not in "biuf":
        raise invalid(name, "a matrix of numbers", f"dtype {matrix.dtype}")
    data = np.ascontiguousarray(_readable(matrix.data))
    if finite and data.dtype.kind == "f" and not np.isfinite(data).all():
        bad = int(np.flatnonzero(~np.isfinite(data))[0])
        row = int(np.searchsorted(matrix.indptr, bad, side="right")) - 1
        place = f"[{row}, {matrix.indices[bad]}]"
        raise invalid(name, "finite numbers", f"{data[bad]} at {place}")
    source = np.array([_KINDS[data.dtype], 0, 0, 1], np.int64)
    indices = np.ascontiguousarray(matrix.indices, np.int32)[:]
    indices.flags.writeable = False
    starts = np.array(matrix.indptr, np.int64)
    return Samples(_as_bytes(data), source, matrix.shape[0], matrix, indices, starts)


def as_samples(x: Any, features: int, name: str = "x", finite: bool = True) -> Samples:
    """Return data for the kernels, without a copy where the memory can be read as it is.

    Parameters
    ----------
    x : array-like of shape (n, features), or (n, ...) with `features` elements a sample
        uint8, float32 and float64 are read in place, in any order, read-only or mapped from a
        file; other numbers are converted. Sparse matrices are read as CSR.
    features : int
        How many columns are expected.
    """
    sparse = _is_sparse(x)
    array = x if sparse else _as_matrix(name, x)
    if not sparse or len(x.shape) == 2:
        if array.shape[1] != features:
            raise invalid(name, f"{features} features a sample", f"shape {np.shape(x)}")
        if array.shape[0] == 0:
            raise invalid(name, "at least one sample", "none")
    if sparse:
        return _sparse_samples(name, x, finite)
    if finite and array.dtype.kind == "f":
        check_finite(name, array)
    item = array.itemsize
    odd = any(step % item for step in array.strides) or not array.flags.aligned
    if odd or array.size == 0:
        array = np.ascontiguousarray(array)
    low = np.lib.array_utils.byte_bounds(array)[0]
    first = (array.ctypes.data - low) // item
    steps = [step // item for step in array.strides]
    source = np.array([_KINDS[array.dtype], first, *steps], np.int64)
    return Samples(_as_bytes(array), source, len(array), array)


def _as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the memory of an array, from its first element to its last, as read-only bytes."""
    low, high = np.lib.array_utils.byte_bounds(array)
    return np.asarray(_Bytes(low, high - low, array))


class _Bytes:
    """Memory of another array, offered to NumPy as read-only bytes."""

    def __init__(self, address: int, size: int, owner: Any) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "data": (address, True),
            "shape": (size,),
            "typestr": "|u1",
            "version": 3,
        }


def as_sample_weight(weight: ArrayLike | None, n: int, some: bool = True) -> NDArray[np.float64]:
    """Return weights for the kernels, (n,) or (0,) for None: finite, not negative.

    `some` tells whether one has to be above 0.
    """
    if weight is None:
        return np.zeros(0)
    array = as_finite("sample_weight", weight, (n,), np.float64).astype(np.float64)
    if (array < 0).any() or (some and not array.any()):
        expected = "no negative number and one that is positive" if some else "no negative number"
        raise invalid("sample_weight", expected, "others")
    with np.errstate(over="ignore"):
        total = array.sum()
    if not np.isfinite(total):
        raise invalid("sample_weight", "numbers with a finite sum", "greater ones")
    return array
