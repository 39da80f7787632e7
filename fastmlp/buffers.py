"""Memory that the kernels work on: aligned, allocated once, zero at first."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastmlp.kernels import frame
from fastmlp.kernels.layout import Sizes
from fastmlp.kernels.sparse import BOUND, MOST_VECTORS
from fastmlp.kernels.target import (
    ALIGNMENT,
    BLOCK_ROWS,
    SCRATCH_ROWS,
    SPAN_BYTES,
    TILE_ROWS,
    VECTOR_BYTES,
)

__all__ = ["Entries", "Frame", "Workspace", "aligned_zeros", "block_rows"]

# With fewer entries of a sample, or fewer samples, a span is not worth to be begun.
_ENTRIES_A_SPAN = 12
_ROWS_A_SPAN = 4


def aligned_zeros(size: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return `size` zeros whose first byte stands at a multiple of 64.

    Examples
    --------
    >>> aligned_zeros(3, "float32")
    array([0., 0., 0.], dtype=float32)
    """
    dtype = np.dtype(dtype)
    memory = np.zeros(size * dtype.itemsize + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size * dtype.itemsize].view(dtype)


def block_rows(batch: int, threads: int, most: int) -> int:
    """Return how many samples to work on together: a batch, or equal parts of a large one.

    `most` are worth it on one thread. With many threads a block grows, so that each has rows
    enough. Results do not depend on it.
    """
    most = max(most, BLOCK_ROWS // 2 * threads)
    blocks = -(-batch // most)
    rows = -(-batch // blocks)
    return rows if blocks == 1 else -(-rows // TILE_ROWS) * TILE_ROWS


class Workspace:
    """Activations, deltas and per-row results for up to `rows` samples at a time."""

    def __init__(self, sizes: Sizes, first_level: int, rows: int, dtype: DTypeLike) -> None:
        self.capacity = -(-rows // TILE_ROWS) * TILE_ROWS
        self.activations = aligned_zeros(self.capacity * sizes.columns, dtype)
        # Twice: the second half is for the slopes of activations, where they are kept.
        self.deltas = aligned_zeros(2 * self.capacity * (sizes.columns - first_level), dtype)
        self.results = np.zeros((self.capacity, 3))


def _address(array: NDArray[Any]) -> int:
    """Return where an array is in memory."""
    if array.size == 0:
        return 0
    if array.flags.writeable:  # a sixth of the time
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))
    return int(array.ctypes.data)


class Frame:
    """Tells the kernels where arrays are, and keeps these alive; see `kernels.frame`.

    Attributes
    ----------
    numbers : ndarray of int64
        What the kernels get.
    """

    def __init__(self, dtype: np.dtype[Any], arrays: dict[int, NDArray[Any]]) -> None:
        self._dtype = dtype
        self._arrays: dict[int, NDArray[Any]] = {}
        self.numbers = np.zeros(frame.NUMBERS * len(frame.DTYPES), np.int64)
        self.hold(arrays)

    def hold(self, arrays: dict[int, NDArray[Any]]) -> None:
        """Write down where arrays are, by field; those that were held for these are let go."""
        for field, array in arrays.items():
            if array.dtype != (frame.DTYPES[field] or self._dtype) or not array.flags.c_contiguous:
                raise TypeError(f"field {field} cannot be {array.dtype}, {array.flags}")
            at = frame.NUMBERS * field
            self.numbers[at] = _address(array)
            for i, length in enumerate(array.shape, at + 1):
                self.numbers[i] = length
        self._arrays |= arrays


class Entries:
    """Room for a block of samples as entries; see `kernels.entries`.

    Parameters
    ----------
    features, outputs : int
        Of the first layer; outputs in bytes of a row of a panel.
    rows, capacity : int
        Samples of a block, and rows of the workspace.
    threads : int
        The most that share the work.
    density : float
        Share of the elements that are not zero.
    most : int
        Entries that one sample can have.
    """

    @classmethod
    def none(cls, dtype: DTypeLike) -> Entries:
        """Return no room: the block is held dense."""
        self = cls.__new__(cls)
        self.span = self.reach = self.group = 0
        self.values, self.columns, self.bounds = (
            np.zeros(0, kind) for kind in (dtype, np.int32, np.int64)
        )
        return self

    def __init__(
        self, features: int, panel_bytes: int, rows: int, capacity: int, threads: int,
        density: float, most: int, dtype: DTypeLike,
    ) -> None:  # fmt: skip
        vectors = panel_bytes // VECTOR_BYTES
        strip = -(-vectors // -(-vectors // MOST_VECTORS)) * VECTOR_BYTES
        groups = -(-(features + 1) // SCRATCH_ROWS)  # of the smallest size, to share the work
        wide = max(SPAN_BYTES // strip, int(_ENTRIES_A_SPAN / max(density, 1e-9)))
        if rows < _ROWS_A_SPAN:
            wide = groups * SCRATCH_ROWS
        self.span = max(1, min(groups, wide // SCRATCH_ROWS)) * SCRATCH_ROWS
        self.group = self.span if threads == 1 else SCRATCH_ROWS
        self.reach = min(self.span, most + 1)
        spans = features // self.span + 1
        half = -(-max(spans * self.reach, features + 1) * capacity // ALIGNMENT) * ALIGNMENT
        self.values = aligned_zeros(2 * half, dtype)
        self.columns = aligned_zeros(2 * half, np.int32)
        bounds = (spans * capacity + spans * self.span) * BOUND + groups
        self.bounds = aligned_zeros(bounds, np.int64)
