"""Losses: the value of each row and the delta that the backward pass starts from.

The training loop works on the logits of a row: from them cross entropy is exact even where a
probability rounds to 0 or 1 (log Σ exp z - z[label]). The public kernels take probabilities.

LOG_LOSS, HALF_SQUARED_ERROR and POISSON are scikit-learn's, of its estimators: log loss bounds
probabilities by the eps of their dtype, half squared error is the mean over outputs while its delta
is output - target all the same, and poisson is half the deviance.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fastmlp.kernels.activations import SIGMOID, SOFTMAX, activate, softmax_row
from fastmlp.kernels.exponential import exp_scalar, sigmoid_scalar
from fastmlp.kernels.memory import out_of_line
from fastmlp.kernels.target import device

__all__ = [
    "ABSOLUTE_ERROR",
    "CROSS_ENTROPY",
    "HALF_SQUARED_ERROR",
    "HUBER",
    "LOG_LOSS",
    "MNIST_LOSS",
    "POISSON",
    "QUANTILE",
    "SQUARED_ERROR",
    "is_predicted",
    "loss_row",
    "output_row",
]

Array = NDArray[Any]

CROSS_ENTROPY: Final = 0  # of a softmax output; of a sigmoid output binary, summed over outputs
SQUARED_ERROR: Final = 1
MNIST_LOSS: Final = 2
LOG_LOSS: Final = 3  # cross entropy as scikit-learn computes it
HALF_SQUARED_ERROR: Final = 4
POISSON: Final = 5  # of an output that is an exponential
ABSOLUTE_ERROR: Final = 6
HUBER: Final = 7
QUANTILE: Final = 8

_EPS_32: Final = float(np.finfo(np.float32).eps)
_EPS_64: Final = float(np.finfo(np.float64).eps)


@device
def output_row(activation: int, row: Array, outputs: int) -> None:
    """Turn the logits of one row into outputs, in place; padding beyond `outputs` becomes zero.

    row : (m,) with m >= outputs, float32 or float64; updated.
    """
    if activation == SOFTMAX:
        softmax_row(row, outputs)
    else:
        activate(activation, row[:outputs])
        for j in range(outputs, row.shape[0]):
            row[j] = row.dtype.type(0)


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
def clip(p: float, eps: float) -> float:
    """Return p in [eps, 1 - eps]; NaN stays NaN."""
    p = eps if p < eps else p
    return 1.0 - eps if p > 1.0 - eps else p


@device
def deviance(loss: int, a: float, t: float, outputs: int, eps: float) -> float:
    """Return output j's part of a loss whose delta is a - t: output a, target t."""
    if loss == HALF_SQUARED_ERROR:
        return 0.5 * (a - t) * (a - t) / outputs
    if loss == POISSON:
        ratio = t * math.log(t / a) if t > 0.0 else 0.0
        return ratio - t + a
    p = clip(a, eps)
    value = -t * math.log(p) if t > 0.0 else 0.0
    return value - (1.0 - t) * math.log(1.0 - p) if t < 1.0 else value


@device
def error_and_slope(loss: int, a: Any, t: Any, outputs: int, constant: Any) -> Any:
    """Return output j's part of a loss and its derivative by the output: output a, target t.

    constant : HUBER's threshold, or the quantile. All numbers share a dtype.
    """
    real = type(a)
    zero, one, half = real(0), real(1), real(0.5)
    error = a - t
    if loss == SQUARED_ERROR:
        return error * error, real(2) * error
    if loss == ABSOLUTE_ERROR:
        return abs(error), one if error > zero else -one if error < zero else zero
    if loss == HUBER:
        if abs(error) <= constant:
            return half * error * error, error
        far = constant * (abs(error) - half * constant)
        return far, constant if error > zero else -constant
    if loss == QUANTILE:
        if error > zero:
            return (one - constant) * error, one - constant
        return -constant * error, -constant if error < zero else zero
    value = (one - a if t == one else a) / real(outputs)
    return value, (-one if t == one else one) / real(outputs)


@device
def loss_row(
    loss: int, activation: int, row: Array, delta: Array, outputs: int, label: int,
    target: Array, constants: Array, scale: float,
) -> float:  # fmt: skip
    """Return the loss of one row; turn its logits into outputs and write its delta.

    row : (m,) with m >= outputs; logits on entry, outputs on return, padding zero.
    delta : (m,), written: scale · ∂loss/∂logits, padding zero. row and delta share one dtype.
    label : the class, or -1 where `target`, (outputs,), is to be used. One output takes the label
        itself as its target, several take one-hot targets.
    constants : (outputs,) float64, of HUBER and QUANTILE: see `error_and_slope`.
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
    elif loss == LOG_LOSS and activation == SOFTMAX:
        softmax_row(row, outputs)
        eps = _EPS_32 if row.itemsize == 4 else _EPS_64
        value = -math.log(clip(float(row[label]), eps))
        for j in range(row.shape[0]):
            delta[j] = factor * row[j]
        delta[label] = factor * (row[label] - one)
    elif loss == CROSS_ENTROPY:
        for j in range(outputs):
            t = real(coded_target(label, outputs, j)) if coded else target[j]
            z = row[j]
            value += max(z, zero) - z * t + math.log1p(exp_scalar(-abs(z)))
            p = sigmoid_scalar(z)
            row[j] = p
            delta[j] = factor * (p - t)
    elif loss in (LOG_LOSS, HALF_SQUARED_ERROR, POISSON):
        output_row(activation, row, outputs)
        eps = _EPS_32 if row.itemsize == 4 else _EPS_64
        for j in range(outputs):
            t = real(coded_target(label, outputs, j)) if coded else target[j]
            value += deviance(loss, float(row[j]), float(t), outputs, eps)
            delta[j] = factor * (row[j] - t)
    else:
        output_row(activation, row, outputs)
        dot = zero
        for j in range(outputs):
            t = real(coded_target(label, outputs, j)) if coded else target[j]
            constant = real(constants[j]) if constants.shape[0] > 0 else zero
            error, slope = error_and_slope(loss, row[j], t, outputs, constant)
            value += error
            delta[j] = factor * slope
            dot += delta[j] * row[j]
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
