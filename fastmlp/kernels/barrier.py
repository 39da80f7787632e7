"""A barrier inside a parallel loop: its parts wait for one another without leaving the loop.

Ending a parallel loop and beginning the next costs two microseconds or more, a barrier a tenth of
that. But it needs every part on a thread of its own, and a threading layer may have fewer, inside
another parallel region for instance. So parts first see whether all are there; if one stays away,
all return, and the caller does the work in one part. After that nobody is waited for who is not
running.

A barrier is CELLS int64, all zero at first. A counter that only grows is the simplest of those in
Mellor-Crummey and Scott, "Algorithms for scalable synchronization on shared-memory
multiprocessors", ACM TOCS 9(1), 1991, and fast for as many threads as share a cache.
"""

from __future__ import annotations

import os
from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from fastmlp.kernels.target import CACHE_LINE, EAGER_LOOKS, MACHINE, PATIENT_LOOKS, device
from fastmlp.kernels.vectors import I32, I64, data_of

__all__ = ["CELLS", "TOGETHER", "VERDICT", "all_present", "wait_for_all"]

Array = NDArray[Any]

# Cells, in cache lines of their own.
_COUNT: Final = 0
VERDICT: Final = CACHE_LINE // 8
CELLS: Final = 2 * VERDICT

# Verdicts, once there is one.
TOGETHER: Final = 1
_GIVEN_UP: Final = 2


def _cell(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.gep(data_of(context, builder, sig, args, 0), [args[1]])


@intrinsic
def _add_one(typing: Any, cells: Any, index: Any) -> Any:
    """Add 1 to a cell, and return what it is then."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        cell = _cell(context, builder, sig, args)
        return builder.add(builder.atomic_rmw("add", cell, I64(1), "acq_rel"), I64(1))

    return types.int64(cells, types.int64), generate


@intrinsic
def _load(typing: Any, cells: Any, index: Any) -> Any:
    """Return what a cell is now, and see all that was written before it became that."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(_cell(context, builder, sig, args), "acquire", 8)

    return types.int64(cells, types.int64), generate


@intrinsic
def _settle(typing: Any, cells: Any, index: Any, value: Any) -> Any:
    """Make a cell `value` if it is 0 still."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        cell = _cell(context, builder, sig, args)
        builder.cmpxchg(cell, I64(0), args[2], "acq_rel", "acquire")
        return context.get_dummy_value()

    return types.void(cells, types.int64, types.int64), generate


@intrinsic
def _relax(typing: Any) -> Any:
    """Tell the core that this thread only waits."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        name, words = {
            "x86_64": ("llvm.x86.sse2.pause", []),
            "aarch64": ("llvm.aarch64.hint", [I32(1)]),
        }.get(MACHINE, ("", []))
        if name:
            kind = ir.FunctionType(ir.VoidType(), [word.type for word in words])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), words)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def _give_way(typing: Any) -> Any:
    """Let another thread have the core, where the system has a call for that."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if os.name == "posix":
            kind = ir.FunctionType(I32, [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


@device
def _pause(looks: int) -> None:
    """Wait a moment before the next look; after many, let others have the core."""
    _relax()
    if looks > EAGER_LOOKS:
        _give_way()


@device
def _all_present(barrier: Array, parts: int) -> bool:
    """Return whether all `parts` have called this, each on a thread of its own; alike for all."""
    count, verdict = np.int64(_COUNT), np.int64(VERDICT)
    if _add_one(barrier, count) == parts:
        _settle(barrier, verdict, np.int64(TOGETHER))
    looks = 0
    while _load(barrier, verdict) == 0:
        looks += 1
        _pause(looks)
        if looks > PATIENT_LOOKS:
            _settle(barrier, verdict, np.int64(_GIVEN_UP))
    together: bool = _load(barrier, verdict) == TOGETHER
    return together


@device
def _wait_for_all(barrier: Array, goal: int) -> None:
    """Wait until the barrier was reached `goal` times, by this part too.

    What any part wrote before is seen after. `all_present` counts as the first `parts` times.
    """
    count = np.int64(_COUNT)
    reached, looks = _add_one(barrier, count), 0
    while reached < goal:
        looks += 1
        _pause(looks)
        reached = _load(barrier, count)


def _interpreted_presence(barrier: Array, parts: int) -> bool:
    """Return whether there is one part only, for `NUMBA_DISABLE_JIT=1`: loops are serial there."""
    barrier[VERDICT] = TOGETHER if parts == 1 else _GIVEN_UP
    return parts == 1


def _interpreted_wait(barrier: Array, goal: int) -> None:
    """Do nothing, for `NUMBA_DISABLE_JIT=1`."""


all_present: Any = _interpreted_presence if numba.config.DISABLE_JIT else _all_present
wait_for_all: Any = _interpreted_wait if numba.config.DISABLE_JIT else _wait_for_all
