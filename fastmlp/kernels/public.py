"""What the public kernels share: their parallel twins, and ordinary arrays as memory.

A public kernel takes any NumPy array: C or Fortran order, slices, read-only. The code that works
on vectors is compiled once a dtype, for contiguous memory; here arrays become that, as views where
the strides allow and block by block through scratch memory where not.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from fastmlp.kernels.pool import GuardedTwin
from fastmlp.kernels.target import PANEL_BYTES, SCRATCH_ROWS, device, parallel_kernel

__all__ = [
    "PART_ROWS",
    "block_bounds",
    "blocks",
    "flat",
    "gather",
    "is_contiguous",
    "is_regular",
    "parallel_twin",
    "part_bounds",
    "parts",
    "scatter",
]

Array = NDArray[Any]

# Rows of the output that are computed together, and handed to a thread together.
PART_ROWS: Final = 64

_BLOCK_BYTES: Final = SCRATCH_ROWS * PANEL_BYTES // 2


def parallel_twin(serial: Any) -> Any:
    """Return the parallel twin of a public kernel: the same body, named `…_parallel`."""
    body: Callable[..., Any] = getattr(serial, "py_func", serial)
    name = f"{body.__name__}_parallel"
    copy = FunctionType(body.__code__, body.__globals__, name, body.__defaults__)
    copy.__qualname__, copy.__module__ = name, body.__module__
    copy.__annotations__ = body.__annotations__
    copy.__doc__ = (
        f"Parallel twin of `{body.__name__}`: the same arguments and the same bits, on Numba's\n"
        "    threads, however many. Called from Python while another Python thread uses them, or\n"
        "    after a fork, it runs the serial kernel."
    )
    compiled = parallel_kernel(copy)
    return compiled if numba.config.DISABLE_JIT else GuardedTwin(serial, compiled)


@device
def parts(rows: int) -> int:
    """Return how many parts of PART_ROWS rows there are."""
    return (rows + PART_ROWS - 1) // PART_ROWS


@device
def part_bounds(rows: int, part: int) -> tuple[int, int]:
    """Return the rows [top, bottom) of one of `parts(rows)`."""
    return part * PART_ROWS, min(rows, (part + 1) * PART_ROWS)


@device
def blocks(array: Array) -> int:
    """Return how many blocks the elements of an array make; two blocks fit the scratch memory."""
    size = _BLOCK_BYTES // array.itemsize
    return (array.size + size - 1) // size


@device
def block_bounds(array: Array, block: int) -> tuple[int, int]:
    """Return the elements [start, stop), in row-major order, of one of `blocks(array)`."""
    size = _BLOCK_BYTES // array.itemsize
    return block * size, min(array.size, (block + 1) * size)


@device
def is_regular(array: Array) -> bool:
    """Return whether elements stand at non-negative multiples of the item size."""
    for axis in range(array.ndim):
        if array.strides[axis] < 0 or array.strides[axis] % array.itemsize != 0:
            return False
    return True


@device
def is_contiguous(array: Array) -> bool:
    """Return whether the elements of a (n,) or (n, m) array follow one another row by row."""
    expected = array.itemsize
    for back in range(array.ndim):
        axis = array.ndim - 1 - back
        if array.shape[axis] > 1 and array.strides[axis] != expected:
            return False
        expected *= array.shape[axis]
    return True


@intrinsic
def _memory(typing: Any, array: Any, length: Any) -> Any:
    """Return `length` elements from the array's first on as a contiguous array."""
    result = types.Array(array.dtype, 1, "C")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        given = context.make_array(sig.args[0])(context, builder, args[0])
        made = context.make_array(sig.return_type)(context, builder)
        context.populate_array(
            made,
            data=builder.bitcast(given.data, made.data.type),
            shape=cgutils.pack_array(builder, [args[1]]),
            strides=cgutils.pack_array(builder, [given.itemsize]),
            itemsize=given.itemsize,
            meminfo=None,
        )
        return made._getvalue()

    return result(array, types.int64), generate


def _interpreted(array: Array, length: int) -> Any:
    """Return the same for `NUMBA_DISABLE_JIT=1`."""
    return np.lib.stride_tricks.as_strided(array, (length,), (array.itemsize,))


memory: Any = _interpreted if numba.config.DISABLE_JIT else _memory


@device
def flat(array: Array) -> Any:
    """Return the memory of a regular array, from its first element to its last, as (m,).

    The view is writable whatever the array is: what is read-only must only be read.
    """
    if array.size == 0:
        return memory(array, np.int64(0))
    length = 1
    for axis in range(array.ndim):
        length += (array.shape[axis] - 1) * (array.strides[axis] // array.itemsize)
    return memory(array, np.int64(length))


@device
def gather(array: Array, start: int, values: Array) -> None:
    """Copy elements of a (n,) or (n, m) array, from `start` on in row-major order, to values.

    values : (count,) contiguous, written.
    """
    count = values.shape[0]
    if is_contiguous(array):
        source = flat(array)[start : start + count]
        for i in range(count):
            values[i] = source[i]
    elif array.ndim == 1:
        for i in range(count):
            values[i] = array[start + i]
    else:
        columns = array.shape[1]
        row, column = start // columns, start % columns
        for i in range(count):
            values[i] = array[row, column]
            column += 1
            if column == columns:
                row, column = row + 1, 0


@device
def scatter(values: Array, array: Array, start: int) -> None:
    """Copy values to elements of a (n,) or (n, m) array, from `start` on in row-major order.

    values : (count,) contiguous, read.
    """
    count = values.shape[0]
    if array.ndim == 1:
        for i in range(count):
            array[start + i] = values[i]
    else:
        columns = array.shape[1]
        row, column = start // columns, start % columns
        for i in range(count):
            array[row, column] = values[i]
            column += 1
            if column == columns:
                row, column = row + 1, 0
