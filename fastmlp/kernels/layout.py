"""How a network lies in memory: one int64 row of numbers a layer, read by every kernel.

Parameters are one flat buffer. Layer l holds the (inputs + 1, outputs) matrix of weights and, as
its last row, biases: row-major, each row padded with zeros to whole vectors. Activations and deltas
are flat buffers of `capacity` rows. A level (the input is level 0, layer l reads level l and writes
level l + 1) is cut into panels, each `capacity` rows of `width` elements: element (r, j) stands at

    capacity · before + (j // width) · capacity · width + r · width + j % width

where `before` counts the columns of the levels before. Every level but the last carries a column
of ones after its true columns, which makes the biases part of the products; other padding is zero.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fastmlp.kernels.target import CACHE_LINE, PANEL_BYTES, lanes

__all__ = [
    "ACTIVATION",
    "FIELDS",
    "INPUTS",
    "INPUT_BEFORE",
    "INPUT_WIDTH",
    "OUTPUTS",
    "OUTPUT_BEFORE",
    "OUTPUT_WIDTH",
    "TRANSPOSED",
    "TRANSPOSED_ROW",
    "WEIGHTS",
    "WEIGHTS_ROW",
    "Sizes",
    "layout",
]

INPUTS: Final = 0  # true columns of the level that is read
OUTPUTS: Final = 1  # true columns of the level that is written
ACTIVATION: Final = 2  # code of the activation of the level that is written
WEIGHTS: Final = 3  # where the weights begin in the parameters
WEIGHTS_ROW: Final = 4  # elements from one row of weights to the next
TRANSPOSED: Final = 5  # where the transposed weights begin in their buffer (not for layer 0)
TRANSPOSED_ROW: Final = 6
INPUT_BEFORE: Final = 7  # columns of the levels before the one that is read
INPUT_WIDTH: Final = 8  # elements in a row of its panels
OUTPUT_BEFORE: Final = 9
OUTPUT_WIDTH: Final = 10
FIELDS: Final = 11


def _whole(columns: int, unit: int) -> int:
    return -(-columns // unit) * unit


def _row(columns: int, itemsize: int) -> int:
    """Return the row length for a matrix: whole vectors, and an odd number of cache lines.

    At an even number, above all at 4096 bytes, the rows of a strip share few cache sets.
    """
    length = _whole(columns, lanes(itemsize))
    line = CACHE_LINE // itemsize
    lines = -(-length // line)
    return (lines + 1) * line if lines > 3 and lines % 2 == 0 else length


# Fields of `source`, int64: what the data are, which the kernels see as bytes so that they are
# compiled once for all, and where sample r, feature j stands, in elements.
KIND: Final = 0
FIRST: Final = 1
ROW_STEP: Final = 2
COLUMN_STEP: Final = 3
UINT8: Final = 0  # kinds
FLOAT32: Final = 1
FLOAT64: Final = 2

# Fields of `settings`, int64.
RULE: Final = 0
LOSS: Final = 1
BATCH: Final = 2
BLOCK: Final = 3  # samples worked on together
CAPACITY: Final = 4  # rows of the workspace
PARTS: Final = 5  # shares of the work, one a thread
LEARN: Final = 6  # whether samples go back as well as forward
SCRATCH: Final = 7  # elements at the end of `gradient` that each part has for itself
SKIPS: Final = 8  # whether level 0 is held as entries, without its zeros
SPAN: Final = 9  # features that are worked on together where it is
REACH: Final = 10  # the most entries that one sample has in a span
GROUP: Final = 11  # features whose gradient is finished together; a span is whole groups
SEED: Final = 12  # of the epoch's dropout
CUTS: Final = 13  # whether threads share the columns of the first layer
SETTINGS: Final = 14
NO_LOSS: Final = -1  # for LOSS

# Phases of a step. ALL is the first three in one, where nobody waits for others' columns.
GATHER: Final = 0
FIRST_LAYER: Final = 1
REST: Final = 2
UPDATE_WEIGHTS: Final = 3
ALL: Final = 4
TRANSPOSE: Final = 5  # of the weights, before the first step

# Fields of `rates`, float64.
LEARNING_RATE: Final = 0
BETA_1: Final = 1  # or momentum
BETA_2: Final = 2
EPSILON: Final = 3
L2: Final = 4
WEIGHT_DECAY: Final = 5
INPUT_SCALE: Final = 6
DROPOUT: Final = 7  # share of hidden units that are left out of a step
RATES: Final = 8  # what follows are the loss's constants, one an output, or none

# Fields of `results`, `running` and `records`, float64: sums over samples.
LOSS_SUM: Final = 0
CORRECT: Final = 1
WEIGHT: Final = 2
PENALTY: Final = 3  # Σ w², only of `running`

# Fields of `progress`, int64, of an epoch.
POSITION: Final = 0  # samples that are done
UPDATES: Final = 1  # updates that these made
PROGRESS: Final = 2


class Sizes:
    """How many elements the buffers of a layout need."""

    def __init__(self, parameters: int, transposed: int, columns: int) -> None:
        self.parameters = parameters
        self.transposed = transposed
        self.columns = columns  # of activations or deltas, for each row of the capacity


def layout(
    sizes: list[int], activations: list[int], itemsize: int
) -> tuple[NDArray[np.int64], Sizes]:
    """Return the table that the kernels read, one row of FIELDS a layer, and the buffer sizes.

    sizes : units of each level, the input first. activations : codes, one a layer.
    """
    panel = PANEL_BYTES // itemsize
    table = np.zeros((len(sizes) - 1, FIELDS), np.int64)
    widths, befores, columns = [], [], 0
    for level, units in enumerate(sizes):
        if level == len(sizes) - 1:
            width = whole = _row(units, itemsize)
        else:
            panels = -(-(units + 1) // panel)
            width = _row(-(-(units + 1) // panels), itemsize)
            whole = _whole(units + 1, width)
        widths.append(width)
        befores.append(columns)
        columns += whole
    parameters = transposed = 0
    line = CACHE_LINE // itemsize
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        row = table[layer]
        row[INPUTS], row[OUTPUTS], row[ACTIVATION] = inputs, outputs, activations[layer]
        row[WEIGHTS], row[WEIGHTS_ROW] = parameters, _row(outputs, itemsize)
        parameters += _whole((inputs + 1) * int(row[WEIGHTS_ROW]), line)
        row[INPUT_BEFORE], row[INPUT_WIDTH] = befores[layer], widths[layer]
        row[OUTPUT_BEFORE], row[OUTPUT_WIDTH] = befores[layer + 1], widths[layer + 1]
        if layer > 0:
            row[TRANSPOSED], row[TRANSPOSED_ROW] = transposed, _row(inputs + 1, itemsize)
            transposed += _whole(outputs * int(row[TRANSPOSED_ROW]), line)
    return table, Sizes(parameters, transposed, columns)
