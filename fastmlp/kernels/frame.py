"""The frame of a run: where its arrays are and how long, in one array of int64.

A run of steps works on two dozen arrays. As arguments they would cost a microsecond each at every
call from Python, and be compiled again in each of the layers that a parallel loop consists of. So
they are written down once (`fastmlp.buffers.Frame`), and what works on them asks for those it needs
by name:

    table = matrix(frame, TABLE, np.int64)
    parameters = vector(frame, PARAMETERS, real)

Three numbers a field: address, and shape. Whoever fills a frame keeps its arrays alive. The views
own nothing, so slices of them count no references: a counter that all threads change is a cache
line that they take from each other at every slice.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["DTYPES", "NUMBERS", "matrix", "vector"]

NUMBERS: Final = 3  # of each field

TABLE: Final = 0  # (layers, FIELDS), read; see `layout`
PARAMETERS: Final = 1  # flat, updated
TRANSPOSED: Final = 2  # laid out as the table says
GRADIENT: Final = 3  # laid out as the parameters, and each part's scratch after it
STATE_1: Final = 4  # laid out as the parameters, or empty
STATE_2: Final = 5
ACTIVATIONS: Final = 6  # capacity · columns, overwritten
DELTAS: Final = 7
VALUES: Final = 8  # room for entries, or empty; see `entries`
COLUMNS: Final = 9
BOUNDS: Final = 10
RESULTS: Final = 11  # (capacity, 3), scratch: loss, correctness and weight of each sample
SQUARES: Final = 12  # (blocks,), scratch
RUNNING: Final = 13  # (4,): sums of the batch that is under way
RECORDS: Final = 14  # (steps, 3) or (blocks, 3), written: sums of loss, correctness and weight
SCHEDULE: Final = 15  # the learning rate of each step of the epoch, or empty for that of the rates
X: Final = 16  # bytes, read, laid out as `source` says
SOURCE: Final = 17
INDICES: Final = 18  # columns of sparse data, else empty
ROW_STARTS: Final = 19  # (n + 1,) of sparse data, else empty
LABELS: Final = 20  # (n,) classes, or empty
TARGETS: Final = 21  # (n, outputs), or one row
SAMPLE_WEIGHT: Final = 22  # (n,), or empty
ORDER: Final = 23  # the epoch's samples in their order, or empty for all as they stand
SETTINGS: Final = 24  # see `layout`
RATES: Final = 25
OUT: Final = 26  # (n, outputs), written, or empty
PROGRESS: Final = 27  # see `layout`
BARRIER: Final = 28  # where threads wait for one another; see `barrier`

# What each holds; None is the compute dtype.
DTYPES: Final[dict[int, type[np.generic] | None]] = {
    TABLE: np.int64, PARAMETERS: None, TRANSPOSED: None, GRADIENT: None, STATE_1: None,
    STATE_2: None, ACTIVATIONS: None, DELTAS: None, VALUES: None, COLUMNS: np.int32,
    BOUNDS: np.int64, RESULTS: np.float64, SQUARES: np.float64, RUNNING: np.float64,
    RECORDS: np.float64, SCHEDULE: np.float64, X: np.uint8, SOURCE: np.int64,
    INDICES: np.int32, ROW_STARTS: np.int64, LABELS: np.int64, TARGETS: None,
    SAMPLE_WEIGHT: np.float64, ORDER: np.int64, SETTINGS: np.int64, RATES: np.float64, OUT: None,
    PROGRESS: np.int64, BARRIER: np.int64,
}  # fmt: skip


def _view(frame: Any, field: Any, dtype: Any, dimensions: int) -> Any:
    """Return signature and code of a view of one field."""
    result = types.Array(dtype.dtype, dimensions, "C")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        numbers = context.make_array(sig.args[0])(context, builder, args[0]).data
        first = builder.mul(args[1], ir.Constant(args[1].type, NUMBERS))
        address, *shape = (
            builder.load(builder.gep(numbers, [builder.add(first, ir.Constant(first.type, i))]))
            for i in range(1 + dimensions)
        )
        made = context.make_array(result)(context, builder)
        itemsize = ir.Constant(
            first.type, context.get_abi_sizeof(context.get_data_type(result.dtype))
        )
        strides = [itemsize] if dimensions == 1 else [builder.mul(shape[1], itemsize), itemsize]
        context.populate_array(
            made,
            data=builder.inttoptr(address, made.data.type),
            shape=cgutils.pack_array(builder, shape),
            strides=cgutils.pack_array(builder, strides),
            itemsize=itemsize,
            meminfo=None,
        )
        return made._getvalue()

    return result(frame, types.int64, dtype), generate


@intrinsic
def _vector(typing: Any, frame: Any, field: Any, dtype: Any) -> Any:
    """View a field as (n,)."""
    return _view(frame, field, dtype, 1)


@intrinsic
def _matrix(typing: Any, frame: Any, field: Any, dtype: Any) -> Any:
    """View a field as (n, m)."""
    return _view(frame, field, dtype, 2)


def _interpreted(frame: Any, field: int, dtype: Any, dimensions: int) -> Any:
    """View a field in plain Python, for `NUMBA_DISABLE_JIT=1`."""
    address, *shape = frame[NUMBERS * field : NUMBERS * field + 1 + dimensions].tolist()
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size == 0:
        return np.zeros(shape, dtype)
    memory = (ctypes.c_char * size).from_address(address)
    return np.frombuffer(memory, dtype).reshape(shape)


def _interpreted_vector(frame: Any, field: int, dtype: Any) -> Any:
    return _interpreted(frame, field, dtype, 1)


def _interpreted_matrix(frame: Any, field: int, dtype: Any) -> Any:
    return _interpreted(frame, field, dtype, 2)


# vector(frame, field, dtype), matrix(frame, field, dtype): the array of one field, 1-D or 2-D.
vector: Any = _interpreted_vector if numba.config.DISABLE_JIT else _vector
matrix: Any = _interpreted_matrix if numba.config.DISABLE_JIT else _matrix
