"""Activations, their derivatives, and the products of a layer, in plain NumPy."""

from __future__ import annotations

from math import erfc, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

# --- activations f(Z), and delta · f'(Z) in terms of A = f(Z); every array is (n, units) ----------


def exp(x: Floats) -> Floats:
    """Return e^x; beyond the range of the dtype 0 or infinity, without a warning."""
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.exp(x))


def identity(x: Floats) -> Floats:
    """Return a copy of x."""
    return x.copy()


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + e^-x), computed from e^-|x|, which cannot overflow."""
    e = exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def tanh(x: Floats) -> Floats:
    """Return (e^x - e^-x) / (e^x + e^-x)."""
    return np.asarray(np.tanh(x))


def relu(x: Floats) -> Floats:
    """Return max(x, 0)."""
    return np.asarray(np.maximum(x, 0))


def leaky_relu(x: Floats) -> Floats:
    """Return x where x > 0, and x / 100 elsewhere."""
    return np.where(x > 0, x, x.dtype.type(0.01) * x)


def elu(x: Floats) -> Floats:
    """Return x where x > 0, and e^x - 1 elsewhere."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def softplus(x: Floats) -> Floats:
    """Return log(1 + e^x), computed from e^-|x|, which cannot overflow."""
    return np.asarray(np.maximum(x, 0) + np.log1p(exp(-np.abs(x))))


def silu(x: Floats) -> Floats:
    """Return x / (1 + e^-x); 0 at -infinity."""
    with np.errstate(invalid="ignore"):  # -infinity · 0
        return np.where(np.isneginf(x), x.dtype.type(0), x * sigmoid(x))


def normal(x: Floats) -> Floats:
    """Return Φ(x), the distribution of N(0, 1), from the complementary error function."""
    found = [0.5 * erfc(-value / sqrt(2)) for value in x.reshape(-1).tolist()]
    return np.array(found, x.dtype).reshape(x.shape)


def gelu(x: Floats) -> Floats:
    """Return x · Φ(x); 0 at -infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(x), x.dtype.type(0), x * normal(x))


def softmax(x: Floats) -> Floats:
    """Return e^x_j / Σ_k e^x_k for each row; subtracting the row's maximum first changes nothing.

    Examples
    --------
    >>> softmax(np.array([[1000.0, 1000.0], [0.0, -1000.0]])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    e = exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def identity_backward(activations: Floats, delta: Floats) -> Floats:
    """Return a copy of delta: f' = 1."""
    return delta.copy()


def sigmoid_backward(activations: Floats, delta: Floats) -> Floats:
    """Return delta · a · (1 - a)."""
    return delta * activations * (1 - activations)


def tanh_backward(activations: Floats, delta: Floats) -> Floats:
    """Return delta · (1 - a²)."""
    return delta * (1 - activations * activations)


def relu_backward(activations: Floats, delta: Floats) -> Floats:
    """Return delta where a > 0, and 0 elsewhere (also at the kink)."""
    return np.where(activations > 0, delta, np.zeros_like(delta))


def softmax_backward(probabilities: Floats, delta: Floats) -> Floats:
    """Return p_j · (delta_j - Σ_k p_k delta_k): of each row, (diag(p) - p pᵀ) delta."""
    inner = (probabilities * delta).sum(axis=-1, keepdims=True)
    return np.asarray(probabilities * (delta - inner))


def leaky_relu_backward(activations: Floats, delta: Floats) -> Floats:
    """Return delta where a > 0, and delta / 100 elsewhere (also at the kink)."""
    return np.where(activations > 0, delta, delta.dtype.type(0.01) * delta)


def elu_backward(activations: Floats, delta: Floats) -> Floats:
    """Return delta where a > 0, and delta · (a + 1) elsewhere."""
    return np.where(activations > 0, delta, delta * (activations + 1))


def softplus_backward(x: Floats, delta: Floats) -> Floats:
    """Return delta / (1 + e^-x); of x, as for `silu_backward` and `gelu_backward`, not of a."""
    return delta * sigmoid(x)


def silu_backward(x: Floats, delta: Floats) -> Floats:
    """Return delta · s · (1 + x (1 - s)), with s = 1 / (1 + e^-x)."""
    s = sigmoid(x)
    return delta * (s + silu(x) * (1 - s))


def gelu_backward(x: Floats, delta: Floats) -> Floats:
    """Return delta · (Φ(x) + x φ(x)), with φ(x) = e^(-x²/2) / √(2π)."""
    density = exp(-x * x / 2) / x.dtype.type(sqrt(2 * pi))
    return delta * (normal(x) + x * density)


def dropout(x: Floats, rate: float, seed: int) -> Floats:
    """Return x with a share `rate` of its elements 0, and the others divided by 1 - rate.

    Element (r, j) is 0 if the hash of r and j, the finalizer of SplitMix64 (Steele, Lea and Flood,
    "Fast splittable pseudorandom number generators", 2014), is below rate · 2^64.
    """
    rows, columns = np.indices(x.shape, dtype=np.uint64)
    with np.errstate(over="ignore"):  # modulo 2^64
        h = np.uint64(seed) + rows * np.uint64(0xD1B54A32D192ED03)
        h += (columns + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        h ^= h >> np.uint64(31)
    dropped = h < np.uint64(rate * 18446744073709549568.0)
    return np.where(dropped, x.dtype.type(0), x * x.dtype.type(1 / (1 - rate)))


# --- products: x (n, n_in), w (n_in, n_out), b (n_out,), delta (n, n_out) -------------------------


def dense(x: Floats, w: Floats, b: Floats) -> Floats:
    """Return the logits x @ w + b, (n, n_out)."""
    return np.asarray(x @ w + b)


def dense_sigmoid(x: Floats, w: Floats, b: Floats) -> Floats:
    """Return sigmoid(x @ w + b), (n, n_out)."""
    return sigmoid(dense(x, w, b))


def dense_tanh(x: Floats, w: Floats, b: Floats) -> Floats:
    """Return tanh(x @ w + b), (n, n_out)."""
    return tanh(dense(x, w, b))


def dense_relu(x: Floats, w: Floats, b: Floats) -> Floats:
    """Return max(x @ w + b, 0), (n, n_out)."""
    return relu(dense(x, w, b))


def dense_softmax(x: Floats, w: Floats, b: Floats) -> Floats:
    """Return softmax(x @ w + b) of each row, (n, n_out)."""
    return softmax(dense(x, w, b))


def dense_backward_weights(x: Floats, delta: Floats) -> Floats:
    """Return the gradient of the weights, xᵀ @ delta, (n_in, n_out)."""
    return np.asarray(x.T @ delta)


def dense_backward_biases(delta: Floats) -> Floats:
    """Return the gradient of the biases, the column sums of delta, (n_out,)."""
    return np.asarray(delta.sum(axis=0))


def dense_backward_input(delta: Floats, w: Floats) -> Floats:
    """Return the gradient of the layer's input, delta @ wᵀ, (n, n_in)."""
    return np.asarray(delta @ w.T)
