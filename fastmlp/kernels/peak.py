"""What the floating-point units can do at most: chains of multiply-adds that stay in registers."""

from __future__ import annotations

from typing import Any, Final

import numba
from numba import prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from fastmlp.kernels.target import TILE_ROWS, TILE_VECTORS, kernel, lanes, parallel_kernel
from fastmlp.kernels.vectors import I64, Emitter

__all__ = ["chains", "chains_parallel", "row_elements"]

Array = NDArray[Any]

# As many independent chains as the register tile has accumulators: enough to hide the latency.
_VECTORS: Final = TILE_ROWS * TILE_VECTORS


def row_elements(itemsize: int) -> int:
    """Return how many elements of `itemsize` bytes `chains` works on at a time."""
    return _VECTORS * lanes(itemsize)


@intrinsic
def _emit_chains(typing: Any, row: Any, factor: Any, repeats: Any) -> Any:
    """Replace each element x of a row by x · factor + factor, `repeats` times."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array = context.make_array(sig.args[0])(context, builder, args[0])
        dtype = sig.args[0].dtype
        emit = Emitter(builder, context.get_data_type(dtype), dtype.bitwidth // 8)
        factor = emit.splat(args[1])
        starts = [emit.load(array.data, v) for v in range(_VECTORS)]
        entry = builder.block
        loop = builder.append_basic_block("chains.loop")
        done = builder.append_basic_block("chains.done")
        builder.branch(loop)
        builder.position_at_end(loop)
        count = builder.phi(I64)
        values = [builder.phi(emit.vector) for _ in range(_VECTORS)]
        news = [emit.fma(value, factor, factor) for value in values]
        following = builder.add(count, I64(1))
        for phi, first, after in zip(
            [count, *values], [I64(0), *starts], [following, *news], strict=True
        ):
            phi.add_incoming(first, entry)
            phi.add_incoming(after, loop)
        builder.cbranch(builder.icmp_signed("<", following, args[2]), loop, done)
        builder.position_at_end(done)
        for v, value in enumerate(news):
            emit.store(value, array.data, v)
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
