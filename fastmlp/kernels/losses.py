"""Losses: the value of each row and the delta that the backward pass starts from.

The training loop works on the logits of a row: from them cross entropy is exact even where a
probability rounds to 0 or 1 (log Σ exp z - z[label]). The public kernels take probabilities.
"""

from __future__ import annotations

import math
from typing import Any, Final

from numpy.typing import NDArray

from fastmlp.kernels.activations import (
    SIGMOID,
    SOFTMAX,
    exp_scalar,
    sigmoid_scalar,
    softmax_row,
)
from fastmlp.kernels.memory import out_of_line
from fastmlp.kernels.target import device

__all__ = [
    "CROSS_ENTROPY",
    "MNIST_LOSS",
    "SQUARED_ERROR",
    "is_predicted",
    "loss_row",
    "output_row",
]

Array = NDArray[Any]

CROSS_ENTROPY: Final = 0  # of a softmax output; of a sigmoid output binary, summed over outputs
SQUARED_ERROR: Final = 1
MNIST_LOSS: Final = 2


@device
def output_row(activation: int, row: Array, outputs: int) -> None:
    """Turn the logits of one row into outputs, in place; padding beyond `outputs` becomes zero.

    row : (m,) with m >= outputs, float32 or float64; updated.
    """
    if activation == SOFTMAX:
        softmax_row(row, outputs)
    elif activation == SIGMOID:
        for j in range(row.shape[0]):
            row[j] = sigmoid_scalar(row[j]) if j < outputs else row.dtype.type(0)


@device
def is_predicted(row: Array, outputs: int, label: int) -> bool:
    """Return whether `label` is the class of one row's outputs: the first of the largest.

    With one output the class is whether it reaches one half.
    """
    if outputs == 1:
        return bool((row[0] >= 0.5) == (label == 1))
    best = 0
    for j in range(1, outputs):
        if row[j] > row[best]:
            best = j
    return best == label


@device
def coded_target(label: int, outputs: int, j: int) -> int:
    """Return output j's target for a class: itself for one output, one-hot for several."""
    if outputs == 1:
        return label
    return 1 if j == label else 0


@device
def loss_row(
    loss: int, activation: int, row: Array, delta: Array, outputs: int, label: int,
    target: Array, scale: float,
) -> float:  # fmt: skip
    """Return the loss of one row; turn its logits into outputs and write its delta.

    row : (m,) with m >= outputs; logits on entry, outputs on return, padding zero.
    delta : (m,), written: scale · ∂loss/∂logits, padding zero. row and delta share one dtype.
    label : the class, or -1 where `target`, (outputs,), is to be used. One output takes the label
        itself as its target, several take one-hot targets.
    """
    out_of_line()
    real = row.dtype.type
    factor, zero, one = real(scale), real(0), real(1)
    coded = label >= 0
    value = 0.0
    if loss == CROSS_ENTROPY and activation == SOFTMAX:
        picked, mass = zero, one
        if coded:
            picked = row[label]
        else:
            mass = zero
            for j in range(outputs):
                picked += target[j] * row[j]
                mass += target[j]
        top, total = softmax_row(row, outputs)
        value = float(mass) * (math.log(total) + top) - float(picked)
        for j in range(row.shape[0]):
            delta[j] = factor * (mass * row[j])
        if coded:
            delta[label] = factor * (row[label] - one)
        else:
            for j in range(outputs):
                delta[j] = factor * (mass * row[j] - target[j])
    elif loss == CROSS_ENTROPY:
        for j in range(outputs):
            t = real(coded_target(label, outputs, j)) if coded else target[j]
            z = row[j]
            value += max(z, zero) - z * t + math.log1p(exp_scalar(-abs(z)))
            p = sigmoid_scalar(z)
            row[j] = p
            delta[j] = factor * (p - t)
    else:
        output_row(activation, row, outputs)
        dot = zero
        for j in range(outputs):
            t = real(coded_target(label, outputs, j)) if coded else target[j]
            a = row[j]
            if loss == SQUARED_ERROR:
                value += (a - t) * (a - t)
                slope = real(2) * (a - t)
            else:
                value += (one - a if t == one else a) / real(outputs)
                slope = (-one if t == one else one) / real(outputs)
            delta[j] = factor * slope
            dot += delta[j] * a
        if activation == SIGMOID:
            for j in range(outputs):
                delta[j] *= row[j] * (one - row[j])
        elif activation == SOFTMAX:
            for j in range(outputs):
                delta[j] = row[j] * (delta[j] - dot)
    for j in range(outputs, row.shape[0]):
        row[j] = zero
        delta[j] = zero
    return value
