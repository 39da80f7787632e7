"""A run of training steps, and inference: the kernels that the trainer and the network call.

A step is two parallel regions. The first goes over blocks of samples: gather the rows, forward
through all layers, loss and output delta, hidden deltas back to the first layer. The second goes
over rows of weights: the gradient of a few rows at a time, handed to the update rule while it is
in cache. Both are cut by output element, so an element is computed by one thread, in one order,
whatever the number of threads.

A batch larger than a block accumulates its gradient over blocks; the last applies it. `position`,
the number of samples of the epoch that are done, is all the state a run needs to go on.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba import prange
from numpy.typing import NDArray

from fastmlp.kernels.activations import activate, multiply_by_derivative
from fastmlp.kernels.dense import product
from fastmlp.kernels.layout import (
    ACTIVATION,
    INPUT_BEFORE,
    INPUT_WIDTH,
    INPUTS,
    OUTPUT_BEFORE,
    OUTPUT_WIDTH,
    OUTPUTS,
    TRANSPOSED,
    TRANSPOSED_ROW,
    WEIGHTS,
    WEIGHTS_ROW,
)
from fastmlp.kernels.losses import is_predicted, loss_row, output_row
from fastmlp.kernels.memory import scratch_like
from fastmlp.kernels.target import (
    SCRATCH_ROWS,
    TILE_ROWS,
    VECTOR_BYTES,
    kernel,
    parallel_kernel,
)
from fastmlp.kernels.tile import RESUME, STORE, UPDATE
from fastmlp.kernels.updates import ADAM, NONE, SGD, adam_rate, apply_update

__all__ = ["infer", "infer_parallel", "train", "train_parallel"]

Array = NDArray[Any]

# What `x` holds, which the kernels see as bytes so that they are compiled once for all of them.
UINT8: Final = 0
FLOAT32: Final = 1
FLOAT64: Final = 2

# Fields of `source`, int64: where sample r, feature j stands, in elements of its kind.
KIND: Final = 0
FIRST: Final = 1
ROW_STEP: Final = 2
COLUMN_STEP: Final = 3

# Fields of `settings`, int64, and of `rates`, float64.
RULE: Final = 0
LOSS: Final = 1
BATCH: Final = 2
BLOCK: Final = 3
CAPACITY: Final = 4
PARTS: Final = 5
LEARNING_RATE: Final = 0
BETA_1: Final = 1
BETA_2: Final = 2
EPSILON: Final = 3
L2: Final = 4
WEIGHT_DECAY: Final = 5
INPUT_SCALE: Final = 6

# Fields of `running` and of a row of `records`, float64: sums over the samples of a step.
LOSS_SUM: Final = 0
CORRECT: Final = 1
WEIGHT: Final = 2
PENALTY: Final = 3

# Rows of weights whose squares are summed together, in whatever thread.
SQUARES_ROWS: Final = 64


@kernel
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
    for r in range(top, bottom):
        sample = order[position + r] if order.shape[0] > 0 else position + r
        first = source[FIRST] + sample * source[ROW_STEP]
        step = source[COLUMN_STEP]
        for panel in range(panels):
            count = min(width, features - panel * width)
            at = (panel * capacity + r) * width
            out = activations[at : at + count]
            start = first + panel * width * step
            if source[KIND] == UINT8:
                if step == 1:
                    pixels = x[start : start + count]
                    for j in range(count):
                        out[j] = real(pixels[j]) * factor
                else:
                    for j in range(count):
                        out[j] = real(x[start + j * step]) * factor
            elif source[KIND] == FLOAT32:
                singles = x.view(np.float32)
                if step == 1:
                    single = singles[start : start + count]
                    for j in range(count):
                        out[j] = real(single[j]) * factor
                else:
                    for j in range(count):
                        out[j] = real(singles[start + j * step]) * factor
            else:
                doubles = x.view(np.float64)
                if step == 1:
                    double = doubles[start : start + count]
                    for j in range(count):
                        out[j] = real(double[j]) * factor
                else:
                    for j in range(count):
                        out[j] = real(doubles[start + j * step]) * factor
        activations[(features // width * capacity + r) * width + features % width] = real(1)


@kernel
def forward_rows(
    table: Array, parameters: Array, activations: Array, capacity: int, top: int, bottom: int
) -> None:
    """Compute all levels of rows [top, bottom) from level 0; the last level gets its logits.

    activations : (capacity · columns,), level 0 read, the others written.
    """
    lanes = VECTOR_BYTES // activations.itemsize
    real = activations.dtype.type
    rows = bottom - top
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
                    capacity * (table[layer, INPUT_BEFORE] + k) + top * in_width, in_width, 1,
                    parameters, table[layer, WEIGHTS] + k * row + j, row,
                    min(in_width, depth - k),
                    activations, c_at, out_width, rows, min(out_width, whole - j),
                    RESUME if k > 0 else STORE, real(0),
                )  # fmt: skip
            if hidden:
                run = activations[c_at : c_at + rows * out_width]
                activate(table[layer, ACTIVATION], run, run)
        if hidden:
            # Activation of padding need not be zero, and a padded unit that is not is a bias.
            first = outputs % out_width
            c_at = capacity * (table[layer, OUTPUT_BEFORE] + outputs - first) + top * out_width
            for r in range(rows):
                padding = activations[c_at + r * out_width + first : c_at + (r + 1) * out_width]
                padding[0] = real(1)
                for j in range(1, padding.shape[0]):
                    padding[j] = real(0)


@kernel
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
        value = loss_row(
            loss, table[last, ACTIVATION], row, delta, outputs, label, target, scale
        )
        right = is_predicted(row, outputs, label)
        # A row of weight zero must not count even if its loss is infinite.
        results[r, LOSS_SUM] = weight * value if weight > 0.0 else 0.0
        results[r, CORRECT] = weight if right else 0.0
        results[r, WEIGHT] = weight


@kernel
def backward_rows(
    table: Array, transposed: Array, activations: Array, deltas: Array, capacity: int, top: int,
    bottom: int,
) -> None:  # fmt: skip
    """Carry delta from the last level back to level 1, for rows [top, bottom).

    deltas : (capacity · columns from level 1 on,), last level read, the others written.
    """
    lanes = VECTOR_BYTES // activations.itemsize
    real = activations.dtype.type
    rows = bottom - top
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
                    out_width, 1,
                    transposed, table[layer, TRANSPOSED] + k * row + j, row,
                    min(out_width, outputs - k),
                    deltas, c_at, in_width, rows, min(in_width, whole - j),
                    RESUME if k > 0 else STORE, real(0),
                )  # fmt: skip
            a_at = capacity * level + top * in_width
            run = deltas[c_at : c_at + rows * in_width]
            multiply_by_derivative(
                table[layer - 1, ACTIVATION], activations[a_at : a_at + rows * in_width], run, run
            )


@kernel
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


@kernel
def squares_of_rows(table: Array, layer: int, parameters: Array, block: int) -> float:
    """Return Σ w² over one block of rows of a layer's weights, biases not included."""
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


@kernel
def squares_in_part(
    table: Array, parameters: Array, squares: Array, part: int, parts: int
) -> None:
    """Write Σ w² of every block of rows that is this part's share; `squares` float64."""
    index = 0
    for layer in range(table.shape[0]):
        for block in range((table[layer, INPUTS] + SQUARES_ROWS - 1) // SQUARES_ROWS):
            if index % parts == part:
                squares[index] = squares_of_rows(table, layer, parameters, block)
            index += 1


@kernel
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
                    activations, a_at + f_top, 1, in_width, deltas, b_at, out_width, rows,
                    gradient, weights + f_top * row + j, row, f_bottom - f_top, columns,
                    STORE if starts else RESUME, real(0),
                )  # fmt: skip
            elif plain:
                product(
                    activations, a_at + f_top, 1, in_width, deltas, b_at, out_width, rows,
                    parameters, weights + f_top * row + j, row, f_bottom - f_top, columns,
                    UPDATE, real(-rate),
                )  # fmt: skip
            else:
                for f in range(f_top, f_bottom, SCRATCH_ROWS):
                    count = min(SCRATCH_ROWS, f_bottom - f)
                    # The scratch holds SCRATCH_ROWS panels; a wider last level takes turns.
                    span = scratch.shape[0] // SCRATCH_ROWS
                    for left in range(0, columns, span):
                        width = min(span, columns - left)
                        product(
                            activations, a_at + f, 1, in_width, deltas, b_at + left, out_width,
                            rows, scratch, 0, width, count, width, STORE, real(0),
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


@kernel
def learn_part(
    table: Array, parameters: Array, transposed: Array, activations: Array, deltas: Array,
    results: Array, x: Array, source: Array, labels: Array, targets: Array,
    sample_weight: Array, order: Array, settings: Array, rates: Array, position: int, rows: int,
    total: float, part: int,
) -> None:  # fmt: skip
    """First region of a step: one part's samples forward and back."""
    parts, capacity = settings[PARTS], settings[CAPACITY]
    tiles = (rows + TILE_ROWS - 1) // TILE_ROWS
    top, bottom = part * tiles // parts * TILE_ROWS, (part + 1) * tiles // parts * TILE_ROWS
    if top == bottom:
        return
    gather_rows(
        x, source, order, position, table[0, INPUTS], rates[INPUT_SCALE], activations,
        table[0, INPUT_WIDTH], capacity, top, min(bottom, rows),
    )  # fmt: skip
    forward_rows(table, parameters, activations, capacity, top, bottom)
    loss_rows(
        table, activations, deltas, capacity, settings[LOSS], order, position, labels, targets,
        sample_weight, total, results, top, min(bottom, rows),
    )  # fmt: skip
    backward_rows(table, transposed, activations, deltas, capacity, top, bottom)


@kernel
def update_part(
    table: Array, parameters: Array, transposed: Array, gradient: Array, state_1: Array,
    state_2: Array, activations: Array, deltas: Array, settings: Array, rates: Array, rows: int,
    starts: bool, ends: bool, rate: float, l2: float, part: int,
) -> None:  # fmt: skip
    """Second region of a step: one part's rows of every layer's weights."""
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


@kernel
def batch_weight(order: Array, first: int, last: int, sample_weight: Array) -> float:
    """Return the sum of the sample weights of one batch."""
    if sample_weight.shape[0] == 0:
        return float(last - first)
    total = 0.0
    for i in range(first, last):
        total += sample_weight[order[i]]
    return total


def _train(
    table: Array, parameters: Array, transposed: Array, gradient: Array, state_1: Array,
    state_2: Array, activations: Array, deltas: Array, results: Array, squares: Array,
    running: Array, records: Array, x: Array, source: Array, labels: Array, targets: Array,
    sample_weight: Array, order: Array, settings: Array, rates: Array, steps_done: int,
    start: int, stop: int,
) -> int:  # fmt: skip
    """Train on samples [start, stop) of an epoch; return the position reached.

    It is `stop` unless a loss was not finite: then it is the beginning of that block, whose update
    was not made. A step that is cut short goes on at the next call, from `gradient` and `running`.

    table : (layers, FIELDS) int64, read. parameters : flat, updated; transposed, gradient, state_1,
    state_2 : buffers of it. activations, deltas : (capacity · columns,), overwritten; all share the
    compute dtype. results : (capacity, 3), squares : (blocks,), running : (4,), float64, scratch.
    records : (steps of the epoch, 3) float64, written: sums of loss, correctness and weight.
    x : (bytes,) uint8, read, laid out as `source` says. labels : (n,) int64 or empty.
    targets : (n, outputs) in the compute dtype, or one row. sample_weight : (n,) float64 or empty.
    order : (m,) int64: the epoch's samples, in their order. steps_done : updates before `start`.
    """
    batch, block, parts = settings[BATCH], settings[BLOCK], settings[PARTS]
    rule, l2 = settings[RULE], rates[L2]
    for layer in range(1, table.shape[0]):
        transpose_rows(table, layer, parameters, transposed, 0, table[layer, INPUTS])
    position = start
    steps = steps_done
    while position < stop:
        first = position // batch * batch
        last = min(order.shape[0], first + batch)
        bottom = min(position + block, last)
        rows = bottom - position
        starts, ends = position == first, bottom == last
        if starts:
            running[LOSS_SUM] = 0.0
            running[CORRECT] = 0.0
            running[PENALTY] = 0.0
            running[WEIGHT] = batch_weight(order, first, last, sample_weight)
        total = running[WEIGHT]

        for part in prange(parts):
            learn_part(
                table, parameters, transposed, activations, deltas, results, x, source, labels,
                targets, sample_weight, order, settings, rates, position, rows, total,
                np.int64(part),
            )  # fmt: skip
            if starts and l2 != 0.0:
                squares_in_part(table, parameters, squares, np.int64(part), parts)

        for r in range(rows):
            running[LOSS_SUM] += results[r, LOSS_SUM]
            running[CORRECT] += results[r, CORRECT]
        if starts and l2 != 0.0:
            for i in range(squares.shape[0]):
                running[PENALTY] += squares[i]
        if not math.isfinite(running[LOSS_SUM] + running[PENALTY]):
            return position
        rate = rates[LEARNING_RATE]
        if rule == ADAM:
            rate = adam_rate(rate, rates[BETA_1], rates[BETA_2], steps + 1)
        step_l2 = l2 / total if total > 0.0 else 0.0

        for part in prange(parts):
            update_part(
                table, parameters, transposed, gradient, state_1, state_2, activations, deltas,
                settings, rates, rows, starts, ends, rate, step_l2, np.int64(part),
            )  # fmt: skip

        if ends:
            index = first // batch
            records[index, LOSS_SUM] = running[LOSS_SUM] + 0.5 * l2 * running[PENALTY]
            records[index, CORRECT] = running[CORRECT]
            records[index, WEIGHT] = total
            steps += 1
        position = bottom
    return position


train = kernel(_train)
train_parallel = parallel_kernel(_train)


@kernel
def infer_part(
    table: Array, parameters: Array, activations: Array, deltas: Array, results: Array, x: Array,
    source: Array, labels: Array, targets: Array, sample_weight: Array, order: Array,
    settings: Array, rates: Array, out: Array, position: int, rows: int, part: int,
) -> None:  # fmt: skip
    """Outputs of one part's samples, and their losses where there are labels or targets."""
    parts, capacity = settings[PARTS], settings[CAPACITY]
    tiles = (rows + TILE_ROWS - 1) // TILE_ROWS
    top, bottom = part * tiles // parts * TILE_ROWS, (part + 1) * tiles // parts * TILE_ROWS
    if top == bottom:
        return
    gather_rows(
        x, source, order, position, table[0, INPUTS], rates[INPUT_SCALE], activations,
        table[0, INPUT_WIDTH], capacity, top, min(bottom, rows),
    )  # fmt: skip
    forward_rows(table, parameters, activations, capacity, top, bottom)
    bottom = min(bottom, rows)
    if settings[LOSS] >= 0:
        loss_rows(
            table, activations, deltas, capacity, settings[LOSS], order, position, labels,
            targets, sample_weight, 1.0, results, top, bottom,
        )  # fmt: skip
    last = table.shape[0] - 1
    outputs, width = table[last, OUTPUTS], table[last, OUTPUT_WIDTH]
    level = capacity * table[last, OUTPUT_BEFORE]
    for r in range(top, bottom):
        row = activations[level + r * width : level + (r + 1) * width]
        if settings[LOSS] < 0:
            output_row(table[last, ACTIVATION], row, outputs)
        if out.shape[0] > 0:
            for j in range(outputs):
                out[position + r, j] = row[j]


def _infer(
    table: Array, parameters: Array, activations: Array, deltas: Array, results: Array, x: Array,
    source: Array, labels: Array, targets: Array, sample_weight: Array, order: Array,
    settings: Array, rates: Array, out: Array, running: Array, start: int, stop: int,
) -> None:  # fmt: skip
    """Compute the outputs of samples [start, stop); their losses too unless settings[LOSS] < 0.

    Arguments as for `train`. out : (n, outputs) in the compute dtype, written, or (0, 0).
    running : (4,) float64, added to: sums of loss, correctness and weight.
    """
    block, parts = settings[BLOCK], settings[PARTS]
    position = start
    while position < stop:
        rows = min(block, stop - position)
        for part in prange(parts):
            infer_part(
                table, parameters, activations, deltas, results, x, source, labels, targets,
                sample_weight, order, settings, rates, out, position, rows, np.int64(part),
            )  # fmt: skip
        if settings[LOSS] >= 0:
            for r in range(rows):
                running[LOSS_SUM] += results[r, LOSS_SUM]
                running[CORRECT] += results[r, CORRECT]
                running[WEIGHT] += results[r, WEIGHT]
        position += rows


infer = kernel(_infer)
infer_parallel = parallel_kernel(_infer)
