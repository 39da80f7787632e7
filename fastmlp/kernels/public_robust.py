"""Losses of numbers that outliers pull less, on ordinary arrays: public kernels; and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from fastmlp.kernels.activations import kept
from fastmlp.kernels.checks import (
    require_dimensions,
    require_floats,
    require_same_shape,
    require_size,
)
from fastmlp.kernels.losses import ABSOLUTE_ERROR, HUBER, QUANTILE, error_and_slope
from fastmlp.kernels.public import parallel_twin
from fastmlp.kernels.target import device, kernel

__all__ = [
    "absolute_error",
    "absolute_error_backward",
    "absolute_error_backward_parallel",
    "absolute_error_parallel",
    "dropout",
    "dropout_parallel",
    "huber",
    "huber_backward",
    "huber_backward_parallel",
    "huber_parallel",
    "quantile_loss",
    "quantile_loss_backward",
    "quantile_loss_backward_parallel",
    "quantile_loss_parallel",
]

Array = NDArray[Any]


@device
def row_loss(loss: int, outputs: Array, targets: Array, constant: float) -> Any:
    """Return the loss of one row; all is in the dtype of the arrays."""
    real: Any = outputs.dtype.type
    total = real(0)
    for j in range(outputs.shape[0]):
        value, _ = error_and_slope(loss, outputs[j], targets[j], 1, real(constant))
        total += value
    return total


@device
def row_slopes(loss: int, outputs: Array, targets: Array, constant: float, out: Array) -> None:
    """Write the derivatives of one row's loss to `out`."""
    for j in range(out.shape[0]):
        _, slope = error_and_slope(loss, outputs[j], targets[j], 1, out.dtype.type(constant))
        out[j] = slope


@kernel
def absolute_error(outputs: Array, targets: Array, out: Array) -> None:
    """Write Σ_j |a_j - t_j| of each row to `out`.

    Parameters
    ----------
    outputs : (n, m), float32 or float64, read
    targets : (n, m), the dtype of outputs, read
    out : (n,), the dtype of outputs, written

    Examples
    --------
    >>> out = np.empty(1)
    >>> absolute_error(np.array([[3.0, 1.0]]), np.array([[1.0, 2.0]]), out)
    >>> out.round(4).tolist()
    [3.0]
    """
    require_floats((outputs, targets, out))
    require_dimensions("outputs", outputs, 2)
    require_dimensions("targets", targets, 2)
    require_dimensions("out", out, 1)
    require_same_shape("targets", outputs, targets)
    require_size("out", "rows", outputs.shape[0], out.shape[0])
    for r in prange(out.shape[0]):
        out[r] = row_loss(np.int64(ABSOLUTE_ERROR), outputs[r], targets[r], 0.0)


absolute_error_parallel = parallel_twin(absolute_error)


@kernel
def absolute_error_backward(outputs: Array, targets: Array, out: Array) -> None:
    """Write the sign of a - t, 0 at 0 to `out`: the derivative by the outputs.

    Parameters
    ----------
    outputs : (n, m), float32 or float64, read
    targets : (n, m), the dtype of outputs, read
    out : (n, m), the dtype of outputs, written; it may be outputs

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> absolute_error_backward(np.array([[3.0, 1.0]]), np.array([[1.0, 2.0]]), out)
    >>> out.round(4).tolist()
    [[1.0, -1.0]]
    """
    require_floats((outputs, targets, out))
    require_dimensions("outputs", outputs, 2)
    require_dimensions("targets", targets, 2)
    require_dimensions("out", out, 2)
    require_same_shape("targets", outputs, targets)
    require_same_shape("out", outputs, out)
    for r in prange(out.shape[0]):
        row_slopes(np.int64(ABSOLUTE_ERROR), outputs[r], targets[r], 0.0, out[r])


absolute_error_backward_parallel = parallel_twin(absolute_error_backward)


@kernel
def huber(outputs: Array, targets: Array, huber_delta: float, out: Array) -> None:
    """Write Σ_j of e² / 2 up to |e| = d, then d (|e| - d / 2), to `out`.

    e is a_j - t_j, and d is huber_delta, greater than 0.

    Parameters
    ----------
    outputs : (n, m), float32 or float64, read
    targets : (n, m), the dtype of outputs, read
    huber_delta : float
    out : (n,), the dtype of outputs, written

    Examples
    --------
    >>> out = np.empty(1)
    >>> huber(np.array([[3.0, 1.0]]), np.array([[1.0, 2.0]]), 1.5, out)
    >>> out.round(4).tolist()
    [2.375]
    """
    require_floats((outputs, targets, out))
    require_dimensions("outputs", outputs, 2)
    require_dimensions("targets", targets, 2)
    require_dimensions("out", out, 1)
    require_same_shape("targets", outputs, targets)
    require_size("out", "rows", outputs.shape[0], out.shape[0])
    for r in prange(out.shape[0]):
        out[r] = row_loss(np.int64(HUBER), outputs[r], targets[r], huber_delta)


huber_parallel = parallel_twin(huber)


@kernel
def huber_backward(outputs: Array, targets: Array, huber_delta: float, out: Array) -> None:
    """Write a - t, cut to [-huber_delta, huber_delta] to `out`: the derivative by the outputs.

    Parameters
    ----------
    outputs : (n, m), float32 or float64, read
    targets : (n, m), the dtype of outputs, read
    huber_delta : float
    out : (n, m), the dtype of outputs, written; it may be outputs

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> huber_backward(np.array([[3.0, 1.0]]), np.array([[1.0, 2.0]]), 1.5, out)
    >>> out.round(4).tolist()
    [[1.5, -1.0]]
    """
    require_floats((outputs, targets, out))
    require_dimensions("outputs", outputs, 2)
    require_dimensions("targets", targets, 2)
    require_dimensions("out", out, 2)
    require_same_shape("targets", outputs, targets)
    require_same_shape("out", outputs, out)
    for r in prange(out.shape[0]):
        row_slopes(np.int64(HUBER), outputs[r], targets[r], huber_delta, out[r])


huber_backward_parallel = parallel_twin(huber_backward)


@kernel
def quantile_loss(outputs: Array, targets: Array, quantile: float, out: Array) -> None:
    """Write Σ_j of (1 - q) e above the target and -q e below to `out`.

    e is a_j - t_j, and q the quantile, between 0 and 1.

    Parameters
    ----------
    outputs : (n, m), float32 or float64, read
    targets : (n, m), the dtype of outputs, read
    quantile : float
    out : (n,), the dtype of outputs, written

    Examples
    --------
    >>> out = np.empty(1)
    >>> quantile_loss(np.array([[3.0, 1.0]]), np.array([[1.0, 2.0]]), 0.9, out)
    >>> out.round(4).tolist()
    [1.1]
    """
    require_floats((outputs, targets, out))
    require_dimensions("outputs", outputs, 2)
    require_dimensions("targets", targets, 2)
    require_dimensions("out", out, 1)
    require_same_shape("targets", outputs, targets)
    require_size("out", "rows", outputs.shape[0], out.shape[0])
    for r in prange(out.shape[0]):
        out[r] = row_loss(np.int64(QUANTILE), outputs[r], targets[r], quantile)


quantile_loss_parallel = parallel_twin(quantile_loss)


@kernel
def quantile_loss_backward(outputs: Array, targets: Array, quantile: float, out: Array) -> None:
    """Write 1 - q above the target, -q below, 0 at it to `out`: the derivative by the outputs.

    q is the quantile, between 0 and 1.

    Parameters
    ----------
    outputs : (n, m), float32 or float64, read
    targets : (n, m), the dtype of outputs, read
    quantile : float
    out : (n, m), the dtype of outputs, written; it may be outputs

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> quantile_loss_backward(np.array([[3.0, 1.0]]), np.array([[1.0, 2.0]]), 0.9, out)
    >>> out.round(4).tolist()
    [[0.1, -0.9]]
    """
    require_floats((outputs, targets, out))
    require_dimensions("outputs", outputs, 2)
    require_dimensions("targets", targets, 2)
    require_dimensions("out", out, 2)
    require_same_shape("targets", outputs, targets)
    require_same_shape("out", outputs, out)
    for r in prange(out.shape[0]):
        row_slopes(np.int64(QUANTILE), outputs[r], targets[r], quantile, out[r])


quantile_loss_backward_parallel = parallel_twin(quantile_loss_backward)


@kernel
def dropout(x: Array, rate: float, seed: int, out: Array) -> None:
    """Write x to `out` with a share `rate` of its elements 0, and the others divided by 1 - rate.

    Which are 0 is a hash of seed, row and column, the same in whatever thread.

    Parameters
    ----------
    x : (n, m), float32 or float64, read
    rate : float
    seed : int
    out : (n, m), the dtype of x, written; it may be x

    Examples
    --------
    >>> out = np.empty((1, 4))
    >>> dropout(np.ones((1, 4)), 0.5, 7, out)
    >>> out.tolist()
    [[0.0, 0.0, 2.0, 2.0]]
    """
    require_floats((x, out))
    require_dimensions("x", x, 2)
    require_dimensions("out", out, 2)
    require_same_shape("out", x, out)
    for r in prange(out.shape[0]):
        for j in range(out.shape[1]):
            out[r, j] = x[r, j] * kept(rate, seed, r, j, out.dtype.type(1.0 / (1.0 - rate)))


dropout_parallel = parallel_twin(dropout)
