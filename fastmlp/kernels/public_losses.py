"""Losses of each row and their derivatives on ordinary arrays: public kernels.

They take probabilities, as users have them, and bound those from below by the smallest normal
number of the dtype.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba import prange
from numpy.typing import NDArray

from fastmlp.kernels.checks import (
    require_dimensions,
    require_floats,
    require_labels,
    require_same_shape,
    require_size,
)
from fastmlp.kernels.public import parallel_twin
from fastmlp.kernels.target import device, kernel

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_backward",
    "binary_cross_entropy_backward_parallel",
    "binary_cross_entropy_parallel",
    "cross_entropy",
    "cross_entropy_backward",
    "cross_entropy_backward_parallel",
    "cross_entropy_parallel",
    "mnist_loss",
    "mnist_loss_backward",
    "mnist_loss_backward_parallel",
    "mnist_loss_parallel",
    "squared_error",
    "squared_error_backward",
    "squared_error_backward_parallel",
    "squared_error_parallel",
]

Array = NDArray[Any]

_TINY_32: Final = float(np.finfo(np.float32).tiny)
_TINY_64: Final = float(np.finfo(np.float64).tiny)


@device
def smallest_normal(row: Array) -> float:
    """Return the smallest positive normal number of the array's dtype."""
    return _TINY_32 if row.itemsize == 4 else _TINY_64


@device
def bounded_log(p: float, floor: float) -> float:
    """Return log max(p, floor); NaN stays NaN."""
    return math.log(floor if p < floor else p)


@kernel
def cross_entropy(probabilities: Array, labels: Array, out: Array) -> None:
    """Write -log p[label] of each row to `out`.

    Parameters
    ----------
    probabilities : (n, m), float32 or float64, read
    labels : (n,) or (n, 1), integers in [0, m), read
    out : (n,), the dtype of probabilities, written

    Notes
    -----
    No p counts as less than the smallest positive normal number of its dtype.

    Examples
    --------
    >>> out = np.empty(2)
    >>> cross_entropy(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0, 1]), out)
    >>> out.round(4).tolist()
    [-0.0, 0.6931]
    """
    require_floats((probabilities, out))
    require_dimensions("probabilities", probabilities, 2)
    require_dimensions("out", out, 1)
    require_labels(labels, probabilities.shape[0], probabilities.shape[1])
    require_size("out", "rows", probabilities.shape[0], out.shape[0])
    floor = out.dtype.type(smallest_normal(out))
    for r in prange(out.shape[0]):
        label = labels[r] if labels.ndim == 1 else labels[r, 0]
        out[r] = -bounded_log(probabilities[r, label], floor)


cross_entropy_parallel = parallel_twin(cross_entropy)


@kernel
def cross_entropy_backward(probabilities: Array, labels: Array, out: Array) -> None:
    """Write p - onehot(label) to `out`: the derivative by the logits of a softmax output.

    Parameters
    ----------
    probabilities : (n, m), float32 or float64, read
    labels : (n,) or (n, 1), integers in [0, m), read
    out : (n, m), the dtype of probabilities, written; it may be probabilities

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> cross_entropy_backward(np.array([[0.25, 0.75]]), np.array([1]), out)
    >>> out.tolist()
    [[0.25, -0.25]]
    """
    require_floats((probabilities, out))
    require_dimensions("probabilities", probabilities, 2)
    require_dimensions("out", out, 2)
    require_labels(labels, probabilities.shape[0], probabilities.shape[1])
    require_same_shape("out", probabilities, out)
    for r in prange(out.shape[0]):
        label = labels[r] if labels.ndim == 1 else labels[r, 0]
        for j in range(out.shape[1]):
            out[r, j] = probabilities[r, j]
        out[r, label] -= out.dtype.type(1)


cross_entropy_backward_parallel = parallel_twin(cross_entropy_backward)


@device
def binary_cross_entropy_row(probabilities: Array, targets: Array) -> Any:
    """Return the loss of one row; the sum is in the dtype of the arrays."""
    real: Any = probabilities.dtype.type
    total = real(0)
    floor, one = real(smallest_normal(probabilities)), real(1)
    for j in range(probabilities.shape[0]):
        p, t = probabilities[j], targets[j]
        total -= t * bounded_log(p, floor) + (one - t) * bounded_log(one - p, floor)
    return total


@kernel
def binary_cross_entropy(probabilities: Array, targets: Array, out: Array) -> None:
    """Write -Σ_j [t_j log p_j + (1 - t_j) log(1 - p_j)] of each row to `out`.

    Parameters
    ----------
    probabilities : (n, m), float32 or float64, read
    targets : (n, m), the dtype of probabilities, read
    out : (n,), the dtype of probabilities, written

    Notes
    -----
    No logarithm is taken of less than the smallest positive normal number of the dtype.

    Examples
    --------
    >>> out = np.empty(1)
    >>> binary_cross_entropy(np.array([[0.5, 0.25]]), np.array([[1.0, 0.0]]), out)
    >>> out.round(4).tolist()
    [0.9808]
    """
    require_floats((probabilities, targets, out))
    require_dimensions("probabilities", probabilities, 2)
    require_dimensions("targets", targets, 2)
    require_dimensions("out", out, 1)
    require_same_shape("targets", probabilities, targets)
    require_size("out", "rows", probabilities.shape[0], out.shape[0])
    for r in prange(out.shape[0]):
        out[r] = binary_cross_entropy_row(probabilities[r], targets[r])


binary_cross_entropy_parallel = parallel_twin(binary_cross_entropy)


@kernel
def binary_cross_entropy_backward(probabilities: Array, targets: Array, out: Array) -> None:
    """Write p - t to `out`: the derivative by the logits of a sigmoid output.

    Parameters
    ----------
    probabilities : (n, m), float32 or float64, read
    targets : (n, m), the dtype of probabilities, read
    out : (n, m), the dtype of probabilities, written; it may be probabilities

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> binary_cross_entropy_backward(np.array([[0.5, 0.25]]), np.array([[1.0, 0.0]]), out)
    >>> out.tolist()
    [[-0.5, 0.25]]
    """
    require_floats((probabilities, targets, out))
    require_dimensions("probabilities", probabilities, 2)
    require_dimensions("targets", targets, 2)
    require_dimensions("out", out, 2)
    require_same_shape("targets", probabilities, targets)
    require_same_shape("out", probabilities, out)
    for r in prange(out.shape[0]):
        for j in range(out.shape[1]):
            out[r, j] = probabilities[r, j] - targets[r, j]


binary_cross_entropy_backward_parallel = parallel_twin(binary_cross_entropy_backward)


@device
def squared_error_row(outputs: Array, targets: Array) -> Any:
    """Return the loss of one row; the sum is in the dtype of the arrays."""
    real: Any = outputs.dtype.type
    total = real(0)
    for j in range(outputs.shape[0]):
        error = targets[j] - outputs[j]
        total += error * error
    return total


@kernel
def squared_error(outputs: Array, targets: Array, out: Array) -> None:
    """Write Σ_j (t_j - a_j)² of each row to `out`.

    Parameters
    ----------
    outputs : (n, m), float32 or float64, read
    targets : (n, m), the dtype of outputs, read
    out : (n,), the dtype of outputs, written

    Notes
    -----
    It is the sum over the outputs, neither their mean nor half of it.

    Examples
    --------
    >>> out = np.empty(1)
    >>> squared_error(np.array([[3.0, 1.0]]), np.array([[1.0, 2.0]]), out)
    >>> out.round(4).tolist()
    [5.0]
    """
    require_floats((outputs, targets, out))
    require_dimensions("outputs", outputs, 2)
    require_dimensions("targets", targets, 2)
    require_dimensions("out", out, 1)
    require_same_shape("targets", outputs, targets)
    require_size("out", "rows", outputs.shape[0], out.shape[0])
    for r in prange(out.shape[0]):
        out[r] = squared_error_row(outputs[r], targets[r])


squared_error_parallel = parallel_twin(squared_error)


@kernel
def squared_error_backward(outputs: Array, targets: Array, out: Array) -> None:
    """Write 2 (a - t) to `out`: the derivative by the outputs.

    Parameters
    ----------
    outputs : (n, m), float32 or float64, read
    targets : (n, m), the dtype of outputs, read
    out : (n, m), the dtype of outputs, written; it may be outputs

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> squared_error_backward(np.array([[3.0, 1.0]]), np.array([[1.0, 2.0]]), out)
    >>> out.tolist()
    [[4.0, -2.0]]
    """
    require_floats((outputs, targets, out))
    require_dimensions("outputs", outputs, 2)
    require_dimensions("targets", targets, 2)
    require_dimensions("out", out, 2)
    require_same_shape("targets", outputs, targets)
    require_same_shape("out", outputs, out)
    for r in prange(out.shape[0]):
        for j in range(out.shape[1]):
            out[r, j] = out.dtype.type(2) * (outputs[r, j] - targets[r, j])


squared_error_backward_parallel = parallel_twin(squared_error_backward)


@device
def mnist_loss_row(probabilities: Array, targets: Array) -> Any:
    """Return the loss of one row; the sum is in the dtype of the arrays."""
    real: Any = probabilities.dtype.type
    total = real(0)
    one = real(1)
    for j in range(probabilities.shape[0]):
        p = probabilities[j]
        total += one - p if targets[j] == one else p
    return total / real(probabilities.shape[0])


@kernel
def mnist_loss(probabilities: Array, targets: Array, out: Array) -> None:
    """Write each row's mean of 1 - p where the target is 1 and p elsewhere to `out`.

    Parameters
    ----------
    probabilities : (n, m), float32 or float64, read
    targets : (n, m), the dtype of probabilities, read
    out : (n,), the dtype of probabilities, written

    Notes
    -----
    After Howard and Gugger, "Deep Learning for Coders with fastai and PyTorch", 2020, chapter 4.

    Examples
    --------
    >>> out = np.empty(1)
    >>> mnist_loss(np.array([[0.75, 0.5]]), np.array([[1.0, 0.0]]), out)
    >>> out.round(4).tolist()
    [0.375]
    """
    require_floats((probabilities, targets, out))
    require_dimensions("probabilities", probabilities, 2)
    require_dimensions("targets", targets, 2)
    require_dimensions("out", out, 1)
    require_same_shape("targets", probabilities, targets)
    require_size("out", "rows", probabilities.shape[0], out.shape[0])
    for r in prange(out.shape[0]):
        out[r] = mnist_loss_row(probabilities[r], targets[r])


mnist_loss_parallel = parallel_twin(mnist_loss)


@kernel
def mnist_loss_backward(probabilities: Array, targets: Array, out: Array) -> None:
    """Write -1 / m where the target is 1 and 1 / m elsewhere to `out`: the derivative by p.

    Parameters
    ----------
    probabilities : (n, m), float32 or float64, read
    targets : (n, m), the dtype of probabilities, read
    out : (n, m), the dtype of probabilities, written; it may be probabilities

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> mnist_loss_backward(np.array([[0.75, 0.5]]), np.array([[1.0, 0.0]]), out)
    >>> out.tolist()
    [[-0.5, 0.5]]
    """
    require_floats((probabilities, targets, out))
    require_dimensions("probabilities", probabilities, 2)
    require_dimensions("targets", targets, 2)
    require_dimensions("out", out, 2)
    require_same_shape("targets", probabilities, targets)
    require_same_shape("out", probabilities, out)
    slope = out.dtype.type(1) / out.dtype.type(out.shape[1])
    for r in prange(out.shape[0]):
        for j in range(out.shape[1]):
            out[r, j] = -slope if targets[r, j] == 1 else slope


mnist_loss_backward_parallel = parallel_twin(mnist_loss_backward)
