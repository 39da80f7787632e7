"""Dense layers and their gradients on ordinary arrays: public kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from fastmlp.kernels.activations import IDENTITY, RELU, SIGMOID, TANH, softmax_row
from fastmlp.kernels.checks import require_dimensions, require_floats, require_size
from fastmlp.kernels.dense import INPUT_ROWS, dense_part, input_part, weights_part
from fastmlp.kernels.public import parallel_twin, part_bounds, parts
from fastmlp.kernels.target import device, kernel

__all__ = [
    "dense",
    "dense_backward_biases",
    "dense_backward_biases_parallel",
    "dense_backward_input",
    "dense_backward_input_parallel",
    "dense_backward_weights",
    "dense_backward_weights_parallel",
    "dense_parallel",
    "dense_relu",
    "dense_relu_parallel",
    "dense_sigmoid",
    "dense_sigmoid_parallel",
    "dense_softmax",
    "dense_softmax_parallel",
    "dense_tanh",
    "dense_tanh_parallel",
]

Array = NDArray[Any]


@device
def require_dense(x: Array, w: Array, b: Array, out: Array) -> None:
    """Raise KernelShapeError unless the arrays of a dense layer fit together."""
    require_dimensions("x", x, 2)
    require_dimensions("w", w, 2)
    require_dimensions("b", b, 1)
    require_dimensions("out", out, 2)
    require_size("w", "rows", x.shape[1], w.shape[0])
    require_size("b", "elements", w.shape[1], b.shape[0])
    require_size("out", "rows", x.shape[0], out.shape[0])
    require_size("out", "columns", w.shape[1], out.shape[1])


@kernel
def dense(x: Array, w: Array, b: Array, out: Array) -> None:
    """Write x w + b to `out`.

    Parameters
    ----------
    x : (n, n_in), float32 or float64, read
    w : (n_in, n_out), the dtype of x, read
    b : (n_out,), the dtype of x, read
    out : (n, n_out), the dtype of x, written; it overlaps no input

    Notes
    -----
    Each element is one chain of fused multiply-adds over ascending k in the dtype of x, from
    zero, then the bias: a row does not depend on the rows beside it. w and out whose rows have
    gaps between elements (Fortran order, `w[:, ::2]`) go the slow way, to the same bits.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> dense(np.array([[1.0, 2.0]]), np.ones((2, 2)), np.array([4.0, 5.0]), out)
    >>> out.tolist()
    [[7.0, 8.0]]
    """
    require_floats((x, w, b, out))
    require_dense(x, w, b, out)
    for part in prange(parts(out.shape[0])):
        dense_part(np.int64(IDENTITY), x, w, b, out, np.int64(part))


dense_parallel = parallel_twin(dense)


@kernel
def dense_sigmoid(x: Array, w: Array, b: Array, out: Array) -> None:
    """Write sigmoid(x w + b) to `out`.

    Parameters
    ----------
    x : (n, n_in), float32 or float64, read
    w : (n_in, n_out), the dtype of x, read
    b : (n_out,), the dtype of x, read
    out : (n, n_out), the dtype of x, written; it overlaps no input

    Notes
    -----
    The product is that of `dense`.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> dense_sigmoid(np.array([[1.0, 2.0]]), np.ones((2, 2)), np.array([4.0, 5.0]), out)
    >>> out.round(4).tolist()
    [[0.9991, 0.9997]]
    """
    require_floats((x, w, b, out))
    require_dense(x, w, b, out)
    for part in prange(parts(out.shape[0])):
        dense_part(np.int64(SIGMOID), x, w, b, out, np.int64(part))


dense_sigmoid_parallel = parallel_twin(dense_sigmoid)


@kernel
def dense_tanh(x: Array, w: Array, b: Array, out: Array) -> None:
    """Write tanh(x w + b) to `out`.

    Parameters
    ----------
    x : (n, n_in), float32 or float64, read
    w : (n_in, n_out), the dtype of x, read
    b : (n_out,), the dtype of x, read
    out : (n, n_out), the dtype of x, written; it overlaps no input

    Notes
    -----
    The product is that of `dense`.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> dense_tanh(np.array([[1.0, 2.0]]), np.ones((2, 2)), np.array([4.0, 5.0]), out)
    >>> out.round(4).tolist()
    [[1.0, 1.0]]
    """
    require_floats((x, w, b, out))
    require_dense(x, w, b, out)
    for part in prange(parts(out.shape[0])):
        dense_part(np.int64(TANH), x, w, b, out, np.int64(part))


dense_tanh_parallel = parallel_twin(dense_tanh)


@kernel
def dense_relu(x: Array, w: Array, b: Array, out: Array) -> None:
    """Write max(x w + b, 0) to `out`.

    Parameters
    ----------
    x : (n, n_in), float32 or float64, read
    w : (n_in, n_out), the dtype of x, read
    b : (n_out,), the dtype of x, read
    out : (n, n_out), the dtype of x, written; it overlaps no input

    Notes
    -----
    The product is that of `dense`.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> dense_relu(np.array([[1.0, 2.0]]), np.ones((2, 2)), np.array([4.0, 5.0]), out)
    >>> out.tolist()
    [[7.0, 8.0]]
    """
    require_floats((x, w, b, out))
    require_dense(x, w, b, out)
    for part in prange(parts(out.shape[0])):
        dense_part(np.int64(RELU), x, w, b, out, np.int64(part))


dense_relu_parallel = parallel_twin(dense_relu)


@kernel
def dense_softmax(x: Array, w: Array, b: Array, out: Array) -> None:
    """Write softmax(x w + b), row by row, to `out`.

    Parameters
    ----------
    x : (n, n_in), float32 or float64, read
    w : (n_in, n_out), the dtype of x, read
    b : (n_out,), the dtype of x, read
    out : (n, n_out), the dtype of x, written; it overlaps no input

    Notes
    -----
    The product is that of `dense`.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> dense_softmax(np.array([[1.0, 2.0]]), np.ones((2, 2)), np.array([4.0, 5.0]), out)
    >>> out.round(4).tolist()
    [[0.2689, 0.7311]]
    """
    require_floats((x, w, b, out))
    require_dense(x, w, b, out)
    for part in prange(parts(out.shape[0])):
        dense_part(np.int64(IDENTITY), x, w, b, out, np.int64(part))
        top, bottom = part_bounds(out.shape[0], np.int64(part))
        for r in range(top, bottom if out.shape[1] > 0 else top):
            softmax_row(out[r])


dense_softmax_parallel = parallel_twin(dense_softmax)


@kernel
def dense_backward_weights(x: Array, delta: Array, out: Array) -> None:
    """Write xᵀ delta to `out`: the gradient of the weights.

    Parameters
    ----------
    x : (n, n_in), float32 or float64, read
    delta : (n, n_out), the dtype of x, read; the loss by x w + b
    out : (n_in, n_out), the dtype of x, written; it overlaps no input

    Examples
    --------
    >>> out = np.empty((2, 1))
    >>> dense_backward_weights(np.array([[1.0, 2.0]]), np.array([[3.0]]), out)
    >>> out.tolist()
    [[3.0], [6.0]]
    """
    require_floats((x, delta, out))
    require_dimensions("x", x, 2)
    require_dimensions("delta", delta, 2)
    require_dimensions("out", out, 2)
    require_size("delta", "rows", x.shape[0], delta.shape[0])
    require_size("out", "rows", x.shape[1], out.shape[0])
    require_size("out", "columns", delta.shape[1], out.shape[1])
    for part in prange(parts(out.shape[0])):
        weights_part(x, delta, out, np.int64(part))


dense_backward_weights_parallel = parallel_twin(dense_backward_weights)


@kernel
def dense_backward_biases(delta: Array, out: Array) -> None:
    """Write the column sums Σ_r delta[r, j] to `out`: the gradient of the biases.

    Parameters
    ----------
    delta : (n, n_out), float32 or float64, read; the loss by x w + b
    out : (n_out,), the dtype of delta, written

    Notes
    -----
    The sums are in the dtype of delta, over ascending rows.

    Examples
    --------
    >>> out = np.empty(2)
    >>> dense_backward_biases(np.array([[1.0, 2.0], [3.0, 4.0]]), out)
    >>> out.tolist()
    [4.0, 6.0]
    """
    require_floats((delta, out))
    require_dimensions("delta", delta, 2)
    require_dimensions("out", out, 1)
    require_size("out", "elements", delta.shape[1], out.shape[0])
    for part in prange(parts(out.shape[0])):
        left, right = part_bounds(out.shape[0], np.int64(part))
        for j in range(left, right):
            out[j] = out.dtype.type(0)
        for r in range(delta.shape[0]):
            for j in range(left, right):
                out[j] += delta[r, j]


dense_backward_biases_parallel = parallel_twin(dense_backward_biases)


@kernel
def dense_backward_input(delta: Array, w: Array, out: Array) -> None:
    """Write delta wᵀ to `out`: the gradient of the layer's input.

    Parameters
    ----------
    delta : (n, n_out), float32 or float64, read; the loss by x w + b
    w : (n_in, n_out), the dtype of delta, read
    out : (n, n_in), the dtype of delta, written; it overlaps no input

    Notes
    -----
    Blocks of w are transposed in scratch memory on the stack, each for 256 rows of delta.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> dense_backward_input(np.array([[3.0]]), np.array([[1.0], [2.0]]), out)
    >>> out.tolist()
    [[3.0, 6.0]]
    """
    require_floats((delta, w, out))
    require_dimensions("delta", delta, 2)
    require_dimensions("w", w, 2)
    require_dimensions("out", out, 2)
    require_size("w", "columns", delta.shape[1], w.shape[1])
    require_size("out", "rows", delta.shape[0], out.shape[0])
    require_size("out", "columns", w.shape[0], out.shape[1])
    for part in prange((out.shape[0] + INPUT_ROWS - 1) // INPUT_ROWS):
        input_part(delta, w, out, np.int64(part))


dense_backward_input_parallel = parallel_twin(dense_backward_input)
