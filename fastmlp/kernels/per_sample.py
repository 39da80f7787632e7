"""Gradients of single samples: one row of parameters for each, written and not summed.

What is written is as large as the parameters times the samples, so the speed is that of memory:
each sample is taken through the network by itself, with plain loops.
"""

from __future__ import annotations

from typing import Any

from numba import prange
from numpy.typing import NDArray

from fastmlp.kernels.activations import (
    activate,
    activate_keeping_slopes,
    multiply_by_derivative,
    needs_slopes,
)
from fastmlp.kernels.layout import ACTIVATION, INPUTS, OUTPUTS, WEIGHTS, WEIGHTS_ROW
from fastmlp.kernels.losses import first_largest, loss_row, output_rows
from fastmlp.kernels.target import device, kernel, parallel_kernel

__all__ = ["per_sample", "per_sample_parallel"]

Array = NDArray[Any]


@device
def sample_forward(table: Array, parameters: Array, x: Array, levels: Array, deltas: Array) -> None:
    """Compute all levels of one sample; the last level gets its logits.

    x : (inputs,), read. levels : (units of all layers,), written, one level after the other.
    deltas : as levels; the slopes of those activations that need them are written.
    """
    end = 0
    below = x
    for layer in range(table.shape[0]):
        inputs, outputs = table[layer, INPUTS], table[layer, OUTPUTS]
        first, row = table[layer, WEIGHTS], table[layer, WEIGHTS_ROW]
        level = levels[end : end + outputs]
        for j in range(outputs):
            level[j] = levels.dtype.type(0)
        for k in range(inputs):
            weights = parameters[first + k * row : first + k * row + outputs]
            for j in range(outputs):
                level[j] += below[k] * weights[j]
        biases = parameters[first + inputs * row : first + inputs * row + outputs]
        for j in range(outputs):
            level[j] += biases[j]
        if layer < table.shape[0] - 1:
            if needs_slopes(table[layer, ACTIVATION]):
                slopes = deltas[end : end + outputs]
                activate_keeping_slopes(table[layer, ACTIVATION], level, slopes)
            else:
                activate(table[layer, ACTIVATION], level)
        below = level
        end += outputs


@device
def sample_backward(
    table: Array, parameters: Array, x: Array, levels: Array, deltas: Array, out: Array
) -> None:
    """Carry delta back from the last level and write the gradient of one sample.

    levels, deltas : (units of all layers,); levels and the last level's delta read, other deltas
        written, in the place of the slopes that `sample_forward` left there.
    out : (parameters without padding,), written: W1, b1, W2, b2, ….
    """
    end, out_end = deltas.shape[0], out.shape[0]
    for layer in range(table.shape[0] - 1, -1, -1):
        inputs, outputs = table[layer, INPUTS], table[layer, OUTPUTS]
        first, row = table[layer, WEIGHTS], table[layer, WEIGHTS_ROW]
        delta = deltas[end - outputs : end]
        end -= outputs
        below = levels[end - inputs : end] if layer > 0 else x
        biases = out[out_end - outputs : out_end]
        for j in range(outputs):
            biases[j] = delta[j]
        out_end -= (inputs + 1) * outputs
        for k in range(inputs):
            gradient = out[out_end + k * outputs : out_end + (k + 1) * outputs]
            for j in range(outputs):
                gradient[j] = below[k] * delta[j]
        if layer > 0:
            delta_below = deltas[end - inputs : end]
            code = table[layer - 1, ACTIVATION]
            for k in range(inputs):
                weights = parameters[first + k * row : first + k * row + outputs]
                total = deltas.dtype.type(0)
                for j in range(outputs):
                    total += delta[j] * weights[j]
                delta_below[k] = total * delta_below[k] if needs_slopes(code) else total
            multiply_by_derivative(code, below, delta_below)


def _per_sample(
    table: Array, parameters: Array, x: Array, labels: Array, targets: Array, loss: int,
    constants: Array, levels: Array, deltas: Array, parts: int, first: int, last: int, out: Array,
) -> None:  # fmt: skip
    """Write the gradient of the loss of each of the samples [first, last).

    table : (layers, FIELDS) int64. parameters : flat. x : (n, inputs). labels : (n,) int64, or
    empty where `targets`, (n, outputs), count. constants : of the loss, float64. levels, deltas :
    (parts, units of all layers), scratch. out : (n, parameters without padding),
    written: W1, b1, W2, b2, …. All but table and labels share the compute dtype.
    """
    layer = table.shape[0] - 1
    outputs, activation = table[layer, OUTPUTS], table[layer, ACTIVATION]
    hidden = levels.shape[1] - outputs
    for part in prange(parts):
        for sample in range(
            first + part * (last - first) // parts, first + (part + 1) * (last - first) // parts
        ):
            sample_forward(table, parameters, x[sample], levels[part], deltas[part])
            label = labels[sample] if labels.shape[0] > 0 else -1
            row, delta = levels[part, hidden:], deltas[part, hidden:]
            output_rows(activation, row, delta, outputs, outputs)
            loss_row(
                loss, activation, row, delta, outputs, first_largest(row, outputs), label, targets,
                sample, constants, 1.0,
            )  # fmt: skip
            sample_backward(table, parameters, x[sample], levels[part], deltas[part], out[sample])


per_sample = kernel(_per_sample)
per_sample_parallel = parallel_kernel(_per_sample)
