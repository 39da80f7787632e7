"""Shape checks of the public kernels: compiled with them, so that compiled callers have them too."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from fastmlp.errors import InvalidValueError
from fastmlp.kernels.target import device, kernel

__all__ = ["KernelShapeError", "require_equal", "require_same_shape"]


class KernelShapeError(InvalidValueError):
    """The arrays given to a kernel do not fit together."""

    def __str__(self) -> str:
        """Return what was expected and the two sizes that came."""
        if len(self.args) == 3:
            return "{}: expected equal sizes, got {} and {}".format(*self.args)
        return super().__str__()


@device
def require_equal(what: str, first: int, second: int) -> None:
    """Raise KernelShapeError unless the two sizes are equal."""
    if first != second:
        raise KernelShapeError(what, first, second)


@device
def require_same_shape(what: str, first: NDArray[Any], second: NDArray[Any]) -> None:
    """Raise KernelShapeError unless two arrays of as many dimensions have one shape."""
    for axis in range(first.ndim):
        if first.shape[axis] != second.shape[axis]:
            raise KernelShapeError(what, first.shape[axis], second.shape[axis])
