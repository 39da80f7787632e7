"""Rectifiers with a slope on both sides, and their derivatives, on ordinary arrays: public kernels.

The derivatives of softplus, silu and gelu are functions of x, not of the activation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from fastmlp.kernels.activations import (
    ELU,
    GELU,
    LEAKY_RELU,
    SILU,
    SOFTPLUS,
    activate_block,
    derive_block,
)
from fastmlp.kernels.checks import require_dimensions, require_floats, require_same_shape
from fastmlp.kernels.public import blocks, parallel_twin
from fastmlp.kernels.target import kernel

__all__ = [
    "elu",
    "elu_backward",
    "elu_backward_parallel",
    "elu_parallel",
    "gelu",
    "gelu_backward",
    "gelu_backward_parallel",
    "gelu_parallel",
    "leaky_relu",
    "leaky_relu_backward",
    "leaky_relu_backward_parallel",
    "leaky_relu_parallel",
    "silu",
    "silu_backward",
    "silu_backward_parallel",
    "silu_parallel",
    "softplus",
    "softplus_backward",
    "softplus_backward_parallel",
    "softplus_parallel",
]

Array = NDArray[Any]


@kernel
def leaky_relu(x: Array, out: Array) -> None:
    """Write x where x > 0 and x / 100 elsewhere to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read
    out : the shape and dtype of x, written; it may be x

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> leaky_relu(np.array([[-2.0, 3.0]]), out)
    >>> out.round(4).tolist()
    [[-0.02, 3.0]]
    """
    require_floats((x, out))
    require_dimensions("out", out, x)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        activate_block(np.int64(LEAKY_RELU), x, out, np.int64(block))


leaky_relu_parallel = parallel_twin(leaky_relu)


@kernel
def elu(x: Array, out: Array) -> None:
    """Write x where x > 0 and e^x - 1 elsewhere to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read
    out : the shape and dtype of x, written; it may be x

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> elu(np.array([[-2.0, 3.0]]), out)
    >>> out.round(4).tolist()
    [[-0.8647, 3.0]]
    """
    require_floats((x, out))
    require_dimensions("out", out, x)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        activate_block(np.int64(ELU), x, out, np.int64(block))


elu_parallel = parallel_twin(elu)


@kernel
def softplus(x: Array, out: Array) -> None:
    """Write log(1 + e^x) to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read
    out : the shape and dtype of x, written; it may be x

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> softplus(np.array([[-2.0, 3.0]]), out)
    >>> out.round(4).tolist()
    [[0.1269, 3.0486]]
    """
    require_floats((x, out))
    require_dimensions("out", out, x)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        activate_block(np.int64(SOFTPLUS), x, out, np.int64(block))


softplus_parallel = parallel_twin(softplus)


@kernel
def silu(x: Array, out: Array) -> None:
    """Write x / (1 + e^-x) to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read
    out : the shape and dtype of x, written; it may be x

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> silu(np.array([[-2.0, 3.0]]), out)
    >>> out.round(4).tolist()
    [[-0.2384, 2.8577]]
    """
    require_floats((x, out))
    require_dimensions("out", out, x)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        activate_block(np.int64(SILU), x, out, np.int64(block))


silu_parallel = parallel_twin(silu)


@kernel
def gelu(x: Array, out: Array) -> None:
    """Write x · Φ(x), with Φ the distribution of N(0, 1) to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read
    out : the shape and dtype of x, written; it may be x

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> gelu(np.array([[-2.0, 3.0]]), out)
    >>> out.round(4).tolist()
    [[-0.0455, 2.996]]
    """
    require_floats((x, out))
    require_dimensions("out", out, x)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        activate_block(np.int64(GELU), x, out, np.int64(block))


gelu_parallel = parallel_twin(gelu)


@kernel
def leaky_relu_backward(activations: Array, delta: Array, out: Array) -> None:
    """Write delta where a > 0 and delta / 100 elsewhere to `out`, with a = leaky_relu(x).

    Parameters
    ----------
    activations : (n,) or (n, m), float32 or float64, read; the values a, not x
    delta : the shape and dtype of activations, read; the loss by the activation
    out : the shape and dtype of activations, written; the loss by x. It may be delta

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> leaky_relu_backward(np.array([[0.5, -0.5]]), np.array([[2.0, 2.0]]), out)
    >>> out.round(4).tolist()
    [[2.0, 0.02]]
    """
    require_floats((activations, delta, out))
    require_dimensions("delta", delta, activations)
    require_dimensions("out", out, activations)
    require_same_shape("delta", activations, delta)
    require_same_shape("out", activations, out)
    for block in prange(blocks(out)):
        derive_block(np.int64(LEAKY_RELU), activations, delta, out, np.int64(block))


leaky_relu_backward_parallel = parallel_twin(leaky_relu_backward)


@kernel
def elu_backward(activations: Array, delta: Array, out: Array) -> None:
    """Write delta where a > 0 and delta · (a + 1) elsewhere to `out`, elementwise, with a = elu(x).

    Parameters
    ----------
    activations : (n,) or (n, m), float32 or float64, read; the values a, not x
    delta : the shape and dtype of activations, read; the loss by the activation
    out : the shape and dtype of activations, written; the loss by x. It may be delta

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> elu_backward(np.array([[0.5, -0.5]]), np.array([[2.0, 2.0]]), out)
    >>> out.round(4).tolist()
    [[2.0, 1.0]]
    """
    require_floats((activations, delta, out))
    require_dimensions("delta", delta, activations)
    require_dimensions("out", out, activations)
    require_same_shape("delta", activations, delta)
    require_same_shape("out", activations, out)
    for block in prange(blocks(out)):
        derive_block(np.int64(ELU), activations, delta, out, np.int64(block))


elu_backward_parallel = parallel_twin(elu_backward)


@kernel
def softplus_backward(x: Array, delta: Array, out: Array) -> None:
    """Write delta / (1 + e^-x) to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read; what the activation was computed of
    delta : the shape and dtype of x, read; the loss by the activation
    out : the shape and dtype of x, written; the loss by x. It may be delta

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> softplus_backward(np.array([[0.5, -0.5]]), np.array([[2.0, 2.0]]), out)
    >>> out.round(4).tolist()
    [[1.2449, 0.7551]]
    """
    require_floats((x, delta, out))
    require_dimensions("delta", delta, x)
    require_dimensions("out", out, x)
    require_same_shape("delta", x, delta)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        derive_block(np.int64(SOFTPLUS), x, delta, out, np.int64(block))


softplus_backward_parallel = parallel_twin(softplus_backward)


@kernel
def silu_backward(x: Array, delta: Array, out: Array) -> None:
    """Write delta · s · (1 + x (1 - s)), with s = 1 / (1 + e^-x) to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read; what the activation was computed of
    delta : the shape and dtype of x, read; the loss by the activation
    out : the shape and dtype of x, written; the loss by x. It may be delta

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> silu_backward(np.array([[0.5, -0.5]]), np.array([[2.0, 2.0]]), out)
    >>> out.round(4).tolist()
    [[1.4799, 0.5201]]
    """
    require_floats((x, delta, out))
    require_dimensions("delta", delta, x)
    require_dimensions("out", out, x)
    require_same_shape("delta", x, delta)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        derive_block(np.int64(SILU), x, delta, out, np.int64(block))


silu_backward_parallel = parallel_twin(silu_backward)


@kernel
def gelu_backward(x: Array, delta: Array, out: Array) -> None:
    """Write delta · (Φ(x) + x φ(x)), with φ the density of N(0, 1) to `out`, elementwise.

    Parameters
    ----------
    x : (n,) or (n, m), float32 or float64, read; what the activation was computed of
    delta : the shape and dtype of x, read; the loss by the activation
    out : the shape and dtype of x, written; the loss by x. It may be delta

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> gelu_backward(np.array([[0.5, -0.5]]), np.array([[2.0, 2.0]]), out)
    >>> out.round(4).tolist()
    [[1.735, 0.265]]
    """
    require_floats((x, delta, out))
    require_dimensions("delta", delta, x)
    require_dimensions("out", out, x)
    require_same_shape("delta", x, delta)
    require_same_shape("out", x, out)
    for block in prange(blocks(out)):
        derive_block(np.int64(GELU), x, delta, out, np.int64(block))


gelu_backward_parallel = parallel_twin(gelu_backward)
