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
    "require_dimensions",
    "require_floats",
    "require_labels",
    "require_one_or_two_dimensions",
    "require_same_shape",
    "require_size",
    "require_step",
]

Array = NDArray[Any]


class KernelShapeError(InvalidValueError):
    """What was given to a kernel does not fit together."""

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

    return types.void(arrays), _nothing


def _interpreted(arrays: tuple[Array, ...]) -> None:
    """Check the same for `NUMBA_DISABLE_JIT=1`."""
    if {array.dtype.char for array in arrays} not in ({"f"}, {"d"}):
        raise TypeError(f"expected {_FLOATS}, got {[array.dtype.name for array in arrays]}")


def _check_dimensions(argument: str, array: Any, count: Any) -> None:
    """Raise KernelShapeError unless an array, or its type, has `count` dimensions.

    count : a number, or an array (or its type) that has as many.
    """
    expected = getattr(count, "ndim", count)
    if array.ndim != expected:
        raise KernelShapeError(argument, expected, "dimensions", array.ndim)


def _check_one_or_two(argument: str, array: Any) -> None:
    """Raise KernelShapeError unless an array, or its type, has one dimension or two."""
    if array.ndim not in (1, 2):
        raise KernelShapeError(argument, "1 or 2", "dimensions", array.ndim)


def _type_of_array(argument: str, given: Any) -> Any:
    """Return the type of an array; refuse to compile for anything else."""
    if not isinstance(given, types.Array):
        raise numba.TypingError(f"{argument}: expected an array, got {given}")
    return given


def _nothing(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Generate no code."""
    return context.get_dummy_value()


# Numba knows the number of dimensions: a wrong one is refused before there is code that indexes it.


@intrinsic(prefer_literal=True)
def _require_dimensions(typing: Any, argument: Any, array: Any, count: Any) -> Any:
    """Refuse to compile unless an array has as many dimensions as expected."""
    name = getattr(argument, "literal_value", "an argument")
    of = count.literal_value if isinstance(count, types.Literal) else _type_of_array(name, count)
    _check_dimensions(name, _type_of_array(name, array), of)
    return types.void(argument, array, count), _nothing


@intrinsic(prefer_literal=True)
def _require_one_or_two_dimensions(typing: Any, argument: Any, array: Any) -> Any:
    """Refuse to compile unless an array has one dimension or two."""
    name = getattr(argument, "literal_value", "an argument")
    _check_one_or_two(name, _type_of_array(name, array))
    return types.void(argument, array), _nothing


if numba.config.DISABLE_JIT:
    require_floats: Any = _interpreted
    require_dimensions: Any = _check_dimensions
    require_one_or_two_dimensions: Any = _check_one_or_two
else:
    require_floats = _require_floats
    require_dimensions = _require_dimensions
    require_one_or_two_dimensions = _require_one_or_two_dimensions


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
    require_one_or_two_dimensions("labels", labels)
    require_size("labels", "rows", rows, labels.shape[0])
    if labels.ndim == 2:
        require_size("labels", "columns", 1, labels.shape[1])
    for label in labels.flat:
        if label < 0 or label >= classes:
            raise KernelShapeError("labels", "a class below", classes, label)


@checking_device
def require_step(step: int) -> None:
    """Raise KernelShapeError unless a step counts from 1: the bias correction divides by 0."""
    if not step >= 1:
        raise KernelShapeError("step", "at least", 1, step)
