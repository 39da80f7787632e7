"""Memory inside a kernel: small scratch on the stack, and 2-D views of flat buffers."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.kernels.target import ALIGNMENT, PANEL_BYTES, SCRATCH_ROWS

__all__ = ["element_of", "in_line", "out_of_line", "scratch_like"]

_BYTES = SCRATCH_ROWS * PANEL_BYTES


def _interpreted(array: Any) -> Any:
    """Return the scratch as a NumPy array, for `NUMBA_DISABLE_JIT=1`."""
    return np.empty(_BYTES // array.itemsize, array.dtype)


@intrinsic
def _scratch_like(typing: Any, array: Any) -> Any:
    """Return SCRATCH_ROWS rows of PANEL_BYTES on the stack, as a flat array of `array`'s dtype.

    It lives until the function that asked for it returns; every call in one function returns the
    same memory. What it holds at first is not defined.
    """
    result = types.Array(array.dtype, 1, "C")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        with builder.goto_entry_block():
            memory = builder.alloca(ir.ArrayType(ir.IntType(8), _BYTES))
            memory.align = ALIGNMENT
        made = context.make_array(sig.return_type)(context, builder)
        itemsize = context.get_abi_sizeof(context.get_data_type(array.dtype))
        size = context.get_constant(types.intp, _BYTES // itemsize)
        context.populate_array(
            made,
            data=builder.bitcast(memory, made.data.type),
            shape=cgutils.pack_array(builder, [size]),
            strides=cgutils.pack_array(builder, [context.get_constant(types.intp, itemsize)]),
            itemsize=context.get_constant(types.intp, itemsize),
            meminfo=None,
        )
        return made._getvalue()

    return result(array), generate


scratch_like: Any = _interpreted if numba.config.DISABLE_JIT else _scratch_like


@intrinsic
def _element_of(typing: Any, memory: Any, at: Any, dtype: Any) -> Any:
    """Return one element of memory that is seen as an array of another dtype."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        kind = context.get_data_type(sig.return_type)
        return builder.load(builder.gep(builder.bitcast(data, kind.as_pointer()), [args[1]]))

    return dtype.dtype(memory, types.int64, dtype), generate


def _interpreted_element(memory: Any, at: int, dtype: Any) -> Any:
    """Return the element in plain Python, for `NUMBA_DISABLE_JIT=1`."""
    itemsize = np.dtype(dtype).itemsize
    return memory[at * itemsize : (at + 1) * itemsize].view(dtype)[0]


# element_of(memory, at, dtype): element `at` of `memory`, (bytes,) uint8, as an array of `dtype`.
element_of: Any = _interpreted_element if numba.config.DISABLE_JIT else _element_of


def _attribute(name: str) -> Any:
    """Return an intrinsic that gives the function that calls it an attribute of LLVM's."""

    @intrinsic
    def attribute(typing: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            attributes = builder.function.attributes
            if name == "alwaysinline":  # debugging forbids it where it can, and here it cannot
                attributes.difference_update({"noinline", "optnone"})
            attributes.add(name)
            return context.get_dummy_value()

        return types.void(), generate

    return attribute


def _nothing() -> None:
    """Do nothing, for `NUMBA_DISABLE_JIT=1`."""


# out_of_line(), in_line(): LLVM compiles the function that calls this once, or at each call of it.
out_of_line: Any = _nothing if numba.config.DISABLE_JIT else _attribute("noinline")
in_line: Any = _nothing if numba.config.DISABLE_JIT else _attribute("alwaysinline")
