"""What the floating-point units can do at most: chains of multiply-adds that stay in registers."""

from __future__ import annotations

from typing import Any, Final

import numba
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from fastmlp.kernels.target import TILE_ROWS, TILE_VECTORS, kernel, lanes, parallel_kernel

__all__ = ["chains", "chains_parallel", "row_elements"]

Array = NDArray[Any]

# As many independent chains as the register tile has accumulators: enough to hide the latency.
_VECTORS: Final = TILE_ROWS * TILE_VECTORS
_I64 = ir.IntType(64)


def row_elements(itemsize: int) -> int:
    """Return how many elements of `itemsize` bytes `chains` works on at a time."""
    return _VECTORS * lanes(itemsize)


@intrinsic
def _emit_chains(typing, row, factor, repeats):  # type: ignore[no-untyped-def]
    """Replace each element x of a row by x · factor + factor, `repeats` times."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array = context.make_array(sig.args[0])(context, builder, args[0])
        dtype = sig.args[0].dtype
        count_of_lanes = lanes(dtype.bitwidth // 8)
        vector = ir.VectorType(context.get_data_type(dtype), count_of_lanes)
        name = f"llvm.fmuladd.v{count_of_lanes}f{dtype.bitwidth}"
        kind = ir.FunctionType(vector, [vector] * 3)
        fma = cgutils.get_or_insert_function(builder.module, kind, name)
        start = builder.bitcast(array.data, vector.as_pointer())
        places = [builder.gep(start, [_I64(v)]) for v in range(_VECTORS)]
        multiplier = ir.Constant(vector, ir.Undefined)
        for lane in range(count_of_lanes):
            multiplier = builder.insert_element(multiplier, args[1], _I64(lane))
        starts = [builder.load(place, align=dtype.bitwidth // 8) for place in places]
        entry = builder.block
        loop = builder.append_basic_block("chains.loop")
        done = builder.append_basic_block("chains.done")
        builder.branch(loop)
        builder.position_at_end(loop)
        count = builder.phi(_I64)
        values = [builder.phi(vector) for _ in range(_VECTORS)]
        news = [builder.call(fma, [value, multiplier, multiplier]) for value in values]
        following = builder.add(count, _I64(1))
        for phi, first, after in zip(
            [count, *values], [_I64(0), *starts], [following, *news], strict=True
        ):
            phi.add_incoming(first, entry)
            phi.add_incoming(after, loop)
        builder.cbranch(builder.icmp_signed("<", following, args[2]), loop, done)
        builder.position_at_end(done)
        for value, place in zip(news, places, strict=True):
            builder.store(value, place, align=dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(row, row.dtype, types.int64), generate


def _interpreted(row: Array, factor: Any, repeats: int) -> None:
    """Do the same in plain Python, for `NUMBA_DISABLE_JIT=1`."""
    for _ in range(repeats):
        row[:] = row * factor + factor


_run_chains: Any = _interpreted if numba.config.DISABLE_JIT else _emit_chains


def _chains(rows: Array, factor: float, repeats: int) -> None:
    """Replace each x of `rows` by x · factor + factor, `repeats` times, one row a thread.

    rows : (threads, row_elements) in one float dtype, C-contiguous, updated. factor : below 1, so
    that all stays finite.
    """
    for thread in prange(rows.shape[0]):
        _run_chains(rows[thread], rows.dtype.type(factor), repeats)


chains = kernel(_chains)
chains_parallel = parallel_kernel(_chains)
