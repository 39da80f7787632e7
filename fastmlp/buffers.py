"""Memory that the kernels work on: aligned, allocated once, zero at first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastmlp.kernels.layout import Sizes
from fastmlp.kernels.target import ALIGNMENT, BLOCK_ROWS, TILE_ROWS

__all__ = ["Workspace", "aligned_zeros", "block_rows"]


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


def block_rows(batch: int, threads: int) -> int:
    """Return how many samples to work on together: a batch, or equal parts of a large one.

    Results do not depend on it. With many threads a block grows, so that each has rows enough.
    """
    most = max(BLOCK_ROWS, BLOCK_ROWS // 2 * threads)
    blocks = -(-batch // most)
    rows = -(-batch // blocks)
    return rows if blocks == 1 else -(-rows // TILE_ROWS) * TILE_ROWS


class Workspace:
    """Activations, deltas and per-row results for up to `rows` samples at a time."""

    def __init__(self, sizes: Sizes, first_level: int, rows: int, dtype: DTypeLike) -> None:
        self.capacity = -(-rows // TILE_ROWS) * TILE_ROWS
        self.activations = aligned_zeros(self.capacity * sizes.columns, dtype)
        self.deltas = aligned_zeros(self.capacity * (sizes.columns - first_level), dtype)
        self.results = np.zeros((self.capacity, 3))
