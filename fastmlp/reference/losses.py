"""Losses and their derivatives, in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]

# --- losses: one value per row, (n,), and its derivative, (n, n_outputs) --------------------------


def _log(p: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(p, np.finfo(p.dtype).tiny)))


def cross_entropy(probabilities: Floats, labels: Integers) -> Floats:
    """Return -log p[label] of each row; labels are integers in [0, n_outputs), (n,) or (n, 1).

    No p counts as less than the smallest positive normal number of its dtype, here and in
    `binary_cross_entropy`: -log 0 is 708.4 in float64, 87.3 in float32. The derivatives ignore it.
    """
    return -_log(probabilities[np.arange(len(probabilities)), labels.reshape(-1)])


def cross_entropy_backward(probabilities: Floats, labels: Integers) -> Floats:
    """Return p - onehot(label), the derivative with respect to the logits of a softmax output."""
    delta = probabilities.copy()
    delta[np.arange(len(delta)), labels.reshape(-1)] -= 1
    return delta


def binary_cross_entropy(probabilities: Floats, targets: Floats) -> Floats:
    """Return -Σ_j [t_j log p_j + (1 - t_j) log(1 - p_j)] of each row; targets in [0, 1]."""
    terms = targets * _log(probabilities) + (1 - targets) * _log(1 - probabilities)
    return np.asarray(-terms.sum(axis=1))


def binary_cross_entropy_backward(probabilities: Floats, targets: Floats) -> Floats:
    """Return p - t, the derivative with respect to the logits of a sigmoid output."""
    return probabilities - targets


def squared_error(outputs: Floats, targets: Floats) -> Floats:
    """Return Σ_j (t_j - a_j)² of each row: the sum over outputs, not the mean and not half."""
    return np.asarray(((targets - outputs) ** 2).sum(axis=1))


def squared_error_backward(outputs: Floats, targets: Floats) -> Floats:
    """Return 2 (a - t), the derivative with respect to the outputs."""
    return 2 * (outputs - targets)


def mnist_loss(probabilities: Floats, targets: Floats) -> Floats:
    """Return the mean over outputs of 1 - p where the target is 1, p elsewhere (fastai's book)."""
    return np.asarray(np.where(targets == 1, 1 - probabilities, probabilities).mean(axis=1))


def mnist_loss_backward(probabilities: Floats, targets: Floats) -> Floats:
    """Return ∓1 / n_outputs, - where the target is 1: the derivative by the outputs."""
    return np.asarray(np.where(targets == 1, -1, 1) / targets.shape[1], probabilities.dtype)


def absolute_error(outputs: Floats, targets: Floats) -> Floats:
    """Return Σ_j |a_j - t_j| of each row."""
    return np.asarray(np.abs(outputs - targets).sum(axis=1))


def absolute_error_backward(outputs: Floats, targets: Floats) -> Floats:
    """Return the sign of a - t, 0 at 0: the derivative by the outputs."""
    return np.asarray(np.sign(outputs - targets))


def huber(outputs: Floats, targets: Floats, huber_delta: float) -> Floats:
    """Return Σ_j of e² / 2 up to |e| = d, then d (|e| - d / 2), with e = a - t (Huber 1964)."""
    d, size = outputs.dtype.type(huber_delta), np.abs(outputs - targets)
    return np.asarray(np.where(size <= d, size * size / 2, d * (size - d / 2)).sum(axis=1))


def huber_backward(outputs: Floats, targets: Floats, huber_delta: float) -> Floats:
    """Return a - t, cut to [-d, d]: the derivative by the outputs."""
    d = outputs.dtype.type(huber_delta)
    return np.asarray(np.clip(outputs - targets, -d, d))


def quantile_loss(outputs: Floats, targets: Floats, quantile: Any) -> Floats:
    """Return Σ_j of (1 - q) e above the target and -q e below, e = a - t (Koenker, Bassett 1978).

    quantile : a number between 0 and 1, or one an output.
    """
    q, error = np.asarray(quantile, outputs.dtype), outputs - targets
    return np.asarray(np.where(error > 0, (1 - q) * error, -q * error).sum(axis=1))


def quantile_loss_backward(outputs: Floats, targets: Floats, quantile: Any) -> Floats:
    """Return 1 - q above the target, -q below, 0 at it: the derivative by the outputs."""
    q, error = np.asarray(quantile, outputs.dtype), outputs - targets
    return np.asarray(np.where(error > 0, 1 - q, np.where(error < 0, -q, 0)), outputs.dtype)
