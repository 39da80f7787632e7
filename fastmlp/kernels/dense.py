"""Dense products: C = A B in its three uses, and the public kernels on ordinary arrays.

    forward            outputs  = inputs · weights           a = rows of inputs,    k = features
    weight gradient    gradient = inputsᵀ · delta            a = columns of inputs, k = samples
    input delta        delta'   = delta · weightsᵀ           a = rows of delta,     k = outputs

All three are `product`: both strides of A are free.
"""

from __future__ import annotations

from fastmlp.kernels import tile
from fastmlp.kernels.memory import out_of_line
from fastmlp.kernels.target import TILE_VECTORS, VECTOR_BYTES, device, kernel

__all__ = ["product"]


@device
def product(
    a, a_at, a_row, a_k, b, b_at, b_row, depth, c, c_at, c_row, rows, columns, mode, alpha
):
    """C = A B, C + A B or C + alpha · A B by `mode`; one chain an element, k ascending.

    a : array, read. Element (r, k) stands at `a_at + r * a_row + k * a_k`.
    b : array, read. Element (k, j) stands at `b_at + k * b_row + j`.
    c : array, written (and read unless mode is STORE). Element (r, j) at `c_at + r * c_row + j`.

    a, b, c share one dtype; c overlaps neither a nor b. The columns are cut into strips as wide
    as the tile; four vectors that remain become two strips of two, since a tile one vector wide
    cannot hide the latency of its multiply-adds. A strip of B stays in the first-level cache while
    all rows of A pass it (Goto and van de Geijn 2008, without packing).
    """
    out_of_line()
    lanes = VECTOR_BYTES // c.itemsize
    j = 0
    while j + lanes <= columns:
        vectors = (columns - j) // lanes
        if vectors >= TILE_VECTORS and (vectors != 4 or TILE_VECTORS != 3):
            tile.strip_full(
                a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
                c, c_at + j, c_row, rows, columns, mode, alpha,
            )  # fmt: skip
            j += TILE_VECTORS * lanes
        elif vectors >= 2:
            tile.strip_2(
                a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
                c, c_at + j, c_row, rows, columns, mode, alpha,
            )  # fmt: skip
            j += 2 * lanes
        else:
            tile.strip_1(
                a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
                c, c_at + j, c_row, rows, columns, mode, alpha,
            )  # fmt: skip
            j += lanes
    if j < columns:
        tile.strip_masked(
            a, a_at, a_row, a_k, b, b_at + j, b_row, depth,
            c, c_at + j, c_row, rows, columns - j, mode, alpha,
        )  # fmt: skip
