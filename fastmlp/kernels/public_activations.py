"""Exponential, activations and their derivatives on ordinary arrays: public kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from fastmlp.kernels.activations import (
    EXP,
    IDENTITY,
    RELU,
    SIGMOID,
    TANH,
    activate_block,
    derive_block,
    softmax_row,
)
from fastmlp.kernels.checks import require_dimensions, require_floats, require_same_shape
from fastmlp.kernels.public import blocks, parallel_twin
from fastmlp.kernels.target import kernel
from fastmlp.kernels.tile import fma

__all__ = [
    "exp",
    "exp_parallel",
    "identity",
    "identity_backward",
    "identity_backward_parallel",
    "identity_parallel",
    "relu",
    "relu_backward",
    "relu_backward_parallel",
    "relu_parallel",
    "sigmoid",
    "sigmoid_backward",
    "sigmoid_backward_parallel",
    "sigmoid_parallel",
    "softmax",
    "softmax_backward",
    "softmax_backward_parallel",
    "softmax_parallel",
    "tanh",
    "tanh_backward",
    "tanh_backward_parallel",
    "tanh_parallel",
]

Array = NDArray[Any]


@kernel
def exp(x: Array, out: Array) -> None:
    """Write e^x to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read
    out : the shape and dtype of x, written; it may be x

    Notes
    -----
    Overflow gives infinity, underflow zero, NaN stays NaN; the error is below 1.1 units in the
    last place, subnormal results included.

    Examples
    --------
    >>> x = np.array([[0.0, 1.0]])
    >>> exp(x, x)
    >>> x.tolist()
    [[1.0, 2.718281828459045]]
    """
    require_floats((x, out))
    require_dimensions("out", out, x)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        activate_block(np.int64(EXP), x, out, np.int64(block))


exp_parallel = parallel_twin(exp)


@kernel
def identity(x: Array, out: Array) -> None:
    """Write x to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read
    out : the shape and dtype of x, written; it may be x

    Examples
    --------
    >>> x = np.array([[0.0, 1.0]])
    >>> identity(x, x)
    >>> x.tolist()
    [[0.0, 1.0]]
    """
    require_floats((x, out))
    require_dimensions("out", out, x)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        activate_block(np.int64(IDENTITY), x, out, np.int64(block))


identity_parallel = parallel_twin(identity)


@kernel
def sigmoid(x: Array, out: Array) -> None:
    """Write 1 / (1 + e^-x) to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read
    out : the shape and dtype of x, written; it may be x

    Examples
    --------
    >>> x = np.array([[0.0, 1000.0]])
    >>> sigmoid(x, x)
    >>> x.tolist()
    [[0.5, 1.0]]
    """
    require_floats((x, out))
    require_dimensions("out", out, x)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        activate_block(np.int64(SIGMOID), x, out, np.int64(block))


sigmoid_parallel = parallel_twin(sigmoid)


@kernel
def tanh(x: Array, out: Array) -> None:
    """Write (e^x - e^-x) / (e^x + e^-x) to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read
    out : the shape and dtype of x, written; it may be x

    Examples
    --------
    >>> x = np.array([[0.0, 1000.0]])
    >>> tanh(x, x)
    >>> x.tolist()
    [[0.0, 1.0]]
    """
    require_floats((x, out))
    require_dimensions("out", out, x)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        activate_block(np.int64(TANH), x, out, np.int64(block))


tanh_parallel = parallel_twin(tanh)


@kernel
def relu(x: Array, out: Array) -> None:
    """Write max(x, 0) to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read
    out : the shape and dtype of x, written; it may be x

    Notes
    -----
    NaN stays NaN.

    Examples
    --------
    >>> x = np.array([[-2.0, 3.0]])
    >>> relu(x, x)
    >>> x.tolist()
    [[0.0, 3.0]]
    """
    require_floats((x, out))
    require_dimensions("out", out, x)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        activate_block(np.int64(RELU), x, out, np.int64(block))


relu_parallel = parallel_twin(relu)


@kernel
def identity_backward(activations: Array, delta: Array, out: Array) -> None:
    """Write delta to `out`, elementwise, with a = identity(x).

    Parameters
    ----------
    activations : (n,) or (n, m), float32 or float64, read; the values a, not x
    delta : the shape and dtype of activations, read; the loss by a
    out : the shape and dtype of activations, written; the loss by x. It may be delta

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> identity_backward(np.array([[0.5, 1.0]]), np.array([[2.0, 2.0]]), out)
    >>> out.tolist()
    [[2.0, 2.0]]
    """
    require_floats((activations, delta, out))
    require_dimensions("delta", delta, activations)
    require_dimensions("out", out, activations)
    require_same_shape("delta", activations, delta)
    require_same_shape("out", activations, out)
    for block in prange(blocks(out)):
        derive_block(np.int64(IDENTITY), activations, delta, out, np.int64(block))


identity_backward_parallel = parallel_twin(identity_backward)


@kernel
def sigmoid_backward(activations: Array, delta: Array, out: Array) -> None:
    """Write delta · a · (1 - a) to `out`, elementwise, with a = sigmoid(x).

    Parameters
    ----------
    activations : (n,) or (n, m), float32 or float64, read; the values a, not x
    delta : the shape and dtype of activations, read; the loss by a
    out : the shape and dtype of activations, written; the loss by x. It may be delta

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> sigmoid_backward(np.array([[0.5, 1.0]]), np.array([[2.0, 2.0]]), out)
    >>> out.tolist()
    [[0.5, 0.0]]
    """
    require_floats((activations, delta, out))
    require_dimensions("delta", delta, activations)
    require_dimensions("out", out, activations)
    require_same_shape("delta", activations, delta)
    require_same_shape("out", activations, out)
    for block in prange(blocks(out)):
        derive_block(np.int64(SIGMOID), activations, delta, out, np.int64(block))


sigmoid_backward_parallel = parallel_twin(sigmoid_backward)


@kernel
def tanh_backward(activations: Array, delta: Array, out: Array) -> None:
    """Write delta · (1 - a²) to `out`, elementwise, with a = tanh(x).

    Parameters
    ----------
    activations : (n,) or (n, m), float32 or float64, read; the values a, not x
    delta : the shape and dtype of activations, read; the loss by a
    out : the shape and dtype of activations, written; the loss by x. It may be delta

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> tanh_backward(np.array([[0.5, 1.0]]), np.array([[2.0, 2.0]]), out)
    >>> out.tolist()
    [[1.5, 0.0]]
    """
    require_floats((activations, delta, out))
    require_dimensions("delta", delta, activations)
    require_dimensions("out", out, activations)
    require_same_shape("delta", activations, delta)
    require_same_shape("out", activations, out)
    for block in prange(blocks(out)):
        derive_block(np.int64(TANH), activations, delta, out, np.int64(block))


tanh_backward_parallel = parallel_twin(tanh_backward)


@kernel
def relu_backward(activations: Array, delta: Array, out: Array) -> None:
    """Write delta where a > 0 and 0 elsewhere to `out`, elementwise, with a = relu(x).

    Parameters
    ----------
    activations : (n,) or (n, m), float32 or float64, read; the values a, not x
    delta : the shape and dtype of activations, read; the loss by a
    out : the shape and dtype of activations, written; the loss by x. It may be delta

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> relu_backward(np.array([[0.5, 1.0]]), np.array([[2.0, 2.0]]), out)
    >>> out.tolist()
    [[2.0, 2.0]]
    """
    require_floats((activations, delta, out))
    require_dimensions("delta", delta, activations)
    require_dimensions("out", out, activations)
    require_same_shape("delta", activations, delta)
    require_same_shape("out", activations, out)
    for block in prange(blocks(out)):
        derive_block(np.int64(RELU), activations, delta, out, np.int64(block))


relu_backward_parallel = parallel_twin(relu_backward)


@kernel
def softmax(x: Array, out: Array) -> None:
    """Write e^x_j / Σ_k e^x_k of each row to `out`.

    Parameters
    ----------
    x : (n, m), float32 or float64, read
    out : (n, m), the dtype of x, written; it may be x

    Notes
    -----
    The row's maximum is subtracted first, so nothing overflows. The sum is in the dtype of x.

    Examples
    --------
    >>> x = np.array([[1000.0, 1000.0], [0.0, -1000.0]])
    >>> softmax(x, x)
    >>> x.tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    require_floats((x, out))
    require_dimensions("x", x, 2)
    require_dimensions("out", out, 2)
    require_same_shape("out", x, out)
    rows = x.shape[0] if x.shape[1] > 0 else 0
    for r in prange(rows):
        row, values = x[r], out[r]
        for j in range(values.shape[0]):
            values[j] = row[j]
        softmax_row(values)


softmax_parallel = parallel_twin(softmax)


@kernel
def softmax_backward(probabilities: Array, delta: Array, out: Array) -> None:
    """Write p_j · (delta_j - Σ_k p_k delta_k) of each row to `out`, with p = softmax(x).

    Parameters
    ----------
    probabilities : (n, m), float32 or float64, read
    delta : (n, m), the dtype of probabilities, read; the loss by p
    out : (n, m), the dtype of probabilities, written; the loss by x. It may be delta

    Notes
    -----
    The sum is one chain of multiply-adds in the dtype of the arrays.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> softmax_backward(np.array([[0.5, 0.5]]), np.array([[4.0, 0.0]]), out)
    >>> out.tolist()
    [[1.0, -1.0]]
    """
    require_floats((probabilities, delta, out))
    require_dimensions("probabilities", probabilities, 2)
    require_dimensions("delta", delta, 2)
    require_dimensions("out", out, 2)
    require_same_shape("delta", probabilities, delta)
    require_same_shape("out", probabilities, out)
    for r in prange(probabilities.shape[0]):
        p, d, result = probabilities[r], delta[r], out[r]
        inner = result.dtype.type(0)
        for j in range(p.shape[0]):
            inner = fma(p[j], d[j], inner)
        for j in range(p.shape[0]):
            result[j] = p[j] * (d[j] - inner)


softmax_backward_parallel = parallel_twin(softmax_backward)
