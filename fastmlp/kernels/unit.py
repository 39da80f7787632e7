"""Units: large functions that are compiled once and called through their address.

Numba links the code of a callee into each caller and optimises it again there; a parallel loop
adds three more layers, each with a copy. The two halves of a training step are large enough for
that to cost most of the time of a first call. A unit is compiled (and cached on disk) by itself,
for one signature; the kernels that drive it get its address, an integer, and stay small.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, ClassVar

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.kernels.subnormals import emit_flush, emit_restore
from fastmlp.kernels.target import kernel

__all__ = ["Unit"]


class Unit:
    """A function with machine code for each compute dtype, to be called by address.

    Parameters
    ----------
    function : Python function
        Takes the compute dtype (np.float32 or np.float64) and what `arguments` says; returns
        nothing.
    arguments : Numba types
        The same for every compute dtype, so that those who call the unit need not know it.
    """

    _interpreted: ClassVar[list[Callable[..., None]]] = []  # addresses without a compiler

    def __init__(self, function: Callable[..., None], *arguments: Any) -> None:
        self.dispatcher = kernel(function)
        self.arguments = arguments
        self.address = lru_cache(maxsize=None)(self._address)
        self.call = self._make_call()

    def _address(self, dtype: np.dtype[Any]) -> int:
        """Return where the machine code for a compute dtype stands, compiled or from the cache."""
        if numba.config.DISABLE_JIT:
            self._interpreted.append(partial(self.dispatcher, dtype.type))
            return len(self._interpreted) - 1
        signature = (types.NumberClass(numba.from_dtype(dtype)), *self.arguments)
        self.dispatcher.compile(signature)
        compiled = self.dispatcher.overloads[signature]
        name = compiled.fndesc.llvm_func_name
        return int(compiled.library.get_pointer_to_function(name))

    @np.errstate(all="ignore")  # machine code does not warn either
    def _interpret(self, address: int, arguments: tuple[Any, ...]) -> None:
        self._interpreted[address](*arguments)

    def _make_call(self) -> Any:
        """Return `call(address, arguments)` for compiled code; `arguments` is a tuple.

        What the function raises, the caller raises.
        """
        if numba.config.DISABLE_JIT:
            return self._interpret
        expected = self.arguments
        kinds = (types.NumberClass(types.float32), *expected)  # any dtype: an empty argument

        @intrinsic
        def call(typing: Any, address: Any, arguments: Any) -> Any:
            if tuple(arguments.types) != expected:
                raise numba.TypingError(f"a unit cannot take {arguments.types}")

            def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                values = [context.get_dummy_value(), *cgutils.unpack_tuple(builder, args[1])]
                convention = context.call_conv
                kind = convention.get_function_type(types.none, kinds)
                function = builder.inttoptr(args[0], kind.as_pointer())
                before = emit_flush(builder)
                status, _ = convention.call_function(builder, function, types.none, kinds, values)
                emit_restore(builder, before)
                with cgutils.if_unlikely(builder, status.is_error):
                    convention.return_status_propagate(builder, status)
                return context.get_dummy_value()

            return types.void(types.int64, arguments), generate

        return call
