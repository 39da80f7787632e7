"""A file of named arrays and a description, as safetensors: reading one never runs code."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DataError, invalid_type
from fastmlp.inputs import check_regular
from fastmlp.output import check_path, write_atomically

__all__ = ["read_tensors", "write_tensors"]

FORMAT = "fastmlp"
VERSION = 1
MAX_HEADER = 16 * 1024 * 1024  # bytes; the header holds names, shapes and the description


def write_tensors(
    path: str | os.PathLike[str],
    tensors: dict[str, NDArray[Any]],
    description: dict[str, Any],
) -> None:
    """Write named arrays and a description of them to a safetensors file, whole or not at all.

    Parameters
    ----------
    path : str or path
        Where to write; the folder must exist.
    tensors : dict of str to ndarray
        The arrays: floats, integers or bool, any order in memory.
    description : dict
        What JSON can hold; kept in the file's metadata.

    Raises
    ------
    OutputError
        The file cannot be written.
    InvalidTypeError
        An array or the description is of a kind that the file cannot hold.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "model.safetensors")
    >>> write_tensors(path, {"weights": np.ones((2, 3))}, {"sizes": [2, 3]})
    >>> tensors, description = read_tensors(path)
    >>> tensors["weights"].shape, description
    ((2, 3), {'sizes': [2, 3]})
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save

    try:
        text = json.dumps(description, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise invalid_type("description", f"what JSON can hold ({error})", description) from error
    metadata = {"format": FORMAT, "format_version": str(VERSION), "description": text}
    arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    try:
        content = save(arrays, metadata=metadata)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        kinds = {name: str(value.dtype) for name, value in arrays.items()}
        raise invalid_type("tensors", f"arrays of numbers, not {kinds}", tensors) from error
    write_atomically(path, content)


def read_tensors(
    path: str | os.PathLike[str], arrays: bool = True
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `write_tensors` wrote; nothing in the file is run.

    Parameters
    ----------
    path : str or path
        A file that `write_tensors` wrote.
    arrays : bool
        Whether to read them, or the description alone.

    Returns
    -------
    tensors : dict of str to ndarray
        The arrays, writable, in C order.
    description : dict
        The description.

    Raises
    ------
    DataError
        The file is missing, no regular file, cut short, not a safetensors file, not of this
        library, or of a newer version of it.

    Examples
    --------
    >>> read_tensors("no-such-model.safetensors")
    Traceback (most recent call last):
        ...
    fastmlp.errors.DataError: cannot read no-such-model.safetensors: no such file or directory
    """
    from safetensors import SafetensorError, safe_open

    name = check_path(path)
    check_regular(name)
    try:
        _check_header(name)
        with safe_open(name, framework="np") as file:
            description = _description(name, file.metadata() or {})
            # The library hands out views of its own buffer, which may be read-only; its file has
            # keys but is no mapping.
            names = file.keys() if arrays else ()
            tensors = {key: np.array(file.get_tensor(key), order="C") for key in names}
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot read {name}: {reason}") from error
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise _not_a_model(name, _one_line(error)) from error
    return tensors, description


def _check_header(name: str) -> None:
    """Refuse a header that is larger than the file, or than any that `write_tensors` makes."""
    with open(name, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        header = int.from_bytes(file.read(8), "little")
    if size < 8:
        raise _not_a_model(name, f"it has {size} bytes")
    if header > min(size - 8, MAX_HEADER):
        raise _not_a_model(
            name, f"its header claims {header} bytes, at most {min(size - 8, MAX_HEADER)} can be"
        )


def _description(name: str, metadata: dict[str, str]) -> dict[str, Any]:
    """Return the description in the metadata, after checking whose it is and how new."""
    if metadata.get("format") != FORMAT:
        raise DataError(
            f"{name}: expected a model written by fastmlp, got format {metadata.get('format')!r}"
        )
    version = metadata.get("format_version", "")
    if not (version.isascii() and version.isdigit()) or int(version) < 1:
        raise DataError(f"{name}: expected a format version, got {version!r}")
    if int(version) > VERSION:
        raise DataError(
            f"{name}: expected format version {VERSION} or older, got {version}: update fastmlp"
        )
    try:
        description = json.loads(metadata.get("description", ""))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: its description is not JSON: {_one_line(error)}") from error
    if not isinstance(description, dict):
        raise DataError(
            f"{name}: expected a description of names and values, got {type(description).__name__}"
        )
    return description


def _not_a_model(name: str, reason: str) -> DataError:
    return DataError(f"{name}: not a whole safetensors file: {reason}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
