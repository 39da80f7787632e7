"""Dense products: C = A B in its three uses, in panels and on ordinary arrays.

    forward            outputs  = inputs · weights           a = rows of inputs,    k = features
    weight gradient    gradient = inputsᵀ · delta            a = columns of inputs, k = samples
    input delta        delta'   = delta · weightsᵀ           a = rows of delta,     k = outputs

All three are `product`: both strides of A are free.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fastmlp.kernels import tile
from fastmlp.kernels.activations import IDENTITY, activate_block
from fastmlp.kernels.memory import out_of_line, scratch_like
from fastmlp.kernels.public import blocks, flat, is_regular, part_bounds
from fastmlp.kernels.target import (
    PANEL_BYTES,
    SCRATCH_ROWS,
    TILE_VECTORS,
    VECTOR_BYTES,
    device,
)
from fastmlp.kernels.tile import RESUME, STORE, fma

__all__ = [
    "INPUT_ROWS",
    "dense_part",
    "input_part",
    "product",
    "weights_part",
]

Array = NDArray[Any]


@device
def product(
    a: Array, a_at: int, a_row: int, a_k: int, b: Array, b_at: int, b_row: int, depth: int,
    c: Array, c_at: int, c_row: int, rows: int, columns: int, mode: int, alpha: float,
) -> None:  # fmt: skip
    """C = A B, C + A B or C + alpha · A B by `mode`; one chain an element, k ascending.

    a : array, read. Element (r, k) stands at `a_at + r * a_row + k * a_k`.
    b : array, read. Element (k, j) stands at `b_at + k * b_row + j`.
    c : array, written (and read unless mode is STORE). Element (r, j) at `c_at + r * c_row + j`.

    a, b, c share one dtype; c overlaps neither a nor b. The columns are cut into strips as wide
    as the tile; four vectors that remain make one strip, since narrow ones load more than they
    multiply. A strip of B stays in the first-level cache while
    all rows of A pass it (Goto and van de Geijn 2008, without packing).
    """
    out_of_line()
    lanes = VECTOR_BYTES // c.itemsize
    # After the last strip of these rows of B comes the first of those below: the next panel of k.
    j = 0
    while j + lanes <= columns:
        vectors = (columns - j) // lanes
        if vectors == 4 and TILE_VECTORS == 3:
            tile.strip_4(
                a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
                c, c_at + j, c_row, rows, columns, mode, alpha,
                4 * lanes if j + 4 * lanes < columns else depth * b_row - j,
            )  # fmt: skip
            j += 4 * lanes
        elif vectors >= TILE_VECTORS:
            tile.strip_full(
                a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
                c, c_at + j, c_row, rows, columns, mode, alpha,
                TILE_VECTORS * lanes if j + TILE_VECTORS * lanes < columns else depth * b_row - j,
            )  # fmt: skip
            j += TILE_VECTORS * lanes
        elif vectors == 2:
            tile.strip_2(
                a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
                c, c_at + j, c_row, rows, columns, mode, alpha,
                2 * lanes if j + 2 * lanes < columns else depth * b_row - j,
            )  # fmt: skip
            j += 2 * lanes
        else:
            tile.strip_1(
                a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
                c, c_at + j, c_row, rows, columns, mode, alpha,
                np.int64(0),  # fetches nothing
            )  # fmt: skip
            j += lanes
    if j < columns:
        tile.strip_masked(
            a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
            c, c_at + j, c_row, rows, columns - j, mode, alpha, np.int64(0),
        )  # fmt: skip


# --- for the public kernels: rows of ordinary arrays ----------------------------------------------

# Rows of the input delta that one transposed block of weights serves.
INPUT_ROWS: Final = 256


@device
def has_unit_columns(array: Array) -> bool:
    """Return whether the elements of each row of a (n, m) array follow one another in memory."""
    return is_regular(array) and (array.shape[1] < 2 or array.strides[1] == array.itemsize)


@device
def multiply(
    a: Array, a_at: int, a_row: int, a_k: int, b: Array, b_row: int, depth: int,
    c: Array, c_at: int, c_row: int, rows: int, columns: int,
) -> None:  # fmt: skip
    """C = A B, walked along k by panels so that a strip of B stays in the first-level cache."""
    out_of_line()
    panel = PANEL_BYTES // c.itemsize
    for k in range(0, max(depth, 1), panel):  # at depth 0 the sums are still to be stored
        product(
            a, a_at + k * a_k, a_row, a_k, b, k * b_row, b_row, min(panel, depth - k),
            c, c_at, c_row, rows, columns, RESUME if k > 0 else STORE, c.dtype.type(0),
        )  # fmt: skip


@device
def multiply_naive(a: Array, b: Array, c: Array, top: int, bottom: int) -> None:
    """Rows [top, bottom) of C = A B for any strides: the same chains as `product`, one by one."""
    for r in range(top, bottom):
        for j in range(c.shape[1]):
            total = c.dtype.type(0)
            for k in range(a.shape[1]):
                total = fma(a[r, k], b[k, j], total)
            c[r, j] = total


@device
def dense_part(code: int, x: Array, w: Array, b: Array, out: Array, part: int) -> None:
    """Write rows of activation(x w + b): one of `parts(n)`."""
    top, bottom = part_bounds(out.shape[0], part)
    size = out.itemsize
    if is_regular(x) and has_unit_columns(w) and has_unit_columns(out):
        row, to = x.strides[0] // size, out.strides[0] // size
        multiply(
            flat(x), top * row, row, x.strides[1] // size, flat(w), w.strides[0] // size,
            x.shape[1], flat(out), top * to, to, bottom - top, out.shape[1],
        )  # fmt: skip
    else:
        multiply_naive(x, w, out, top, bottom)
    rows = out[top:bottom]
    for r in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[r, j] += b[j]
    if code != IDENTITY:
        for block in range(blocks(rows)):
            activate_block(code, rows, rows, block)


@device
def weights_part(x: Array, delta: Array, out: Array, part: int) -> None:
    """Write rows of xᵀ delta: one of `parts(n_in)`."""
    top, bottom = part_bounds(out.shape[0], part)
    size = out.itemsize
    if is_regular(x) and has_unit_columns(delta) and has_unit_columns(out):
        column, to = x.strides[1] // size, out.strides[0] // size
        multiply(
            flat(x), top * column, column, x.strides[0] // size, flat(delta),
            delta.strides[0] // size, x.shape[0], flat(out), top * to, to, bottom - top,
            out.shape[1],
        )  # fmt: skip
    else:
        multiply_naive(x.T, delta, out, top, bottom)


@device
def input_part(delta: Array, w: Array, out: Array, part: int) -> None:
    """Write rows of delta wᵀ: the part-th INPUT_ROWS of them."""
    top, bottom = part * INPUT_ROWS, min(out.shape[0], (part + 1) * INPUT_ROWS)
    size = out.itemsize
    if not (is_regular(delta) and has_unit_columns(out)):
        multiply_naive(delta, w.T, out, top, bottom)
        return
    scratch, panel, depth = scratch_like(out), PANEL_BYTES // size, delta.shape[1]
    row, to = delta.strides[0] // size, out.strides[0] // size
    step = delta.strides[1] // size
    for j in range(0, out.shape[1], panel):
        columns = min(panel, out.shape[1] - j)
        for k in range(0, max(depth, 1), SCRATCH_ROWS):
            count = min(SCRATCH_ROWS, depth - k)
            for i in range(columns):
                for o in range(count):
                    scratch[o * panel + i] = w[j + i, k + o]
            product(
                flat(delta), top * row + k * step, row, step, scratch, np.int64(0), panel, count,
                flat(out), top * to + j, to, bottom - top, columns, RESUME if k > 0 else STORE,
                out.dtype.type(0),
            )  # fmt: skip
