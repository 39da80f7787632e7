"""Activations and their derivatives.

The derivatives of identity, sigmoid, tanh, relu, leaky relu and elu are functions of the
activation's value, so no pre-activation is kept. Those of softplus, silu and gelu are not: their
slopes are written on the way forward. Dropout, too, is kept as slopes.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from fastmlp.kernels.exponential import exp_scalar, expm1_scalar, sigmoid_scalar, tanh_scalar
from fastmlp.kernels.memory import out_of_line, scratch_like
from fastmlp.kernels.public import block_bounds, flat, gather, is_contiguous, scatter
from fastmlp.kernels.rectifiers import (
    gelu_scalar,
    gelu_slope,
    silu_scalar,
    silu_slope,
    softplus_scalar,
)
from fastmlp.kernels.target import device

__all__ = [
    "ELU",
    "EXP",
    "GELU",
    "IDENTITY",
    "LEAKY_RELU",
    "RELU",
    "SIGMOID",
    "SILU",
    "SOFTMAX",
    "SOFTPLUS",
    "TANH",
    "activate",
    "activate_block",
    "activate_keeping_slopes",
    "derive_block",
    "drop_out",
    "kept",
    "multiply",
    "multiply_by_derivative",
    "needs_slopes",
    "normalise_row",
    "shift_row",
    "slope",
    "softmax_row",
]

Array = NDArray[Any]

IDENTITY: Final = 0
SIGMOID: Final = 1
TANH: Final = 2
RELU: Final = 3
SOFTMAX: Final = 4
EXP: Final = 5  # of outputs only
LEAKY_RELU: Final = 6
ELU: Final = 7
SOFTPLUS: Final = 8  # this one and those after it: the derivative is no function of the value
SILU: Final = 9
GELU: Final = 10

# By name: those that hidden layers can have.
HIDDEN: Final = {
    "identity": IDENTITY,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "elu": ELU,
    "silu": SILU,
    "gelu": GELU,
    "softplus": SOFTPLUS,
}

_LEAK: Final = 0.01  # slope of the leaky relu below 0


@device
def needs_slopes(code: int) -> bool:
    """Return whether an activation's derivative must be computed before its value."""
    return bool(code >= SOFTPLUS)


@device
def activate(code: int, values: Array) -> None:
    """Replace values by activation(values), elementwise (SOFTMAX is not: as IDENTITY).

    values : (n,) float32 or float64, contiguous; updated. One array, not two: with two, LLVM
        vectorises only for memory that does not overlap.
    """
    out_of_line()
    zero, leak = values.dtype.type(0), values.dtype.type(_LEAK)
    if code == SIGMOID:
        for i in range(values.shape[0]):
            values[i] = sigmoid_scalar(values[i])
    elif code == TANH:
        for i in range(values.shape[0]):
            values[i] = tanh_scalar(values[i])
    elif code == RELU:
        for i in range(values.shape[0]):
            values[i] = zero if values[i] < 0 else values[i]
    elif code == EXP:
        for i in range(values.shape[0]):
            values[i] = exp_scalar(values[i])
    elif code == LEAKY_RELU:
        for i in range(values.shape[0]):
            values[i] = leak * values[i] if values[i] < 0 else values[i]
    elif code == ELU:
        for i in range(values.shape[0]):
            negative = expm1_scalar(min(values[i], zero))
            values[i] = negative if values[i] < 0 else values[i]
    elif code == SOFTPLUS:
        for i in range(values.shape[0]):
            values[i] = softplus_scalar(values[i])
    elif code == SILU:
        for i in range(values.shape[0]):
            values[i] = silu_scalar(values[i])
    elif code == GELU:
        for i in range(values.shape[0]):
            values[i] = gelu_scalar(values[i])


@device
def slope(code: int, values: Array) -> None:
    """Replace values x by activation'(x), for the activations that need it: see `needs_slopes`.

    values : (n,) float32 or float64, contiguous; updated.
    """
    out_of_line()
    if code == SOFTPLUS:
        for i in range(values.shape[0]):
            values[i] = sigmoid_scalar(values[i])
    elif code == SILU:
        for i in range(values.shape[0]):
            values[i] = silu_slope(values[i])
    else:
        for i in range(values.shape[0]):
            values[i] = gelu_slope(values[i])


@device
def activate_keeping_slopes(code: int, values: Array, slopes: Array) -> None:
    """Replace values x by activation(x), and write activation'(x) to slopes.

    values, slopes : (n,) one dtype, contiguous, apart.
    """
    if needs_slopes(code):
        for i in range(values.shape[0]):
            slopes[i] = values[i]
        slope(code, slopes)
        activate(code, values)
    else:
        activate(code, values)
        for i in range(values.shape[0]):
            slopes[i] = slopes.dtype.type(1)
        multiply_by_derivative(code, values, slopes)


@device
def multiply(factors: Array, values: Array) -> None:
    """Replace values by factors · values; both (n,), contiguous, one dtype, apart."""
    out_of_line()
    for i in range(values.shape[0]):
        values[i] = factors[i] * values[i]


@device
def multiply_by_derivative(code: int, activations: Array, delta: Array) -> None:
    """Replace delta by delta · activation'(x), where activations = activation(x).

    activations, delta : (n,) float32 or float64, contiguous, apart; activations read, delta
        updated. Not for activations that need slopes.
    """
    out_of_line()
    zero, one, leak = delta.dtype.type(0), delta.dtype.type(1), delta.dtype.type(_LEAK)
    if code == SIGMOID:
        for i in range(delta.shape[0]):
            a = activations[i]
            delta[i] = delta[i] * (a * (one - a))
    elif code == TANH:
        for i in range(delta.shape[0]):
            a = activations[i]
            delta[i] = delta[i] * (one - a * a)
    elif code == RELU:
        for i in range(delta.shape[0]):
            delta[i] = delta[i] if activations[i] > 0 else zero
    elif code == LEAKY_RELU:
        for i in range(delta.shape[0]):
            delta[i] = delta[i] if activations[i] > 0 else leak * delta[i]
    elif code == ELU:
        for i in range(delta.shape[0]):
            a = activations[i]
            delta[i] = delta[i] if a > 0 else delta[i] * (a + one)


def _kept(rate: float, seed: int, sample: int, unit: int, whole: Any) -> Any:
    """Return `whole` where a unit is kept, and 0 where it is dropped.

    It is a hash of seed, sample and unit, the finalizer of SplitMix64 (Steele, Lea and Flood 2014),
    the same in whatever thread and block.
    """
    key = np.uint64(seed) + np.uint64(sample) * np.uint64(0xD1B54A32D192ED03)
    h = key + np.uint64(unit + 1) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    h = h ^ (h >> np.uint64(31))
    return type(whole)(0) if h < np.uint64(rate * 18446744073709549568.0) else whole


# Machine code does not warn where the hash overflows, and the interpreter shall not either.
kept: Any = np.errstate(over="ignore")(_kept) if numba.config.DISABLE_JIT else device(_kept)


@device
def drop_out(values: Array, slopes: Array, rate: float, seed: int, sample: int, first: int) -> None:
    """Set a share `rate` of values and slopes to zero, and divide the others by 1 - rate.

    values, slopes : (n,) one dtype, contiguous, apart; the units from `first` on of one sample.
    """
    whole = values.dtype.type(1.0 / (1.0 - rate))
    for i in range(values.shape[0]):
        factor = kept(rate, seed, sample, first + i, whole)
        values[i] *= factor
        slopes[i] *= factor


@device
def shift_row(row: Array, outputs: int) -> None:
    """Subtract the largest of the first `outputs` elements from them: no exponential overflows.

    row : (m,) with m >= outputs, updated.
    """
    top = row[0]
    for j in range(1, outputs):
        top = max(top, row[j])
    for j in range(outputs):
        row[j] -= top


@device
def normalise_row(row: Array, outputs: int) -> None:
    """Divide the first `outputs` elements of a row by their sum, which is float64's.

    A sum of a thousand in float32 is off by 2e-6, and so are then all elements together.
    """
    total = np.float64(0)
    for j in range(outputs):
        total += np.float64(row[j])
    scale = row.dtype.type(1.0 / total)
    for j in range(outputs):
        row[j] *= scale


@device
def softmax_row(row: Array) -> None:
    """Replace the elements x of a row by exp(x - max x) / Σ exp(x - max x)."""
    shift_row(row, row.shape[0])
    for j in range(row.shape[0]):
        row[j] = exp_scalar(row[j])
    normalise_row(row, row.shape[0])


# --- for the public kernels: blocks of ordinary arrays --------------------------------------------


@device
def activate_block(code: int, x: Array, out: Array, block: int) -> None:
    """Write activation(x) to one of `blocks(out)`; out may be x."""
    start, stop = block_bounds(out, block)
    contiguous = is_contiguous(out)
    values = flat(out)[start:stop] if contiguous else scratch_like(out)[: stop - start]
    gather(x, start, values)
    activate(code, values)
    if not contiguous:
        scatter(values, out, start)


@device
def derive_block(code: int, activations: Array, delta: Array, out: Array, block: int) -> None:
    """Write delta · activation'(x) to one of `blocks(out)`; out may be either input.

    activations : the values of the activation; x itself where these do not tell the slope.
    """
    start, stop = block_bounds(out, block)
    count, scratch = stop - start, scratch_like(out)
    values, products = scratch[:count], scratch[count : 2 * count]
    gather(activations, start, values)
    gather(delta, start, products)
    if needs_slopes(code):
        slope(code, values)
        multiply(values, products)
    else:
        multiply_by_derivative(code, values, products)
    scatter(products, out, start)
