"""Who does what: the shares of a step's work, cut by output element.

An element is computed by one thread, in one order, whatever its share: results do not depend on
the cuts. They follow the memory. Columns of the first layer's weights are cut alike forward and in
the update, so that each thread's stay in its own core's cache from step to step.
"""

from __future__ import annotations

from fastmlp.kernels.target import TILE_ROWS, device

__all__ = ["share_of_columns", "share_of_rows", "share_of_units"]


@device
def share_of_rows(rows: int, part: int, parts: int) -> tuple[int, int]:
    """Return the first row and the end of one part's share, cut between tiles."""
    tiles = (rows + TILE_ROWS - 1) // TILE_ROWS
    return part * tiles // parts * TILE_ROWS, min((part + 1) * tiles // parts * TILE_ROWS, rows)


@device
def share_of_columns(vectors: int, part: int, parts: int) -> tuple[int, int]:
    """Return the first vector of columns and the end of one part's share, rounded."""
    return (2 * part * vectors + parts) // (2 * parts), (2 * (part + 1) * vectors + parts) // (
        2 * parts
    )


@device
def share_of_units(
    units: int, weight: int, before: int, total: int, part: int, parts: int
) -> tuple[int, int]:
    """Return the first of `units` pieces of work and the end of one part's share.

    Each weighs `weight`; work of weight `before` precedes them, and all together weigh `total`.
    """
    low = (part * total // parts - before + weight - 1) // weight
    high = ((part + 1) * total // parts - before + weight - 1) // weight
    return min(max(low, 0), units), min(max(high, 0), units)
