"""The second half of a step: gradients of rows of weights, and what the update rule makes of them.

`weights_part` is one thread's share of every layer's rows of weights. The gradient of a few rows
at a time is computed over all samples of the block and used while it is in cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from fastmlp.kernels import frame as field
from fastmlp.kernels.dense import product
from fastmlp.kernels.entries import gradient_of_entries
from fastmlp.kernels.frame import matrix, vector
from fastmlp.kernels.layout import (
    BETA_1,
    BETA_2,
    CAPACITY,
    EPSILON,
    GROUP,
    INPUT_BEFORE,
    INPUT_WIDTH,
    INPUTS,
    LEARNING_RATE,
    OUTPUT_BEFORE,
    OUTPUT_WIDTH,
    OUTPUTS,
    RULE,
    SCRATCH,
    SKIPS,
    TRANSPOSE,
    TRANSPOSED,
    TRANSPOSED_ROW,
    WEIGHT_DECAY,
    WEIGHTS,
    WEIGHTS_ROW,
)
from fastmlp.kernels.shares import share_of_rows, share_of_units
from fastmlp.kernels.target import CACHE_LINE, SCRATCH_ROWS, TILE_ROWS, VECTOR_BYTES, device
from fastmlp.kernels.tile import RESUME, STORE, UPDATE
from fastmlp.kernels.unit import Unit
from fastmlp.kernels.updates import NONE, SGD, apply_update

__all__ = ["weights_part"]

Array = NDArray[Any]


@device
def transpose_rows(
    table: Array, layer: int, parameters: Array, transposed: Array, top: int, bottom: int,
    left: int, right: int,
) -> None:  # fmt: skip
    """Copy a layer's weights in rows [top, bottom), columns [left, right) to their transpose.

    A square of cache lines at a time: rows of large matrices are pages apart.
    """
    side = CACHE_LINE // parameters.itemsize
    bottom, right = min(bottom, table[layer, INPUTS]), min(right, table[layer, OUTPUTS])
    # Unsigned, else every index is looked at for whether it counts from the end.
    row, to = np.uintp(table[layer, WEIGHTS_ROW]), np.uintp(table[layer, TRANSPOSED_ROW])
    weights_at, transposed_at = table[layer, WEIGHTS], table[layer, TRANSPOSED]
    for f_top in range(top, bottom, side):
        f_bottom = min(f_top + side, bottom)
        for j_left in range(left, right, side):
            for j in range(j_left, min(j_left + side, right)):
                column, line = np.uintp(weights_at + j), np.uintp(transposed_at) + np.uintp(j) * to
                for f in range(np.uintp(f_top), np.uintp(f_bottom)):
                    transposed[line + f] = parameters[column + f * row]


@device
def gradient_rows(
    table: Array, layer: int, activations: Array, deltas: Array, capacity: int, rows: int,
    top: int, bottom: int, panel: int, out: Array, out_at: int, out_row: int, mode: int,
    alpha: float,
) -> None:  # fmt: skip
    """Compute the gradient of rows [top, bottom) of a layer's weights over `rows` samples.

    Only the columns of one panel. activations, deltas : read. out : written by `mode` as `product`
    does; the rows stand from `out_at` on, `out_row` elements apart.
    """
    one = np.int64(1)  # a variable: a literal would compile `product` once more
    in_width, out_width = table[layer, INPUT_WIDTH], table[layer, OUTPUT_WIDTH]
    before = table[layer, OUTPUT_BEFORE] - table[0, OUTPUT_BEFORE] + panel * out_width
    columns = columns_of_panel(table, layer, panel, activations.itemsize)
    for k in range(top // in_width * in_width, bottom, in_width):
        f_top, f_bottom = max(top, k), min(bottom, k + in_width)
        a_at = capacity * (table[layer, INPUT_BEFORE] + k) + f_top - k
        product(
            activations, a_at, one, in_width, deltas, capacity * before, out_width, rows,
            out, out_at + (f_top - top) * out_row, out_row, f_bottom - f_top, columns, mode, alpha,
        )  # fmt: skip


@device
def columns_of_panel(table: Array, layer: int, panel: int, itemsize: int) -> int:
    """Return how many columns of whole vectors a panel of a layer's outputs has."""
    lanes = VECTOR_BYTES // itemsize
    width = table[layer, OUTPUT_WIDTH]
    whole = (table[layer, OUTPUTS] + lanes - 1) // lanes * lanes
    columns: int = min(width, whole - panel * width)
    return columns


@device
def apply_rows(
    table: Array, layer: int, parameters: Array, state_1: Array, state_2: Array, rule: int,
    rate: float, rates: Array, l2: float, top: int, bottom: int, panel: int, columns: int,
    gradient: Array, gradient_at: int, gradient_row: int,
) -> None:  # fmt: skip
    """Apply the update rule to one panel of rows [top, bottom) of a layer; biases do not decay.

    gradient : read from `gradient_at` on, its rows `gradient_row` elements apart.
    """
    row = table[layer, WEIGHTS_ROW]
    shrink = rates[LEARNING_RATE] * rates[WEIGHT_DECAY]
    biases = table[layer, INPUTS]
    for is_bias in range(2):
        first = max(top, biases) if is_bias else top
        last = bottom if is_bias else min(bottom, biases)
        if first < last:
            apply_update(
                rule, rate, rates[BETA_1], rates[BETA_2], rates[EPSILON], 0.0 if is_bias else l2,
                0.0 if is_bias else shrink, last - first, columns, gradient,
                gradient_at + (first - top) * gradient_row, gradient_row, parameters,
                table[layer, WEIGHTS] + first * row + panel * table[layer, OUTPUT_WIDTH], row,
                state_1, state_2,
            )  # fmt: skip


@device
def update_rows(
    table: Array, layer: int, parameters: Array, gradient: Array, scratch_at: int, state_1: Array,
    state_2: Array, activations: Array, deltas: Array, values: Array, numbers: Array,
    bounds: Array, settings: Array, rows: int, starts: bool, ends: bool, rule: int, rate: float,
    rates: Array, l2: float, top: int, bottom: int, panel: int,
) -> None:  # fmt: skip
    """Compute the gradient of rows [top, bottom) of a panel of weights and apply the update rule.

    Where the batch spans blocks or the rule is NONE, `gradient` is laid out as the parameters and
    holds the sum over blocks. Else a few rows at a time go through it at `scratch_at`, or, for
    plain gradient descent, straight from registers into the parameters.
    """
    real = activations.dtype.type
    row, capacity = table[layer, WEIGHTS_ROW], settings[CAPACITY]
    columns = columns_of_panel(table, layer, panel, activations.itemsize)
    skips = layer == 0 and settings[SKIPS] != 0
    spans_blocks = rule == NONE or not (starts and ends)
    direct = rule == SGD and l2 == 0.0 and rates[WEIGHT_DECAY] == 0.0
    # Where the gradient goes: rows below one another as far as it has a place of its own.
    many = SCRATCH_ROWS if not (spans_blocks or direct) else bottom - top
    if skips:
        many = settings[GROUP]
    for f in range(top, bottom, many):
        end = min(bottom, f + many)
        at = table[layer, WEIGHTS] + f * row + panel * table[layer, OUTPUT_WIDTH]
        if spans_blocks:
            out, out_row, mode = gradient, row, np.int64(STORE if starts else RESUME)
        elif direct:
            out, out_row, mode = parameters, row, np.int64(UPDATE)
        else:
            out, out_row, mode = gradient, columns, np.int64(STORE)
            at = scratch_at
        if skips:
            gradient_of_entries(
                table, values, numbers, bounds, deltas, settings, f // many, panel, out,
                at, out_row, mode, real(-rate),
            )  # fmt: skip
        else:
            gradient_rows(
                table, layer, activations, deltas, capacity, rows, f, end, panel, out, at,
                out_row, mode, real(-rate),
            )  # fmt: skip
        if rule != NONE and ends and not (direct and not spans_blocks):
            apply_rows(
                table, layer, parameters, state_1, state_2, rule, rate, rates, l2, f, end, panel,
                columns, out, at, out_row,
            )  # fmt: skip


def _weights_part(
    real: Any, frame: Array, phase: int, rows: int, starts: bool, ends: bool, rate: float,
    l2: float, part: int, parts: int,
) -> None:  # fmt: skip
    """Update one part's share of every layer's weights, from `rows` samples of the workspace.

    `starts` and `ends` tell whether the block is the first and the last of its batch. In phase
    TRANSPOSE only the transposes are made.
    """
    table, settings = matrix(frame, field.TABLE, np.int64), vector(frame, field.SETTINGS, np.int64)
    parameters, transposed = (
        vector(frame, field.PARAMETERS, real),
        vector(frame, field.TRANSPOSED, real),
    )
    if phase == TRANSPOSE:
        for layer in range(1, table.shape[0]):
            low, high = share_of_rows(table[layer, INPUTS], part, parts)
            transpose_rows(
                table, layer, parameters, transposed, low, high, np.int64(0), table[layer, OUTPUTS]
            )
        return
    gradient, rates = vector(frame, field.GRADIENT, real), vector(frame, field.RATES, np.float64)
    state_1, state_2 = vector(frame, field.STATE_1, real), vector(frame, field.STATE_2, real)
    activations, deltas = vector(frame, field.ACTIVATIONS, real), vector(frame, field.DELTAS, real)
    values, numbers = vector(frame, field.VALUES, real), vector(frame, field.COLUMNS, np.int32)
    bounds = vector(frame, field.BOUNDS, np.int64)
    for layer in range(table.shape[0]):
        inputs, width = table[layer, INPUTS] + 1, table[layer, OUTPUT_WIDTH]
        unit = settings[GROUP] if layer == 0 and settings[SKIPS] != 0 else TILE_ROWS
        units = (inputs + unit - 1) // unit
        panels = (table[layer, OUTPUTS] + width - 1) // width
        whole = (panels - 1) * width + columns_of_panel(
            table, layer, panels - 1, activations.itemsize
        )
        for panel in range(panels):
            columns = columns_of_panel(table, layer, panel, activations.itemsize)
            top, bottom = share_of_units(
                units, columns, panel * width * units, whole * units, part, parts
            )
            top, bottom = top * unit, min(bottom * unit, inputs)
            if top < bottom:
                update_rows(
                    table, layer, parameters, gradient,
                    gradient.shape[0] - (part + 1) * settings[SCRATCH], state_1, state_2,
                    activations, deltas, values, numbers, bounds, settings, rows, starts, ends,
                    settings[RULE], rate, rates, l2, top, bottom, panel,
                )  # fmt: skip
                if layer > 0 and ends and settings[RULE] != NONE:
                    left = panel * width
                    transpose_rows(
                        table, layer, parameters, transposed, top, bottom, left, left + columns
                    )


weights_part = Unit(
    _weights_part, types.int64[::1], types.int64, types.int64, types.boolean, types.boolean,
    types.float64, types.float64, types.int64, types.int64,
)  # fmt: skip
