"""Writing a file whole or not at all: a reader never sees half of one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import Any

from fastmlp.errors import FastMLPError, invalid, invalid_type

if sys.platform != "win32":
    import fcntl

__all__ = ["OutputError", "check_path", "check_writable", "write_atomically"]


class OutputError(FastMLPError, OSError):
    """A file cannot be written where it was asked for."""


def check_path(path: Any, name: str = "path") -> str:
    """Return a path as text; refuse what is none.

    Examples
    --------
    >>> check_path(3)
    Traceback (most recent call last):
        ...
    fastmlp.errors.InvalidTypeError: path: expected a path, got int
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise invalid_type(name, "a path", path)
    if "\0" in text:
        raise invalid(name, "a path", repr(text))
    return text


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise `OutputError` unless `write_atomically` can write to `path`; leave nothing behind.

    Examples
    --------
    >>> check_writable("no/such/folder/model.safetensors")
    Traceback (most recent call last):
        ...
    fastmlp.output.OutputError: cannot write no/such/folder/model.safetensors: no such folder
    """
    target = _target(path)
    if _is_special(target):
        return
    try:
        descriptor, temporary = _open_beside(target)
        os.close(descriptor)
        with contextlib.suppress(FileNotFoundError):  # another process took it for an orphan
            os.unlink(temporary)
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path` by way of a temporary file in the same folder.

    The content is on the disk before it takes the name, so a crash leaves the old file or the
    new one. The temporary file of a process that was killed is deleted by the next that writes to
    the same path, where files can be locked. A link is followed; a device or pipe is written to
    directly.

    Parameters
    ----------
    path : str or path
        Where to write; the folder must exist.
    content : bytes
        The whole file.

    Raises
    ------
    OutputError
        The file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "note.txt")
    >>> write_atomically(path, b"done")
    >>> path.read_text()
    'done'
    """
    target = _target(path)
    try:
        if _is_special(target):
            target.write_bytes(content)
        else:
            _replace(target, content)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _target(path: str | os.PathLike[str]) -> Path:
    """Return the file that `path` leads to; refuse what can never be one."""
    name = check_path(path)
    if not name:
        raise OutputError("cannot write a file: expected a path, got an empty name")
    target = Path(os.path.realpath(name))
    if target.is_dir():
        raise OutputError(f"cannot write {name}: it is a folder")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {name}: no such folder")
    if target.exists() and not os.access(target, os.W_OK):
        raise OutputError(f"cannot write {name}: it is write-protected")
    return target


def _is_special(target: Path) -> bool:
    return target.exists() and not target.is_file()


def _open_beside(target: Path) -> tuple[int, Path]:
    """Create a new file in the target's folder, with the permissions a new file gets.

    It is locked while it is open. One without a lock is of a process that was killed: it is
    deleted by the next that writes to the same target.
    """
    # Of one length, as the target's name may be as long as a name can be.
    prefix = f".fastmlp-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}-"
    _delete_orphans(target.parent, prefix)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    while True:
        temporary = target.with_name(f"{prefix}{secrets.token_hex(8)}.tmp")
        descriptor = os.open(temporary, flags, 0o666)
        if not _lock(descriptor) or temporary.exists():
            return descriptor, temporary
        os.close(descriptor)  # taken for an orphan before it was locked


def _delete_orphans(folder: Path, prefix: str) -> None:
    """Delete the files of a prefix that no process has open to write."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if not (name.startswith(prefix) and name.endswith(".tmp")):
                continue
            with contextlib.suppress(OSError):
                # To read: where locks are of a process, not of an open file (NFS), that gives none.
                descriptor = os.open(folder / name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
                try:
                    if _lock(descriptor, wait=False):
                        os.unlink(folder / name)
                finally:
                    os.close(descriptor)


def _lock(descriptor: int, *, wait: bool = True) -> bool:
    """Lock an open file until it is closed; return whether that was possible."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # another has it, or the file system has no locks
        return False
    return True


def _replace(target: Path, content: bytes) -> None:
    descriptor, temporary = _open_beside(target)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if target.exists():
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            if sys.platform != "win32":  # while it is locked
                os.replace(temporary, target)
        if sys.platform == "win32":  # an open file keeps its name
            os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _cannot_write(path: Any, error: OSError) -> OutputError:
    return OutputError(f"cannot write {os.fspath(path)}: {(error.strerror or str(error)).lower()}")
