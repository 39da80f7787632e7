"""Device functions that are compiled once, with the kernel that calls them.

Numba optimises every compiled function by itself, with all it calls, and makes machine code of it,
also of one that only other compiled functions call; each of these then optimises it again. Here a
device function is only translated; LLVM sees it where it is linked into a kernel. That halves the
time of a first call. It rests on methods of Numba's that are not public; where they are missing
device functions are compiled as Numba does it.
"""

from __future__ import annotations

from typing import Any, Final

from numba.core import codegen, compiler

__all__ = ["DEVICE_OPTIONS"]

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


class _LinkedLibrary(codegen.JITCodeLibrary):  # type: ignore[misc]  # numba has no types
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


class _DeviceCompiler(compiler.Compiler):  # type: ignore[misc]
    """Numba's compiler, with a library that is only linked."""

    def define_pipelines(self) -> Any:
        """Return Numba's own pipelines."""
        state = self.state
        if state.library is None:
            state.library = _LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().define_pipelines()


# Options of `njit` for a function that only compiled code calls.
DEVICE_OPTIONS: Final[dict[str, Any]] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
if all(hasattr(codegen.JITCodeLibrary, step) for step in _STEPS):
    DEVICE_OPTIONS["pipeline_class"] = _DeviceCompiler
