"""The second half of a step: gradients of rows of weights, and what the update rule makes of them.

`weights_part` is one thread's share of every layer's rows of weights. The gradient of a few rows
at a time is computed over all samples of the block and used while it is in cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from fastmlp.kernels.dense import product
from fastmlp.kernels.layout import (
    BETA_1,
    BETA_2,
    CAPACITY,
    EPSILON,
    INPUT_BEFORE,
    INPUT_WIDTH,
    INPUTS,
    LEARNING_RATE,
    OUTPUT_BEFORE,
    OUTPUT_WIDTH,
    OUTPUTS,
    PARTS,
    RULE,
    TRANSPOSED,
    TRANSPOSED_ROW,
    WEIGHT_DECAY,
    WEIGHTS,
    WEIGHTS_ROW,
)
from fastmlp.kernels.memory import scratch_like
from fastmlp.kernels.target import SCRATCH_ROWS, TILE_ROWS, VECTOR_BYTES, device
from fastmlp.kernels.tile import RESUME, STORE, UPDATE
from fastmlp.kernels.unit import Unit
from fastmlp.kernels.updates import NONE, SGD, apply_update

__all__ = ["transpose_rows", "weights_part"]

Array = NDArray[Any]


@device
def transpose_rows(
    table: Array, layer: int, parameters: Array, transposed: Array, top: int, bottom: int
) -> None:
    """Copy rows [top, bottom) of a layer's weights into columns of its transposed weights."""
    outputs, row = table[layer, OUTPUTS], table[layer, WEIGHTS_ROW]
    to = table[layer, TRANSPOSED_ROW]
    for block in range(top, min(bottom, table[layer, INPUTS]), TILE_ROWS):
        end = min(block + TILE_ROWS, bottom, table[layer, INPUTS])
        for j in range(outputs):
            at = table[layer, TRANSPOSED] + j * to
            for f in range(block, end):
                transposed[at + f] = parameters[table[layer, WEIGHTS] + f * row + j]


@device
def update_rows(
    table: Array, layer: int, parameters: Array, transposed: Array, gradient: Array,
    state_1: Array, state_2: Array, activations: Array, deltas: Array, capacity: int, rows: int,
    starts: bool, ends: bool, rule: int, rate: float, rates: Array, l2: float, top: int,
    bottom: int,
) -> None:  # fmt: skip
    """Compute the gradient of rows [top, bottom) of a layer's weights and apply the update rule.

    The gradient goes to `gradient` where the batch spans blocks or the rule is NONE, else through
    scratch memory or, for plain gradient descent, straight from registers into the parameters.
    """
    lanes = VECTOR_BYTES // activations.itemsize
    real = activations.dtype.type
    one = np.int64(1)  # a variable: a literal would compile `product` once more
    inputs, outputs = table[layer, INPUTS], table[layer, OUTPUTS]
    weights, row = table[layer, WEIGHTS], table[layer, WEIGHTS_ROW]
    in_width, out_width = table[layer, INPUT_WIDTH], table[layer, OUTPUT_WIDTH]
    whole = (outputs + lanes - 1) // lanes * lanes
    beta_1, beta_2, epsilon = rates[BETA_1], rates[BETA_2], rates[EPSILON]
    shrink = rates[LEARNING_RATE] * rates[WEIGHT_DECAY]
    stored = rule == NONE or not (starts and ends)
    plain = rule == SGD and l2 == 0.0 and shrink == 0.0
    scratch = scratch_like(activations)
    for k in range(top // in_width * in_width, bottom, in_width):
        f_top, f_bottom = max(top, k), min(bottom, k + in_width)
        for j in range(0, whole, out_width):
            columns = min(out_width, whole - j)
            b_at = capacity * (table[layer, OUTPUT_BEFORE] - table[0, OUTPUT_BEFORE] + j)
            a_at = capacity * (table[layer, INPUT_BEFORE] + k) - k
            if stored:
                product(
                    activations, a_at + f_top, one, in_width, deltas, b_at, out_width, rows,
                    gradient, weights + f_top * row + j, row, f_bottom - f_top, columns,
                    STORE if starts else RESUME, real(0),
                )  # fmt: skip
            elif plain:
                product(
                    activations, a_at + f_top, one, in_width, deltas, b_at, out_width, rows,
                    parameters, weights + f_top * row + j, row, f_bottom - f_top, columns,
                    np.int64(UPDATE), real(-rate),
                )  # fmt: skip
            else:
                for f in range(f_top, f_bottom, SCRATCH_ROWS):
                    count = min(SCRATCH_ROWS, f_bottom - f)
                    # The scratch holds SCRATCH_ROWS panels; a wider last level takes turns.
                    span = scratch.shape[0] // SCRATCH_ROWS
                    for left in range(0, columns, span):
                        width = min(span, columns - left)
                        product(
                            activations, a_at + f, one, in_width, deltas, b_at + left, out_width,
                            rows, scratch, np.int64(0), width, count, width, np.int64(STORE), real(0),
                        )  # fmt: skip
                        for i in range(count):
                            at = weights + (f + i) * row + j + left
                            is_bias = f + i == inputs
                            apply_update(
                                rule, rate, beta_1, beta_2, epsilon, 0.0 if is_bias else l2,
                                0.0 if is_bias else shrink,
                                scratch[i * width : (i + 1) * width],
                                parameters[at : at + width], state_1[at : at + width],
                                state_2[at : at + width],
                            )  # fmt: skip
    if rule == NONE or not ends:
        return
    if stored:
        for is_bias in range(2):
            f_top = max(top, inputs) if is_bias else top
            f_bottom = bottom if is_bias else min(bottom, inputs)
            low, high = weights + f_top * row, weights + f_bottom * row
            if low < high:
                apply_update(
                    rule, rate, beta_1, beta_2, epsilon, 0.0 if is_bias else l2,
                    0.0 if is_bias else shrink, gradient[low:high], parameters[low:high],
                    state_1[low:high], state_2[low:high],
                )  # fmt: skip
    if layer > 0:
        transpose_rows(table, layer, parameters, transposed, top, bottom)


def _weights_part(
    table: Array, parameters: Array, transposed: Array, gradient: Array, state_1: Array,
    state_2: Array, activations: Array, deltas: Array, settings: Array, rates: Array, rows: int,
    starts: bool, ends: bool, rate: float, l2: float, part: int,
) -> None:  # fmt: skip
    """Update one part's rows of every layer's weights; arguments as for `step.train`.

    `starts` and `ends` tell whether the block is the first and the last of its batch.
    """
    parts = settings[PARTS]
    for layer in range(table.shape[0]):
        tiles = (table[layer, INPUTS] + TILE_ROWS) // TILE_ROWS
        top = part * tiles // parts * TILE_ROWS
        bottom = min((part + 1) * tiles // parts * TILE_ROWS, table[layer, INPUTS] + 1)
        if top < bottom:
            update_rows(
                table, layer, parameters, transposed, gradient, state_1, state_2, activations,
                deltas, settings[CAPACITY], rows, starts, ends, settings[RULE], rate, rates, l2,
                top, bottom,
            )  # fmt: skip


def _signature(real: Any) -> tuple[Any, ...]:
    vector = real[::1]
    return (
        types.int64[:, ::1], *[vector] * 7, types.int64[::1], types.float64[::1], types.int64,
        types.boolean, types.boolean, types.float64, types.float64, types.int64,
    )  # fmt: skip


weights_part = Unit(_weights_part, _signature)
