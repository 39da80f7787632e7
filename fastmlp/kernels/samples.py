"""The first half of a step: samples forward to their outputs, and their errors back.

`samples_part` is one thread's share of one of three phases: gather the rows of a block; the first
layer's product; all that follows, sample by sample: the other layers, loss and output delta, hidden
deltas back to level 1. Inference is the same without the way back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from fastmlp.kernels import frame as field
from fastmlp.kernels.activations import (
    activate,
    activate_keeping_slopes,
    drop_out,
    multiply,
    multiply_by_derivative,
    needs_slopes,
)
from fastmlp.kernels.dense import product
from fastmlp.kernels.entries import (
    element,
    forward_entries,
    gather_entries,
    scaled,
    transpose_entries,
)
from fastmlp.kernels.frame import matrix, vector
from fastmlp.kernels.layout import (
    ACTIVATION,
    ALL,
    CAPACITY,
    COLUMN_STEP,
    CORRECT,
    CUTS,
    DROPOUT,
    FIRST,
    FIRST_LAYER,
    FLOAT32,
    GATHER,
    INPUT_BEFORE,
    INPUT_SCALE,
    INPUT_WIDTH,
    INPUTS,
    KIND,
    LEARN,
    LOSS,
    LOSS_SUM,
    NO_LOSS,
    OUTPUT_BEFORE,
    OUTPUT_WIDTH,
    OUTPUTS,
    RATES,
    ROW_STEP,
    SEED,
    SKIPS,
    SPAN,
    TRANSPOSED,
    TRANSPOSED_ROW,
    UINT8,
    WEIGHT,
    WEIGHTS,
    WEIGHTS_ROW,
)
from fastmlp.kernels.losses import first_largest, loss_row, output_rows
from fastmlp.kernels.memory import element_of
from fastmlp.kernels.penalty import squares_of_block
from fastmlp.kernels.shares import share_of_columns, share_of_rows
from fastmlp.kernels.target import TILE_ROWS, VECTOR_BYTES, device
from fastmlp.kernels.tile import RESUME, STORE
from fastmlp.kernels.unit import Unit

__all__ = ["samples_part"]

Array = NDArray[Any]


@device
def gather_rows(
    x: Array, source: Array, indices: Array, row_starts: Array, order: Array, position: int,
    features: int, scale: float, activations: Array, width: int, capacity: int, top: int,
    bottom: int,
) -> None:  # fmt: skip
    """Write rows [top, bottom) of level 0: x[order[position + r]] · scale, in the compute dtype.

    x : (bytes,) uint8, read. order : (n,) int64, or empty for the rows as they stand.
    indices : int32, row_starts : int64, the columns of x and where its rows begin if it is sparse
    (CSR), else empty.
    """
    real = activations.dtype.type
    factor = real(scale)
    panels = features // width + 1
    for r in range(top, bottom):
        sample = order[position + r] if order.shape[0] > 0 else position + r
        first = source[FIRST] + sample * source[ROW_STEP]
        step = source[COLUMN_STEP]
        for panel in range(panels if row_starts.shape[0] > 0 else 0):
            at = (panel * capacity + r) * width
            activations[at : at + min(width, features - panel * width)] = real(0)
        for i in range(
            row_starts[sample] if row_starts.shape[0] > 0 else 0,
            row_starts[sample + 1] if row_starts.shape[0] > 0 else 0,
        ):
            j = indices[i]
            at = (j // width * capacity + r) * width + j % width
            activations[at] = scaled(real(element(source[KIND], x, i)), factor)
        for panel in range(panels if row_starts.shape[0] == 0 else 0):
            count = min(width, features - panel * width)
            at = (panel * capacity + r) * width
            out = activations[at : at + count]
            start = first + panel * width * step
            if step != 1:
                for j in range(count):
                    out[j] = scaled(real(element(source[KIND], x, start + j * step)), factor)
            elif source[KIND] == UINT8:
                pixels = x[start : start + count]
                for j in range(count):
                    out[j] = real(pixels[j]) * factor
            elif source[KIND] == FLOAT32:
                for j in range(count):
                    out[j] = scaled(real(element_of(x, start + j, np.float32)), factor)
            else:
                for j in range(count):
                    out[j] = scaled(real(element_of(x, start + j, np.float64)), factor)
        activations[(features // width * capacity + r) * width + features % width] = real(1)


@device
def forward_layer(
    table: Array, layer: int, parameters: Array, activations: Array, capacity: int,
    first_vector: int, end_vector: int, top: int, bottom: int,
) -> None:  # fmt: skip
    """Compute the products of a layer for rows [top, bottom), in a range of vectors of columns.

    activations : (capacity · columns,), the layer's input level read, its output level written.
    """
    lanes = VECTOR_BYTES // activations.itemsize
    real = activations.dtype.type
    rows, one = bottom - top, np.int64(1)  # a literal would compile `product` once more
    depth, row = table[layer, INPUTS] + 1, table[layer, WEIGHTS_ROW]
    in_width, out_width = table[layer, INPUT_WIDTH], table[layer, OUTPUT_WIDTH]
    j = first_vector * lanes
    while j < end_vector * lanes:
        panel = j // out_width
        end = min(end_vector * lanes, (panel + 1) * out_width)
        c_at = (
            capacity * (table[layer, OUTPUT_BEFORE] + panel * out_width)
            + top * out_width + j - panel * out_width
        )  # fmt: skip
        for k in range(0, depth, in_width):
            product(
                activations, capacity * (table[layer, INPUT_BEFORE] + k) + top * in_width,
                in_width, one, parameters, table[layer, WEIGHTS] + k * row + j, row,
                min(in_width, depth - k), activations, c_at, out_width, rows, end - j,
                RESUME if k > 0 else STORE, real(0),
            )  # fmt: skip
        j = end


@device
def vectors_of_layer(table: Array, layer: int, itemsize: int) -> int:
    """Return how many vectors a layer's outputs fill."""
    lanes = VECTOR_BYTES // itemsize
    vectors: int = (table[layer, OUTPUTS] + lanes - 1) // lanes
    return vectors


@device
def forward_rows(
    table: Array, parameters: Array, activations: Array, capacity: int, top: int, bottom: int,
    deltas: Array, slopes_at: int, dropout: float, seed: int, position: int,
) -> None:  # fmt: skip
    """Compute all levels of rows [top, bottom) from the first layer's products on.

    activations : (capacity · columns,), level 1 completed, those after it written. The last level
    gets its logits.
    deltas : written from `slopes_at` on, unless that is negative, where an activation needs slopes
        or there is dropout. Row r is sample position + r of the epoch.
    """
    real = activations.dtype.type
    rows, layers, itemsize = bottom - top, table.shape[0], activations.itemsize
    for layer in range(layers - 1):
        outputs, width = table[layer, OUTPUTS], table[layer, OUTPUT_WIDTH]
        for j in range(0, outputs + 1, width):
            at = capacity * (table[layer, OUTPUT_BEFORE] + j) + top * width
            code = table[layer, ACTIVATION]
            values = activations[at : at + rows * width]
            if slopes_at < 0 or not (dropout > 0.0 or needs_slopes(code)):
                activate(code, values)
                continue
            s_at = slopes_at + at - capacity * table[0, OUTPUT_BEFORE]
            slopes = deltas[s_at : s_at + rows * width]
            activate_keeping_slopes(code, values, slopes)
            for r in range(rows if dropout > 0.0 else 0):
                drop_out(
                    values[r * width : (r + 1) * width], slopes[r * width : (r + 1) * width],
                    dropout, seed, position + top + r, (layer << 32) + j,
                )  # fmt: skip
        # Activation of padding need not be zero, and a padded unit that is not is a bias.
        first = outputs % width
        at = capacity * (table[layer, OUTPUT_BEFORE] + outputs - first) + top * width
        for r in range(rows):
            padding = activations[at + r * width + first : at + (r + 1) * width]
            padding[0] = real(1)
            for j in range(1, padding.shape[0]):
                padding[j] = real(0)
        forward_layer(
            table, layer + 1, parameters, activations, capacity, np.int64(0),
            vectors_of_layer(table, layer + 1, itemsize), top, bottom,
        )  # fmt: skip


@device
def loss_rows(
    table: Array, activations: Array, deltas: Array, capacity: int, loss: int, order: Array,
    position: int, labels: Array, targets: Array, constants: Array, sample_weight: Array,
    total: float, results: Array, top: int, bottom: int,
) -> None:  # fmt: skip
    """Turn logits into outputs, and write delta, loss and correctness of rows [top, bottom).

    results : (capacity, 3) float64, written: weighted loss, weighted correctness, weight.
    """
    last = table.shape[0] - 1
    outputs, width = table[last, OUTPUTS], table[last, OUTPUT_WIDTH]
    activation, rows = table[last, ACTIVATION], bottom - top
    at = capacity * table[last, OUTPUT_BEFORE] + top * width
    values = activations[at : at + rows * width]
    at -= capacity * table[0, OUTPUT_BEFORE]
    logits = deltas[at : at + rows * width]
    output_rows(activation, values, logits, width, outputs)
    for i in range(rows):
        r = top + i
        sample = order[position + r] if order.shape[0] > 0 else position + r
        weight = sample_weight[sample] if sample_weight.shape[0] > 0 else 1.0
        label = labels[sample] if labels.shape[0] > 0 else -1
        row = values[i * width : (i + 1) * width]
        delta = logits[i * width : (i + 1) * width]
        scale = weight / total if total > 0.0 else 0.0
        best = first_largest(row, outputs)
        value = loss_row(
            loss, activation, row, delta, outputs, best, label, targets, sample, constants, scale
        )
        # One output is a class if it reaches one half.
        right = (row[0] >= 0.5) == (label == 1) if outputs == 1 else best == label
        # A row of weight zero must not count even if its loss is infinite.
        results[r, LOSS_SUM] = weight * value if weight > 0.0 else 0.0
        results[r, CORRECT] = weight if right else 0.0
        results[r, WEIGHT] = weight


@device
def backward_rows(
    table: Array, transposed: Array, activations: Array, deltas: Array, capacity: int, top: int,
    bottom: int, slopes_at: int, dropout: float,
) -> None:  # fmt: skip
    """Carry delta from the last level back to level 1, for rows [top, bottom).

    deltas : (capacity · columns from level 1 on,), last level read, the others written; the slopes
        that `forward_rows` kept are read from `slopes_at` on.
    """
    lanes = VECTOR_BYTES // activations.itemsize
    real = activations.dtype.type
    rows, one = bottom - top, np.int64(1)  # a literal would compile `product` once more
    skipped = table[0, OUTPUT_BEFORE]
    for layer in range(table.shape[0] - 1, 0, -1):
        inputs, outputs = table[layer, INPUTS], table[layer, OUTPUTS]
        row = table[layer, TRANSPOSED_ROW]
        in_width, out_width = table[layer, INPUT_WIDTH], table[layer, OUTPUT_WIDTH]
        whole = (inputs + lanes - 1) // lanes * lanes
        for j in range(0, inputs, in_width):
            level = table[layer, INPUT_BEFORE] + j
            c_at = capacity * (level - skipped) + top * in_width
            for k in range(0, outputs, out_width):
                product(
                    deltas,
                    capacity * (table[layer, OUTPUT_BEFORE] - skipped + k) + top * out_width,
                    out_width, one,
                    transposed, table[layer, TRANSPOSED] + k * row + j, row,
                    min(out_width, outputs - k),
                    deltas, c_at, in_width, rows, min(in_width, whole - j),
                    RESUME if k > 0 else STORE, real(0),
                )  # fmt: skip
            code = table[layer - 1, ACTIVATION]
            delta = deltas[c_at : c_at + rows * in_width]
            if dropout > 0.0 or needs_slopes(code):
                s_at = slopes_at + c_at
                multiply(deltas[s_at : s_at + rows * in_width], delta)
            else:
                a_at = capacity * level + top * in_width
                multiply_by_derivative(code, activations[a_at : a_at + rows * in_width], delta)


def _samples_part(
    real: Any, frame: Array, phase: int, position: int, top: int, bottom: int, total: float,
    part: int, parts: int, penalised: int,
) -> None:  # fmt: skip
    """Do one part of `parts` of a phase for rows [top, bottom) of the workspace.

    Row r of it holds sample `position` + r of the order; `top` is a multiple of TILE_ROWS. The part
    takes its share of these rows, in FIRST_LAYER its share of columns if CUTS is set.

    `total` is the weight of the batch. If `penalised`, this part's share of Σ w² is taken besides.
    """
    table, settings = matrix(frame, field.TABLE, np.int64), vector(frame, field.SETTINGS, np.int64)
    rates, order = vector(frame, field.RATES, np.float64), vector(frame, field.ORDER, np.int64)
    parameters = vector(frame, field.PARAMETERS, real)
    activations, deltas = vector(frame, field.ACTIVATIONS, real), vector(frame, field.DELTAS, real)
    values, columns = vector(frame, field.VALUES, real), vector(frame, field.COLUMNS, np.int32)
    bounds = vector(frame, field.BOUNDS, np.int64)
    capacity, skips = settings[CAPACITY], settings[SKIPS] != 0
    first_vector, end_vector = np.int64(0), vectors_of_layer(table, 0, activations.itemsize)
    low, high = top, bottom
    if phase == FIRST_LAYER and settings[CUTS] != 0:
        first_vector, end_vector = share_of_columns(end_vector, part, parts)
    else:
        low, high = share_of_rows(bottom - top, part, parts)
        low, high = top + low, top + high
    end_of_tiles = low + (high - low + TILE_ROWS - 1) // TILE_ROWS * TILE_ROWS
    if phase in (GATHER, ALL):
        x, source = vector(frame, field.X, np.uint8), vector(frame, field.SOURCE, np.int64)
        indices = vector(frame, field.INDICES, np.int32)
        row_starts = vector(frame, field.ROW_STARTS, np.int64)
        if skips:
            gather_entries(
                x, source, indices, row_starts, order, position, table[0, INPUTS],
                rates[INPUT_SCALE], values, columns, bounds, settings, low, high,
            )  # fmt: skip
        else:
            gather_rows(
                x, source, indices, row_starts, order, position, table[0, INPUTS],
                rates[INPUT_SCALE], activations, table[0, INPUT_WIDTH], capacity, low, high,
            )  # fmt: skip
    if phase in (FIRST_LAYER, ALL):
        if skips:
            forward_entries(
                table, parameters, activations, values, columns, bounds, settings, first_vector,
                end_vector, low, high,
            )  # fmt: skip
        else:
            forward_layer(
                table, np.int64(0), parameters, activations, capacity, first_vector, end_vector,
                low, end_of_tiles,
            )  # fmt: skip
    if phase in (GATHER, FIRST_LAYER):
        return
    if penalised != 0:
        squares = vector(frame, field.SQUARES, np.float64)
        for index in range(part, squares.shape[0], parts):
            squares[index] = squares_of_block(table, parameters, index)
    if skips and settings[LEARN]:
        spans = table[0, INPUTS] // settings[SPAN] + 1
        transpose_entries(
            table, values, columns, bounds, settings, bottom, part * spans // parts,
            (part + 1) * spans // parts,
        )  # fmt: skip
    last, dropout = table.shape[0] - 1, rates[DROPOUT]
    units = table[last, OUTPUT_BEFORE] + table[last, OUTPUT_WIDTH] - table[0, OUTPUT_BEFORE]
    slopes_at = capacity * units if settings[LEARN] else np.int64(-1)
    forward_rows(
        table, parameters, activations, capacity, low, end_of_tiles, deltas, slopes_at, dropout,
        settings[SEED], position,
    )  # fmt: skip
    if settings[LOSS] != NO_LOSS:
        loss_rows(
            table, activations, deltas, capacity, settings[LOSS], order, position,
            vector(frame, field.LABELS, np.int64), matrix(frame, field.TARGETS, real),
            rates[RATES:], vector(frame, field.SAMPLE_WEIGHT, np.float64), total,
            matrix(frame, field.RESULTS, np.float64), low, high,
        )  # fmt: skip
    if settings[LEARN]:
        backward_rows(
            table, vector(frame, field.TRANSPOSED, real), activations, deltas, capacity, low,
            end_of_tiles, slopes_at, dropout,
        )  # fmt: skip
        return
    out = matrix(frame, field.OUT, real)
    outputs, width = table[last, OUTPUTS], table[last, OUTPUT_WIDTH]
    level = capacity * table[last, OUTPUT_BEFORE]
    if settings[LOSS] == NO_LOSS:
        values = activations[level + low * width : level + high * width]
        output_rows(table[last, ACTIVATION], values, values[:0], width, outputs)
    for r in range(low, high):
        row = activations[level + r * width : level + (r + 1) * width]
        if out.shape[0] > 0:
            for j in range(outputs):
                out[position + r, j] = row[j]


samples_part = Unit(
    _samples_part, types.int64[::1], types.int64, types.int64, types.int64, types.int64,
    types.float64, types.int64, types.int64, types.int64,
)  # fmt: skip
