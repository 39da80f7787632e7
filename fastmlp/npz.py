"""Read NumPy's own files, .npy and .npz, without running code and without trusting their sizes.

`numpy.load` allocates what a header asks for before it reads a value; here a header is compared
with the bytes there are first.
"""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DataError
from fastmlp.idx import check_unpacked
from fastmlp.inputs import check_regular

__all__ = ["list_npz", "read_npy", "read_npz"]


def read_npy(path: Path) -> NDArray[Any]:
    """Return the array in a .npy file.

    Parameters
    ----------
    path : path of the file.

    Raises
    ------
    DataError
        If the file is missing or damaged, or holds anything but numbers and strings.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "x.npy")
    >>> np.save(path, np.zeros((4, 2)))
    >>> read_npy(path).shape
    (4, 2)
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            return _read_stream(file, path.stat().st_size, str(path))
    except OSError as error:
        raise DataError(f"{path}: expected a .npy file, got: {error.strerror or error}") from None


def list_npz(path: Path) -> list[str]:
    """Return the names of the arrays in an archive.

    Raises
    ------
    DataError
        As `read_npz` does.
    """
    with _opened(path) as archive:
        return [info.filename.removesuffix(".npy") for info in archive.infolist()]


def read_npz(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return those arrays of an archive that have one of the names, in the order of the names.

    Parameters
    ----------
    path : path of the archive.
    names : the arrays wanted; others are not read.

    Raises
    ------
    DataError
        If the archive is missing or damaged, declares more than it can hold, or if an array
        holds anything but numbers and strings.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "data.npz")
    >>> np.savez(path, x=np.zeros((4, 2)), other=np.ones(3))
    >>> {name: values.shape for name, values in read_npz(path, ["x", "y"]).items()}
    {'x': (4, 2)}
    """
    with _opened(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        return {
            name: _read_member(archive, members[name], path) for name in names if name in members
        }


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; what goes wrong while it is open is a DataError."""
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError) as error:
        raise DataError(f"{path}: expected a .npz archive, got a damaged one ({error})") from None
    except OSError as error:
        raise DataError(
            f"{path}: expected a .npz archive, got: {error.strerror or error}"
        ) from None


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    """Read one array of an archive, unless it declares more than its bytes can unpack to."""
    label = f"{path}: {info.filename.removesuffix('.npy')}"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{label}: expected no compression but zlib's, got {info.compress_type}")
    packed = min(info.compress_size, path.stat().st_size)
    check_unpacked(label, packed, info.file_size)
    with archive.open(info) as stream:
        return _read_stream(stream, info.file_size, label)


def _read_stream(stream: IO[bytes], size: int, label: str) -> NDArray[Any]:
    """Read an array in NumPy's own format from a stream of `size` bytes."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        version = np.lib.format.read_magic(stream)
        if version not in readers:
            raise DataError(f"{label}: expected .npy version 1.0 or 2.0, got {version}")
        shape, _, dtype = readers[version](stream)
        if dtype.kind not in "biufU":
            raise DataError(f"{label}: expected numbers or strings, got {dtype}")
        expected = stream.tell() + math.prod(shape) * dtype.itemsize
        if expected != size:
            raise DataError(f"{label}: expected {expected} bytes for shape {shape}, got {size}")
        stream.seek(0)
        values: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    except DataError:
        raise
    except (ValueError, EOFError, tokenize.TokenError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{label}: expected a .npy array, got a damaged one ({reason})") from None
    return values
