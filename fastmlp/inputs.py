"""What may be read as data: regular files."""

from __future__ import annotations

import os
import stat

from fastmlp.errors import DataError

__all__ = ["check_regular"]

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_regular(path: str | os.PathLike[str]) -> None:
    """Refuse a pipe, a device or a socket, which may keep a reader waiting for ever.

    What is not there, or a folder, is for the reader to refuse.

    Raises
    ------
    DataError

    Examples
    --------
    >>> check_regular("no such file")
    >>> check_regular(".")
    """
    try:
        kind = _KINDS.get(stat.S_IFMT(os.stat(path).st_mode))
    except OSError:
        return
    if kind is not None:
        raise DataError(f"{os.fspath(path)}: expected a file, got {kind}")
