"""How Numba makes machine code of kernels: device functions once, and loops in the widest vectors.

Numba optimises every compiled function by itself, with all it calls, and makes machine code of it,
also of one that only other compiled functions call; each of these then optimises it again. Here a
device function is only translated; LLVM sees it where it is linked into a kernel. That halves the
time of a first call.

LLVM takes half of the 512 bits of a vector register for loops that it turns into vectors itself,
since on some processors a few such instructions slow down all others. Here most instructions are
of that width anyway, so each function asks for it.

Numba counts references to arrays, in each function for each argument and slice. What allocates
nothing has no need of it: whoever calls it owns its arrays until it returns. What returns arrays
must return views without an owner, as `public.flat` does.

All rests on methods of Numba's that are not public; where they are missing everything is compiled
as Numba does it.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba.core import codegen, compiler

__all__ = ["DEVICE_OPTIONS", "KERNEL_OPTIONS"]

_WIDEST: Final = '"prefer-vector-width"="512"'  # or what the processor has

_COUNTS: Final = ("NRT_incref", "NRT_decref")
_WRAPPERS: Final = ("_ZN7cpython", "cfunc.")  # they take arrays from Python, and give them back

_STEPS: Final = (
    "_optimize_functions",
    "_optimize_final_module",
    "_finalize_final_module",
    "_finalize_dynamic_globals",
)


class _WithoutEnvironment:
    """A code generator that gives no environment (for Python objects) to what it did not make."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator

    def __getattr__(self, name: str) -> Any:
        """Return what the code generator has."""
        return getattr(self._generator, name)

    def set_env(self, env_name: str, env: Any) -> None:
        """Do nothing."""


def _called(instruction: Any) -> str:
    """Return the name of the function that an instruction calls, or nothing."""
    return str(getattr(getattr(instruction, "callee", None), "name", ""))


def _drop_reference_counts(function: ir.Function) -> None:
    """Take out what counts references to arrays, unless the function allocates some."""
    if any("alloc" in _called(i).lower() for block in function.blocks for i in block.instructions):
        return
    for block in function.blocks:
        block.instructions[:] = [i for i in block.instructions if _called(i) not in _COUNTS]


class _WideLibrary(codegen.JITCodeLibrary):
    """Code whose loops use the widest vectors."""

    def add_ir_module(self, ir_module: Any) -> None:
        """Add functions: with such vectors, and without reference counts."""
        for function in ir_module.functions:
            if function.blocks:
                set.add(function.attributes, _WIDEST)  # llvmlite knows no attributes with values
                if not function.name.startswith(_WRAPPERS):
                    _drop_reference_counts(function)
        super().add_ir_module(ir_module)


class _LinkedLibrary(_WideLibrary):
    """Code that is only ever linked into other libraries."""

    def _optimize_functions(self, module: Any) -> None:
        """Leave that to the library this is linked into."""

    def _optimize_final_module(self) -> None:
        """Leave that to the library this is linked into."""

    def _finalize_final_module(self) -> None:
        """Make no machine code."""
        self._finalize_dynamic_globals()
        self._finalized = True

    @property
    def codegen(self) -> Any:
        """The code generator."""
        return _WithoutEnvironment(self._codegen)

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0: there is no machine code."""
        return 0


class _KernelCompiler(compiler.Compiler):
    """Numba's compiler, with a library of ours."""

    library: type[_WideLibrary] = _WideLibrary

    def define_pipelines(self) -> Any:
        """Return Numba's own pipelines."""
        state = self.state
        if state.library is None:
            state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
        return super().define_pipelines()


class _DeviceCompiler(_KernelCompiler):
    """The same, with a library that is only linked."""

    library = _LinkedLibrary


# Options of `njit`: for kernels, and for functions that only compiled code calls.
KERNEL_OPTIONS: Final[dict[str, Any]] = {}
DEVICE_OPTIONS: Final[dict[str, Any]] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
if all(hasattr(codegen.JITCodeLibrary, step) for step in _STEPS):
    KERNEL_OPTIONS["pipeline_class"] = _KernelCompiler
    DEVICE_OPTIONS["pipeline_class"] = _DeviceCompiler
