"""The first half of a step: samples forward to their outputs, and their errors back.

`samples_part` is one thread's share of a block of samples: gather the rows, all layers forward,
loss and output delta, hidden deltas back to level 1. Inference is the same without the way back.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numpy.typing import NDArray

from fastmlp.kernels.activations import activate, multiply_by_derivative
from fastmlp.kernels.dense import product
from fastmlp.kernels.layout import (
    ACTIVATION,
    CAPACITY,
    COLUMN_STEP,
    CORRECT,
    FIRST,
    FLOAT32,
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
    ROW_STEP,
    TRANSPOSED,
    TRANSPOSED_ROW,
    UINT8,
    WEIGHT,
    WEIGHTS,
    WEIGHTS_ROW,
)
from fastmlp.kernels.losses import is_predicted, loss_row, output_row
from fastmlp.kernels.memory import scratch_like
from fastmlp.kernels.target import TILE_ROWS, VECTOR_BYTES, device
from fastmlp.kernels.tile import RESUME, STORE
from fastmlp.kernels.unit import Unit

__all__ = ["SQUARES_ROWS", "samples_part"]

Array = NDArray[Any]

# Rows of weights whose squares are summed together, in whatever thread.
SQUARES_ROWS: Final = 64


@device
def gather_rows(
    x: Array, source: Array, order: Array, position: int, features: int, scale: float,
    activations: Array, width: int, capacity: int, top: int, bottom: int,
) -> None:  # fmt: skip
    """Write rows [top, bottom) of level 0: x[order[position + r]] · scale, in the compute dtype.

    x : (bytes,) uint8, read. order : (n,) int64, or empty for the rows as they stand.
    """
    real = activations.dtype.type
    factor = real(scale)
    panels = features // width + 1
    singles = x[: x.shape[0] // 4 * 4].view(np.float32)
    doubles = x[: x.shape[0] // 8 * 8].view(np.float64)
    for r in range(top, bottom):
        sample = order[position + r] if order.shape[0] > 0 else position + r
        first = source[FIRST] + sample * source[ROW_STEP]
        step = source[COLUMN_STEP]
        for panel in range(panels):
            count = min(width, features - panel * width)
            at = (panel * capacity + r) * width
            out = activations[at : at + count]
            start = first + panel * width * step
            if step != 1:
                for j in range(count):
                    at = start + j * step
                    if source[KIND] == UINT8:
                        out[j] = real(x[at]) * factor
                    elif source[KIND] == FLOAT32:
                        out[j] = real(singles[at]) * factor
                    else:
                        out[j] = real(doubles[at]) * factor
            elif source[KIND] == UINT8:
                pixels = x[start : start + count]
                for j in range(count):
                    out[j] = real(pixels[j]) * factor
            elif source[KIND] == FLOAT32:
                single = singles[start : start + count]
                for j in range(count):
                    out[j] = real(single[j]) * factor
            else:
                double = doubles[start : start + count]
                for j in range(count):
                    out[j] = real(double[j]) * factor
        activations[(features // width * capacity + r) * width + features % width] = real(1)


@device
def forward_rows(
    table: Array, parameters: Array, activations: Array, capacity: int, top: int, bottom: int
) -> None:
    """Compute all levels of rows [top, bottom) from level 0; the last level gets its logits.

    activations : (capacity · columns,), level 0 read, the others written.
    """
    lanes = VECTOR_BYTES // activations.itemsize
    real = activations.dtype.type
    rows, one = bottom - top, np.int64(1)  # a literal would compile `product` once more
    layers = table.shape[0]
    for layer in range(layers):
        depth, outputs = table[layer, INPUTS] + 1, table[layer, OUTPUTS]
        row = table[layer, WEIGHTS_ROW]
        in_width, out_width = table[layer, INPUT_WIDTH], table[layer, OUTPUT_WIDTH]
        hidden = layer + 1 < layers
        whole = (outputs + lanes - 1) // lanes * lanes
        panels = outputs // out_width + 1 if hidden else 1
        for panel in range(panels):
            j = panel * out_width
            c_at = capacity * (table[layer, OUTPUT_BEFORE] + j) + top * out_width
            for k in range(0, depth, in_width):
                product(
                    activations,
                    capacity * (table[layer, INPUT_BEFORE] + k) + top * in_width, in_width,
                    one,
                    parameters, table[layer, WEIGHTS] + k * row + j, row,
                    min(in_width, depth - k),
                    activations, c_at, out_width, rows, min(out_width, whole - j),
                    RESUME if k > 0 else STORE, real(0),
                )  # fmt: skip
            if hidden:
                activate(table[layer, ACTIVATION], activations[c_at : c_at + rows * out_width])
        if hidden:
            # Activation of padding need not be zero, and a padded unit that is not is a bias.
            first = outputs % out_width
            c_at = capacity * (table[layer, OUTPUT_BEFORE] + outputs - first) + top * out_width
            for r in range(rows):
                padding = activations[c_at + r * out_width + first : c_at + (r + 1) * out_width]
                padding[0] = real(1)
                for j in range(1, padding.shape[0]):
                    padding[j] = real(0)


@device
def loss_rows(
    table: Array, activations: Array, deltas: Array, capacity: int, loss: int, order: Array,
    position: int, labels: Array, targets: Array, sample_weight: Array, total: float,
    results: Array, top: int, bottom: int,
) -> None:  # fmt: skip
    """Turn logits into outputs, and write delta, loss and correctness of rows [top, bottom).

    results : (capacity, 3) float64, written: weighted loss, weighted correctness, weight.
    """
    last = table.shape[0] - 1
    outputs, width = table[last, OUTPUTS], table[last, OUTPUT_WIDTH]
    level = capacity * table[last, OUTPUT_BEFORE]
    delta_level = capacity * (table[last, OUTPUT_BEFORE] - table[0, OUTPUT_BEFORE])
    for r in range(top, bottom):
        sample = order[position + r] if order.shape[0] > 0 else position + r
        weight = sample_weight[sample] if sample_weight.shape[0] > 0 else 1.0
        label = labels[sample] if labels.shape[0] > 0 else -1
        target = targets[sample if label < 0 else 0]
        row = activations[level + r * width : level + (r + 1) * width]
        delta = deltas[delta_level + r * width : delta_level + (r + 1) * width]
        scale = weight / total if total > 0.0 else 0.0
        value = loss_row(loss, table[last, ACTIVATION], row, delta, outputs, label, target, scale)
        right = is_predicted(row, outputs, label)
        # A row of weight zero must not count even if its loss is infinite.
        results[r, LOSS_SUM] = weight * value if weight > 0.0 else 0.0
        results[r, CORRECT] = weight if right else 0.0
        results[r, WEIGHT] = weight


@device
def backward_rows(
    table: Array, transposed: Array, activations: Array, deltas: Array, capacity: int, top: int,
    bottom: int,
) -> None:  # fmt: skip
    """Carry delta from the last level back to level 1, for rows [top, bottom).

    deltas : (capacity · columns from level 1 on,), last level read, the others written.
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
            a_at = capacity * level + top * in_width
            multiply_by_derivative(
                table[layer - 1, ACTIVATION], activations[a_at : a_at + rows * in_width],
                deltas[c_at : c_at + rows * in_width],
            )  # fmt: skip


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


def _samples_part(
    table: Array, parameters: Array, transposed: Array, activations: Array, deltas: Array,
    results: Array, squares: Array, x: Array, source: Array, labels: Array, targets: Array,
    sample_weight: Array, order: Array, settings: Array, rates: Array, out: Array,
    position: int, top: int, rows: int, total: float, part: int, parts: int,
) -> None:  # fmt: skip
    """Process the samples [position, position + rows) of the order, in rows of the workspace.

    Arguments as for `step.train` and `step.infer`. They take the rows from `top` on, a multiple of
    TILE_ROWS. `total` is the weight of the batch. If `parts` is not 0, this part's share of Σ w²
    is taken besides.
    """
    for index in range(part, squares.shape[0] if parts > 0 else 0, max(parts, 1)):
        squares[index] = squares_of_block(table, parameters, index)
    if rows <= 0:
        return
    capacity = settings[CAPACITY]
    bottom = top + rows
    whole_bottom = top + (rows + TILE_ROWS - 1) // TILE_ROWS * TILE_ROWS
    # Row r of the workspace holds sample first + r.
    first = position - top
    gather_rows(
        x, source, order, first, table[0, INPUTS], rates[INPUT_SCALE], activations,
        table[0, INPUT_WIDTH], capacity, top, bottom,
    )  # fmt: skip
    forward_rows(table, parameters, activations, capacity, top, whole_bottom)
    if settings[LOSS] != NO_LOSS:
        loss_rows(
            table, activations, deltas, capacity, settings[LOSS], order, first, labels,
            targets, sample_weight, total, results, top, bottom,
        )  # fmt: skip
    if settings[LEARN]:
        backward_rows(table, transposed, activations, deltas, capacity, top, whole_bottom)
        return
    last = table.shape[0] - 1
    outputs, width = table[last, OUTPUTS], table[last, OUTPUT_WIDTH]
    level = capacity * table[last, OUTPUT_BEFORE]
    for r in range(top, bottom):
        row = activations[level + r * width : level + (r + 1) * width]
        if settings[LOSS] == NO_LOSS:
            output_row(table[last, ACTIVATION], row, outputs)
        if out.shape[0] > 0:
            for j in range(outputs):
                out[first + r, j] = row[j]


def _signature(real: Any) -> tuple[Any, ...]:
    vector, integers, numbers = real[::1], types.int64[::1], types.float64[::1]
    data = types.Array(types.uint8, 1, "C", readonly=True)
    return (
        types.int64[:, ::1], vector, vector, vector, vector, types.float64[:, ::1], numbers,
        data, integers, integers, real[:, ::1], numbers, integers, integers, numbers,
        real[:, ::1], types.int64, types.int64, types.int64, types.float64, types.int64,
        types.int64,
    )  # fmt: skip


samples_part = Unit(_samples_part, _signature)
