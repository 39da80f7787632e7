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

from fastmlp.kernels.activations import (
    EXP,
    SIGMOID,
    SOFTMAX,
    activate,
    normalise_row,
    shift_row,
)
from fastmlp.kernels.exponential import exp_scalar
from fastmlp.kernels.memory import in_line, out_of_line
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
    "error_and_slope",
    "first_largest",
    "loss_row",
    "output_rows",
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
def output_rows(activation: int, values: Array, logits: Array, width: int, outputs: int) -> None:
    """Turn rows of logits into outputs; what lies beyond `outputs` is not defined.

    values : (rows · width,), one row after the other, width >= outputs; updated. Each thing is done
        to all rows at once: one row is too short for vectors, and its steps wait for each other.
    logits : (rows · width,), written: the logits, of a softmax output less the row's largest; or
        empty.
    """
    out_of_line()
    softmax = activation == SOFTMAX
    for at in range(0, values.shape[0] if softmax else 0, width):
        shift_row(values[at : at + width], outputs)
    for i in range(logits.shape[0]):
        logits[i] = values[i]
    activate(np.int64(EXP) if softmax else activation, values)
    for at in range(0, values.shape[0] if softmax else 0, width):
        normalise_row(values[at : at + width], outputs)


@device
def first_largest(row: Array, outputs: int) -> int:
    """Return the place of the first of the largest of a row's outputs."""
    best, largest = 0, row[0]
    for j in range(1, outputs):
        if row[j] > largest:
            best, largest = j, row[j]
    return best


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
    loss: int, activation: int, row: Array, delta: Array, outputs: int, best: int, label: int,
    targets: Array, sample: int, constants: Array, scale: float,
) -> float:  # fmt: skip
    """Return the loss of one row and write its delta.

    row : (m,) with m >= outputs, read: outputs. best : the place of the largest.
    delta : (m,), the logits of `output_rows` on entry; on return scale · ∂loss/∂logits. Padding is
        left: that of logits is zero, as that of weights is. row and delta share one dtype.
    label : the class, or -1 where row `sample` of `targets`, (n, outputs), is to be used. One
        output takes the label itself as its target, several take one-hot targets.
    constants : (outputs,) float64, of HUBER and QUANTILE: see `error_and_slope`.
    """
    in_line()
    real = row.dtype.type
    factor, zero, one = real(scale), real(0), real(1)
    coded = label >= 0
    value = 0.0
    eps = _EPS_32 if row.itemsize == 4 else _EPS_64
    # The largest logit is 0 here, so log Σ exp of a softmax row is -log of its largest output.
    if activation == SOFTMAX and loss in (CROSS_ENTROPY, LOG_LOSS) and coded:
        if loss == CROSS_ENTROPY:
            value = -float(delta[label]) - math.log(row[best])
        else:
            value = -math.log(clip(float(row[label]), eps))
        for j in range(outputs):
            delta[j] = factor * row[j]
        delta[label] = factor * (row[label] - one)
    elif activation == SOFTMAX and loss == CROSS_ENTROPY:
        mass = picked = 0.0  # float64: see `normalise_row`
        for j in range(outputs):
            t = float(targets[sample, j])
            mass += t
            picked += t * float(delta[j])
        value = -picked - mass * math.log(row[best])
        whole = real(mass)
        for j in range(outputs):
            delta[j] = factor * (whole * row[j] - targets[sample, j])
    elif loss == CROSS_ENTROPY:
        for j in range(outputs):
            t = real(coded_target(label, outputs, j)) if coded else targets[sample, j]
            z = delta[j]
            value += max(z, zero) - z * t + math.log1p(exp_scalar(-abs(z)))
            delta[j] = factor * (row[j] - t)
    elif loss in (LOG_LOSS, HALF_SQUARED_ERROR, POISSON):
        for j in range(outputs):
            t = real(coded_target(label, outputs, j)) if coded else targets[sample, j]
            value += deviance(loss, float(row[j]), float(t), outputs, eps)
            delta[j] = factor * (row[j] - t)
    else:
        dot = zero
        for j in range(outputs):
            t = real(coded_target(label, outputs, j)) if coded else targets[sample, j]
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
    return value
