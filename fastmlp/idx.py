"""Read and write IDX, the array format of the MNIST files, gzipped or plain.

An IDX file is two zero bytes, a byte for the type, a byte for the number of dimensions, each
dimension as a big-endian 32-bit integer, then the values, big-endian, in C order.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import sys
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.errors import DataError, invalid
from fastmlp.inputs import check_regular
from fastmlp.output import check_path, write_atomically

__all__ = ["check_unpacked", "find_idx", "read_idx", "write_idx"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_MAX_DIMENSIONS = 32  # what every supported NumPy can hold
_CHUNK = 1 << 20
# A packed file may unpack to so many times its size, or to so many bytes if that is more.
_MOST_TIMES, _MOST_BYTES = 100, 64 << 20


def read_idx(path: str | os.PathLike[str], *, md5: str | None = None) -> NDArray[Any]:
    """Return the array in an IDX file, gzipped or plain whatever its name says.

    Memory grows only with what the file really holds; a gzipped file is decompressed at most one
    byte past what its header promises, and not at all where that is a hundred times its size.

    Parameters
    ----------
    path : path of the file.
    md5 : expected MD5 of the uncompressed file in hexadecimal, None for no check.

    Returns
    -------
    ndarray of the shape in the header, in native byte order: uint8, int8, int16, int32, float32
    or float64.

    Raises
    ------
    DataError
        If the file is missing, no regular file, damaged, shorter or longer than its header says,
        or if its checksum is another.

    Examples
    --------
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "labels.gz")
    >>> write_idx(path, np.array([5, 0, 4], dtype=np.uint8))
    >>> read_idx(path)
    array([5, 0, 4], dtype=uint8)
    """
    name = check_path(path)
    check_regular(name)
    try:
        with open(name, "rb") as file:
            if file.read(2) == _GZIP:
                file.seek(0)
                packed = os.fstat(file.fileno()).st_size
                with gzip.GzipFile(fileobj=file) as stream:
                    return _read(stream, name, None, packed, md5)
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            return _read(file, name, size, size, md5)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{name}: expected a whole gzip file, got a damaged one ({error})"
        ) from None
    except OSError as error:
        raise DataError(f"{name}: expected an IDX file, got: {error.strerror or error}") from None


def check_unpacked(label: str, packed: int, size: int) -> None:
    """Refuse to unpack so few bytes to so many: what is packed that well was made to do harm.

    Examples
    --------
    >>> check_unpacked("x.gz", packed=1000, size=1 << 30)
    Traceback (most recent call last):
        ...
    fastmlp.errors.DataError: x.gz: expected at most 67108864 bytes from 1000 packed, got 1073741824
    """
    most = max(_MOST_TIMES * packed, _MOST_BYTES)
    if size > most:
        raise DataError(f"{label}: expected at most {most} bytes from {packed} packed, got {size}")


def _read(
    stream: BufferedIOBase, name: str, size: int | None, packed: int, md5: str | None
) -> NDArray[Any]:
    """Read one array; `size` is that of the whole file unpacked, where it is known beforehand."""
    dtype, shape, header = _read_header(stream, name)
    promised = math.prod(shape) * dtype.itemsize
    wanted = f"{name}: expected {len(header) + promised} bytes for shape {shape} of {dtype.name}"
    if size is not None and size != len(header) + promised:
        raise DataError(f"{wanted}, got {size}")
    if size is None:
        check_unpacked(name, packed, promised)
    values = bytearray()
    while len(values) <= promised:
        chunk = stream.read(min(_CHUNK, promised + 1 - len(values)))
        if not chunk:
            break
        values += chunk
    if len(values) < promised:
        raise DataError(f"{wanted}, got {len(header) + len(values)}")
    if len(values) > promised:
        raise DataError(f"{wanted}, got more")
    if md5 is not None:
        digest = hashlib.md5(header, usedforsecurity=False)
        digest.update(values)
        if digest.hexdigest() != md5:
            raise DataError(f"{name}: expected md5 {md5}, got {digest.hexdigest()}")
    array: NDArray[Any] = np.ndarray(shape, dtype, buffer=values)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: BufferedIOBase, name: str) -> tuple[np.dtype[Any], tuple[int, ...], bytes]:
    """Return dtype, shape and the header's own bytes."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise DataError(
            f"{name}: expected an IDX file (00 00, a type, a number of dimensions), "
            f"got {magic.hex(' ') or 'an empty file'}"
        )
    dimensions = magic[3]
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise DataError(f"{name}: expected 1 to {_MAX_DIMENSIONS} dimensions, got {dimensions}")
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(
            f"{name}: expected {dimensions} dimensions of 4 bytes each, got {len(sizes)} bytes"
        )
    shape = struct.unpack(f">{dimensions}I", sizes)
    dtype = np.dtype(_TYPES[magic[2]])
    if math.prod(max(n, 1) for n in shape) * dtype.itemsize > sys.maxsize:
        raise DataError(f"{name}: expected a shape that fits in memory, got {shape}")
    return dtype, shape, magic + sizes


def find_idx(folder: str | os.PathLike[str], name: str) -> Path | None:
    """Return the path of an IDX file in a folder, None if there is none.

    Parameters
    ----------
    folder : the folder to look in; it need not exist.
    name : the file's plain name, such as ``train-images-idx3-ubyte``; a * in it stands for any
        characters. Also found are its gzipped form and the spelling with a dot,
        ``train-images.idx3-ubyte``.

    Examples
    --------
    >>> find_idx("no-such-folder", "train-images-idx3-ubyte") is None
    True
    """
    for plain in (name, name.replace("-idx", ".idx")):
        for pattern in (f"{plain}.gz", plain):
            paths = [path for path in sorted(Path(folder).glob(pattern)) if path.is_file()]
            if paths:
                return paths[0]
    return None


def write_idx(path: str | os.PathLike[str], array: ArrayLike) -> None:
    """Write an array as an IDX file, gzipped if the name ends in ``.gz``.

    Parameters
    ----------
    path : path of the file.
    array : of any shape with at least one dimension; uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    InvalidValueError
        If IDX has no such type or shape.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "images-idx3-ubyte")
    >>> write_idx(path, np.zeros((2, 28, 28), dtype=np.uint8))
    >>> os.path.getsize(path) == 16 + 2 * 28 * 28
    True
    """
    try:
        values = np.asarray(array)
    except ValueError:
        raise invalid("array", "an array of numbers", "lists of different lengths") from None
    big = values.dtype.newbyteorder(">")
    codes = {np.dtype(text): code for code, text in _TYPES.items()}
    if big not in codes:
        raise invalid("array", "uint8, int8, int16, int32, float32 or float64", values.dtype)
    if not 1 <= values.ndim <= _MAX_DIMENSIONS or max(values.shape) >= 1 << 32:
        raise invalid("array", "1 to 32 dimensions of less than 2**32 each", values.shape)
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, codes[big], values.ndim, *values.shape)
    content = header + values.astype(big, copy=False).tobytes()
    packed = check_path(path).endswith(".gz")
    write_atomically(path, gzip.compress(content) if packed else content)
