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
    SCRATCH,
    TRANSPOSED,
    TRANSPOSED_ROW,
    WEIGHT_DECAY,
    WEIGHTS,
    WEIGHTS_ROW,
)
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
def gradient_rows(
    table: Array, layer: int, activations: Array, deltas: Array, capacity: int, rows: int,
    top: int, bottom: int, out: Array, out_at: int, mode: int, alpha: float,
) -> None:  # fmt: skip
    """Compute the gradient of rows [top, bottom) of a layer's weights over `rows` samples.

    activations, deltas : read. out : written by `mode` as `product` does; the rows stand from
    `out_at` on, spaced as the layer's weights.
    """
    lanes = VECTOR_BYTES // activations.itemsize
    one = np.int64(1)  # a variable: a literal would compile `product` once more
    row = table[layer, WEIGHTS_ROW]
    in_width, out_width = table[layer, INPUT_WIDTH], table[layer, OUTPUT_WIDTH]
    whole = (table[layer, OUTPUTS] + lanes - 1) // lanes * lanes
    for k in range(top // in_width * in_width, bottom, in_width):
        f_top, f_bottom = max(top, k), min(bottom, k + in_width)
        a_at = capacity * (table[layer, INPUT_BEFORE] + k) + f_top - k
        for j in range(0, whole, out_width):
            b_at = capacity * (table[layer, OUTPUT_BEFORE] - table[0, OUTPUT_BEFORE] + j)
            product(
                activations, a_at, one, in_width, deltas, b_at, out_width, rows,
                out, out_at + (f_top - top) * row + j, row, f_bottom - f_top,
                min(out_width, whole - j), mode, alpha,
            )  # fmt: skip


@device
def apply_rows(
    table: Array, layer: int, parameters: Array, state_1: Array, state_2: Array, rule: int,
    rate: float, rates: Array, l2: float, top: int, bottom: int, gradient: Array, gradient_at: int,
) -> None:  # fmt: skip
    """Apply the update rule to rows [top, bottom) of a layer's weights; biases do not decay.

    gradient : read from `gradient_at` on, spaced as the layer's weights.
    """
    row = table[layer, WEIGHTS_ROW]
    shrink = rates[LEARNING_RATE] * rates[WEIGHT_DECAY]
    biases = table[layer, INPUTS]
    for is_bias in range(2):
        first = max(top, biases) if is_bias else top
        last = bottom if is_bias else min(bottom, biases)
        if first < last:
            low = table[layer, WEIGHTS] + first * row
            high = low + (last - first) * row
            at = gradient_at + (first - top) * row
            apply_update(
                rule, rate, rates[BETA_1], rates[BETA_2], rates[EPSILON], 0.0 if is_bias else l2,
                0.0 if is_bias else shrink, gradient[at : at + high - low], parameters[low:high],
                state_1[low:high], state_2[low:high],
            )  # fmt: skip


@device
def update_rows(
    table: Array, layer: int, parameters: Array, transposed: Array, gradient: Array,
    scratch_at: int, state_1: Array, state_2: Array, activations: Array, deltas: Array,
    capacity: int, rows: int, starts: bool, ends: bool, rule: int, rate: float, rates: Array,
    l2: float, top: int, bottom: int,
) -> None:  # fmt: skip
    """Compute the gradient of rows [top, bottom) of a layer's weights and apply the update rule.

    Where the batch spans blocks or the rule is NONE, `gradient` is laid out as the parameters and
    holds the sum over blocks. Else a few rows at a time go through it at `scratch_at`, or, for
    plain gradient descent, straight from registers into the parameters.
    """
    real = activations.dtype.type
    weights, row = table[layer, WEIGHTS], table[layer, WEIGHTS_ROW]
    if rule == NONE or not (starts and ends):
        gradient_rows(
            table, layer, activations, deltas, capacity, rows, top, bottom, gradient,
            weights + top * row, STORE if starts else RESUME, real(0),
        )  # fmt: skip
        if rule == NONE or not ends:
            return
        apply_rows(
            table, layer, parameters, state_1, state_2, rule, rate, rates, l2, top, bottom,
            gradient, weights + top * row,
        )  # fmt: skip
    elif rule == SGD and l2 == 0.0 and rates[WEIGHT_DECAY] == 0.0:
        gradient_rows(
            table, layer, activations, deltas, capacity, rows, top, bottom, parameters,
            weights + top * row, np.int64(UPDATE), real(-rate),
        )  # fmt: skip
    else:
        whole = table[layer, OUTPUTS]
        for f in range(SCRATCH_ROWS):  # another layer's rows were shorter or longer
            for j in range(whole, row):
                gradient[scratch_at + f * row + j] = real(0)
        for f in range(top, bottom, SCRATCH_ROWS):
            end = min(bottom, f + SCRATCH_ROWS)
            gradient_rows(
                table, layer, activations, deltas, capacity, rows, f, end, gradient, scratch_at,
                np.int64(STORE), real(0),
            )  # fmt: skip
            apply_rows(
                table, layer, parameters, state_1, state_2, rule, rate, rates, l2, f, end,
                gradient, scratch_at,
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
                table, layer, parameters, transposed, gradient,
                gradient.shape[0] - (part + 1) * settings[SCRATCH], state_1, state_2,
                activations, deltas, settings[CAPACITY], rows, starts, ends, settings[RULE], rate,
                rates, l2, top, bottom,
            )  # fmt: skip


def _signature(real: Any) -> tuple[Any, ...]:
    vector = real[::1]
    return (
        types.int64[:, ::1], *[vector] * 7, types.int64[::1], types.float64[::1], types.int64,
        types.boolean, types.boolean, types.float64, types.float64, types.int64,
    )  # fmt: skip


weights_part = Unit(_weights_part, _signature)
