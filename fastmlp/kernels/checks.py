"""Checks of the public kernels: compiled with them, so that compiled callers have them too.

All run before an array is written, and outside of parallel loops.
"""

from __future__ import annotations

from typing import Any

import numba
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from fastmlp.errors import InvalidValueError
from fastmlp.kernels.memory import out_of_line
from fastmlp.kernels.target import checking_device

__all__ = [
    "KernelShapeError",
    "require_floats",
    "require_labels",
    "require_same_shape",
    "require_size",
]

Array = NDArray[Any]


class KernelShapeError(InvalidValueError):
    """The arrays given to a kernel do not fit together."""

    def __str__(self) -> str:
        """Return argument, what was expected, and what came."""
        if len(self.args) == 4:
            return "{}: expected {} {}, got {}".format(*self.args)
        return super().__str__()


_FLOATS = "arrays of one dtype, float32 or float64, with one or two dimensions"


@intrinsic
def _require_floats(typing: Any, arrays: Any) -> Any:
    """Refuse to compile unless all arrays of a tuple have one dtype, float32 or float64."""
    if not all(isinstance(array, types.Array) and array.ndim in (1, 2) for array in arrays):
        raise numba.TypingError(f"expected {_FLOATS}, got {arrays}")
    if {array.dtype for array in arrays} not in ({types.float32}, {types.float64}):
        raise numba.TypingError(f"expected {_FLOATS}, got {arrays}")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.get_dummy_value()

    return types.void(arrays), generate


def _interpreted(arrays: tuple[Array, ...]) -> None:
    """Check the same for `NUMBA_DISABLE_JIT=1`."""
    if {array.dtype.char for array in arrays} not in ({"f"}, {"d"}):
        raise TypeError(f"expected {_FLOATS}, got {[array.dtype.name for array in arrays]}")


require_floats: Any = _interpreted if numba.config.DISABLE_JIT else _require_floats


@checking_device
def require_size(argument: str, unit: str, expected: int, got: int) -> None:
    """Raise KernelShapeError unless an argument has as many rows, columns, … as expected."""
    out_of_line()
    if expected != got:
        raise KernelShapeError(argument, expected, unit, got)


@checking_device
def require_same_shape(argument: str, expected: Array, got: Array) -> None:
    """Raise KernelShapeError unless an argument has the shape of another array, (n,) or (n, m)."""
    if expected.ndim == 1:
        require_size(argument, "elements", expected.shape[0], got.shape[0])
    else:
        require_size(argument, "rows", expected.shape[0], got.shape[0])
        require_size(argument, "columns", expected.shape[1], got.shape[1])


@checking_device
def require_labels(labels: Array, rows: int, classes: int) -> None:
    """Raise KernelShapeError unless labels, (n,) or (n, 1), are `rows` numbers in [0, classes)."""
    require_size("labels", "rows", rows, labels.shape[0])
    if labels.ndim == 2:
        require_size("labels", "columns", 1, labels.shape[1])
    for label in labels.flat:
        if label < 0 or label >= classes:
            raise KernelShapeError("labels", "a class below", classes, label)
