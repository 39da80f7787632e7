"""Subnormal numbers taken as zero, for the time of a call.

Saturated units, and moments that decay, fill arrays with them, and most CPUs are a hundred times
slower on them.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.kernels.target import MACHINE

__all__ = ["emit_flush", "emit_restore", "flush_subnormals", "restore_subnormals"]

# MXCSR on x86: flush results to zero, treat operands as zero. FPCR on Arm: flush to zero.
_X86_FLUSH, _ARM_FLUSH = 0x8040, 1 << 24


def emit_flush(builder: Any) -> Any:
    """Make this thread take subnormal numbers as zero; return what to restore."""
    word, wide, module = ir.IntType(32), ir.IntType(64), builder.module
    if MACHINE == "x86_64":
        control = cgutils.alloca_once(builder, word)
        pointer = builder.bitcast(control, cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type])
        store = cgutils.get_or_insert_function(module, kind, "llvm.x86.sse.stmxcsr")
        load = cgutils.get_or_insert_function(module, kind, "llvm.x86.sse.ldmxcsr")
        builder.call(store, [pointer])
        before = builder.load(control)
        builder.store(builder.or_(before, word(_X86_FLUSH)), control)
        builder.call(load, [pointer])
        return before
    if MACHINE == "aarch64":
        get = cgutils.get_or_insert_function(
            module, ir.FunctionType(wide, []), "llvm.aarch64.get.fpcr"
        )
        kind = ir.FunctionType(ir.VoidType(), [wide])
        put = cgutils.get_or_insert_function(module, kind, "llvm.aarch64.set.fpcr")
        before = builder.call(get, [])
        builder.call(put, [builder.or_(before, wide(_ARM_FLUSH))])
        return before
    return None


def emit_restore(builder: Any, before: Any) -> None:
    """Give this thread back the treatment of subnormal numbers it had."""
    module = builder.module
    if MACHINE == "x86_64":
        control = cgutils.alloca_once_value(builder, before)
        pointer = builder.bitcast(control, cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type])
        load = cgutils.get_or_insert_function(module, kind, "llvm.x86.sse.ldmxcsr")
        builder.call(load, [pointer])
    elif MACHINE == "aarch64":
        kind = ir.FunctionType(ir.VoidType(), [before.type])
        put = cgutils.get_or_insert_function(module, kind, "llvm.aarch64.set.fpcr")
        builder.call(put, [before])


@intrinsic
def _flush(typing: Any) -> Any:
    """Take subnormals as zero from here on; return what to restore."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        before = emit_flush(builder)
        wide = ir.IntType(64)
        return wide(0) if before is None else builder.zext(before, wide)

    return types.int64(), generate


@intrinsic
def _restore(typing: Any, before: Any) -> Any:
    """Treat subnormals as before."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        width = ir.IntType(32) if MACHINE == "x86_64" else ir.IntType(64)
        emit_restore(builder, builder.trunc(args[0], width))
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _interpreted_flush() -> int:
    """Do nothing, for `NUMBA_DISABLE_JIT=1`."""
    return 0


def _interpreted_restore(before: int) -> None:
    """Do nothing, for `NUMBA_DISABLE_JIT=1`."""


# What is computed between the two must be in a function that is out of line: LLVM does not know
# that arithmetic depends on them.
flush_subnormals: Any = _interpreted_flush if numba.config.DISABLE_JIT else _flush
restore_subnormals: Any = _interpreted_restore if numba.config.DISABLE_JIT else _restore
