"""The on-disk cache of compiled kernels: safe against every edit of a kernel's source.

Numba stamps a cached function with the file that defines it. A kernel also contains the machine
code of the kernels it calls, from other files, so that stamp misses their edits. Here the stamp
is a digest over all kernel sources, the versions of the compilers, and the settings that change
the generated code. The folder is `$NUMBA_CACHE_DIR`, else the user's cache; where neither can be
written a folder of the user's own among the temporary files; where that fails, nothing is cached.

Numba keeps an index a function, which processes that start together overwrite for each other: one's
machine code may end up under another's signature. Here the name of a file is made from all that
decides its content, and a file whose digest is wrong is not loaded.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import secrets
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

import llvmlite
import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

__all__ = ["KernelCache", "cache_folder", "clear_cache", "fingerprint", "is_compiled"]

# What the cache is made of: folders named by a fingerprint, and the files of `_Files` in them.
_VERSION: Final = re.compile("[0-9a-f]{16}")
_FILE: Final = re.compile(r".+\.[0-9a-f]{16}\.nbc(\.[0-9a-f]{16}\.tmp)?")


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
        return [Path(os.environ["NUMBA_CACHE_DIR"]) / "fastmlp-kernels"]
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
    """Delete all compiled kernels, of every version; return how many files were deleted.

    Only files and folders of the cache's own names: `NUMBA_CACHE_DIR` may be any folder.
    """
    folder = cache_folder()
    if folder is None:
        return 0
    count = 0
    for version in _inside(folder, _VERSION):
        for path in _inside(version, _FILE):
            with suppress(OSError):
                path.unlink()
                count += 1
        with suppress(OSError):  # something else is in it, or it is a link
            version.rmdir()
    with suppress(OSError):
        folder.rmdir()
    return count


def _inside(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """Return what stands in a folder under such names; nothing where it cannot be read."""
    try:
        return [path for path in folder.iterdir() if names.fullmatch(path.name)]
    except OSError:
        return []


class _Locator(_CacheLocator):
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


class _Implementation(CompileResultCacheImpl):
    _locator_classes: ClassVar = [_Locator]


class _Files:
    """Files of machine code: named by a digest of their key, each begun by one of its content."""

    def __init__(self, folder: str, name: str) -> None:
        self._start = Path(folder, name)

    def _path(self, key: Any) -> Path:
        name = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return self._start.with_name(f"{self._start.name}.{name}.nbc")

    def save(self, key: Any, data: Any) -> None:
        """Write a file, whole or not at all."""
        content = dumps(data)
        path = self._path(key)
        part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            part.write_bytes(hashlib.sha256(content).digest() + content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def load(self, key: Any) -> Any:
        """Return what was saved, None where there is nothing, or nothing whole."""
        try:
            content = self._path(key).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            return None
        return pickle.loads(content[32:])

    def paths(self) -> list[Path]:
        """Return the function's files."""
        return list(self._start.parent.glob(f"{self._start.name}.*.nbc"))

    def flush(self) -> None:
        """Delete the function's files."""
        for path in self.paths():
            path.unlink(missing_ok=True)


class KernelCache(FunctionCache):
    """Numba's function cache with the stamp, the folder and the files described above."""

    _impl_class = _Implementation

    @classmethod
    def attach(cls, dispatcher: Any, variant: str) -> None:
        """Give a dispatcher this cache; twins of one function are told apart by `variant`.

        Numba can store no code that nothing was optimised in: it has addresses of this process.
        """
        if cache_folder() is not None and numba.config.OPT != 0:
            dispatcher._cache = cls(dispatcher.py_func, variant)

    def __init__(self, py_func: Any, variant: str) -> None:
        super().__init__(py_func)
        name = self._impl.filename_base
        self._cache_file = _Files(self._cache_path, f"{name}-{variant}" if variant else name)

    def is_filled(self) -> bool:
        """Return whether there is stored machine code."""
        return bool(self._cache_file.paths())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the stored machine code, or None where it is missing or cannot be used.

        Numba first registers all it can compile, which takes three times as long as the loading;
        machine code needs only the runtime. The first compilation registers the rest.
        """
        try:
            rtsys.initialize(target_context)
            return self._load_overload(sig, target_context)
        except Exception:  # of another version of what it was pickled with
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store machine code; a full or read-only disk only costs the next start its speed."""
        with suppress(OSError):
            super().save_overload(sig, data)


def is_compiled(kernel: Any) -> bool:
    """Return whether there is machine code of a kernel, in this process or stored."""
    if numba.config.DISABLE_JIT or kernel.overloads:
        return True
    stored = kernel._cache
    return isinstance(stored, KernelCache) and stored.is_filled()
