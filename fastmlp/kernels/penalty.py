"""Σ w² of the L2 penalty, summed in blocks whose order does not depend on the threads."""

from __future__ import annotations

from typing import Any, Final

from numpy.typing import NDArray

from fastmlp.kernels.layout import INPUTS, WEIGHTS, WEIGHTS_ROW
from fastmlp.kernels.memory import scratch_like
from fastmlp.kernels.target import device

__all__ = ["SQUARES_ROWS", "squares_of_block"]

Array = NDArray[Any]

# Rows of weights whose squares are summed together, in whatever thread.
SQUARES_ROWS: Final = 64


@device
def squares_of_block(table: Array, parameters: Array, index: int) -> float:
    """Return Σ w² over block `index` of SQUARES_ROWS rows of weights, biases not included.

    The blocks of all layers are counted through.
    """
    layer, block = 0, index
    while block * SQUARES_ROWS >= table[layer, INPUTS]:
        block -= (table[layer, INPUTS] + SQUARES_ROWS - 1) // SQUARES_ROWS
        layer += 1
    row = table[layer, WEIGHTS_ROW]
    sums = scratch_like(parameters)
    bottom = min(table[layer, INPUTS], (block + 1) * SQUARES_ROWS)
    total = 0.0
    for left in range(0, row, sums.shape[0]):
        width = min(sums.shape[0], row - left)
        for j in range(width):
            sums[j] = parameters.dtype.type(0)
        for f in range(block * SQUARES_ROWS, bottom):
            at = table[layer, WEIGHTS] + f * row + left
            weights = parameters[at : at + width]
            for j in range(width):
                sums[j] += weights[j] * weights[j]
        for j in range(width):
            total += sums[j]
    return total
