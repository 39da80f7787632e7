"""The on-disk cache of compiled kernels: safe against every edit of a kernel's source.

Numba stamps a cached function with the file that defines it. A kernel also contains the machine
code of the kernels it calls, from other files, so that stamp misses their edits. Here the stamp
is a digest over all kernel sources, the versions of the compilers, and the settings that change
the generated code. The folder is `$NUMBA_CACHE_DIR`, else the user's cache; where neither can be
written a folder of the user's own among the temporary files; where that fails, nothing is cached.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

__all__ = ["KernelCache", "cache_folder", "clear_cache", "fingerprint"]


@cache
def fingerprint() -> str:
    """Return a digest of all that decides what machine code a kernel becomes."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    config = numba.config
    settings = (config.BOUNDSCHECK, config.OPT, config.ENABLE_AVX, config.DEBUGINFO_DEFAULT)
    digest.update(repr((numba.__version__, llvmlite.__version__, settings)).encode())
    return digest.hexdigest()[:16]


def _user_cache() -> Path:
    """Return the folder in which this system's programs keep what can be made again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _candidates() -> list[Path]:
    """Return the folders to try, best first."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(os.environ["NUMBA_CACHE_DIR"]) / "fastmlp"]
    folders = []
    with suppress(RuntimeError):  # no home directory
        folders.append(_user_cache() / "fastmlp" / "kernels")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return [*folders, Path(tempfile.gettempdir()) / f"fastmlp-kernels-{user}"]


def _usable(folder: Path) -> bool:
    """Return whether the folder can be written and belongs to this user: its files are code."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            return False
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


@cache
def cache_folder() -> Path | None:
    """Return the folder that compiled kernels are kept in; None where nothing can be written.

    Setting `FASTMLP_CACHE=0` turns the cache off.
    """
    if os.environ.get("FASTMLP_CACHE") == "0":
        return None
    return next((folder for folder in _candidates() if _usable(folder)), None)


def clear_cache() -> int:
    """Delete all compiled kernels, of every version; return how many files there were."""
    folder = cache_folder()
    if folder is None:
        return 0
    count = sum(path.is_file() for path in folder.rglob("*"))
    shutil.rmtree(folder, ignore_errors=True)
    return count


class _Locator(_CacheLocator):  # type: ignore[misc]  # Numba is not typed
    """Places a kernel's files below `cache_folder()`, in a folder named by the fingerprint."""

    def __init__(self, source: str, line: int) -> None:
        self._py_file = source
        self._line = line

    def get_cache_path(self) -> str:
        return str((cache_folder() or Path(tempfile.gettempdir())) / fingerprint())

    def get_source_stamp(self) -> str:
        return fingerprint()

    def get_disambiguator(self) -> str:
        return str(self._line)

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator:
        return cls(py_file, py_func.__code__.co_firstlineno)


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]  # noqa: RUF012  # the base class's own protocol


class KernelCache(FunctionCache):  # type: ignore[misc]
    """Numba's function cache with the stamp, the folder and the forgiveness described above."""

    _impl_class = _Implementation

    @classmethod
    def attach(cls, dispatcher: Any, variant: str) -> None:
        """Give a dispatcher this cache; twins of one function are told apart by `variant`."""
        if cache_folder() is not None:
            dispatcher._cache = cls(dispatcher.py_func, variant)

    def __init__(self, py_func: Any, variant: str) -> None:
        self._variant = variant
        super().__init__(py_func)

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), self._variant)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the stored machine code, or None where it is missing or cannot be read."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a damaged file raises whatever its bytes happen to mean
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store machine code; a full or read-only disk only costs the next start its speed."""
        try:
            super().save_overload(sig, data)
        except OSError:
            pass
        except Exception:  # the index is damaged: begin a new one
            self.flush()
            super().save_overload(sig, data)
