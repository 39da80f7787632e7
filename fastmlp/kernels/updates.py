"""Update rules: what a gradient does to the parameters.

    sgd        w ← w - η g
    momentum   v ← μ v - η g,  w ← w + v                              (Polyak 1964)
    nesterov   v ← μ v - η g,  w ← w + μ v - η g                      (Nesterov 1983)
    adam       m ← β₁ m + (1 - β₁) g,  v ← β₂ v + (1 - β₂) g²
               w ← w - η √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε)         (Kingma and Ba 2015, §2)
    adamw      adam, and w ← w - η λ w                                (Loshchilov and Hutter 2019)

These are the forms scikit-learn uses: the velocity holds the learning rate, and Adam's ε stands
outside the bias correction.
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
    require_same_shape,
    require_step,
)
from fastmlp.kernels.memory import out_of_line
from fastmlp.kernels.public import block_bounds, blocks, flat, is_contiguous, parallel_twin
from fastmlp.kernels.target import device, kernel
from fastmlp.kernels.tile import fma

__all__ = [
    "ADAM",
    "MOMENTUM",
    "NESTEROV",
    "NONE",
    "SGD",
    "adam_rate",
    "adam_update",
    "adam_update_parallel",
    "adamw_update",
    "adamw_update_parallel",
    "apply_update",
    "momentum_update",
    "momentum_update_parallel",
    "nesterov_update",
    "nesterov_update_parallel",
    "sgd_update",
    "sgd_update_parallel",
]

Array = NDArray[Any]

NONE: Final = 0  # the gradient is wanted, the parameters stay
SGD: Final = 1
MOMENTUM: Final = 2
NESTEROV: Final = 3
ADAM: Final = 4


@device
def adam_rate(rate: float, beta_1: float, beta_2: float, step: int) -> float:
    """Return η √(1 - β₂ᵗ) / (1 - β₁ᵗ) in float64; `step` t counts from 1."""
    return rate * math.sqrt(1.0 - beta_2**step) / (1.0 - beta_1**step)


@device
def apply_update(
    rule: int, rate: float, beta_1: float, beta_2: float, epsilon: float, l2: float,
    shrink: float, rows: int, columns: int, gradient: Array, gradient_at: int, gradient_row: int,
    parameters: Array, at: int, row: int, state_1: Array, state_2: Array,
) -> None:  # fmt: skip
    """Apply one rule to `rows` rows of `columns` parameters.

    rate : η, or for ADAM the corrected rate of `adam_rate`.
    beta_1 : μ or β₁. l2 : added to the gradient as l2 · w. shrink : subtracted as shrink · w.
    gradient, parameters : flat, one dtype; gradient read from `gradient_at` on, parameters updated
    from `at` on; their rows stand `gradient_row` and `row` elements apart.
    state_1, state_2 : laid out as parameters, or empty where the rule keeps none; updated.
    """
    out_of_line()
    real = parameters.dtype.type
    eta, mu, nu, eps = real(rate), real(beta_1), real(beta_2), real(epsilon)
    penalty, kept = real(l2), real(1.0 - shrink)
    rest_1, rest_2 = real(1.0 - beta_1), real(1.0 - beta_2)
    in_one = row == columns and gradient_row == columns
    length = rows * columns if in_one else columns
    for r in range(1 if in_one else rows):
        start, from_ = at + r * row, gradient_at + r * gradient_row
        g = gradient[from_ : from_ + length]
        w = parameters[start : start + length]
        s = state_1[start : start + length]
        t = state_2[start : start + length]
        if rule == SGD:
            for i in range(length):
                old = w[i]
                w[i] = fma(-eta, fma(penalty, old, g[i]), kept * old)
        elif rule == MOMENTUM:
            for i in range(length):
                old = w[i]
                v = mu * s[i] - eta * fma(penalty, old, g[i])
                s[i] = v
                w[i] = kept * old + v
        elif rule == NESTEROV:
            for i in range(length):
                old = w[i]
                step = eta * fma(penalty, old, g[i])
                v = mu * s[i] - step
                s[i] = v
                w[i] = kept * old + (mu * v - step)
        elif rule == ADAM:
            for i in range(length):
                old = w[i]
                slope = fma(penalty, old, g[i])
                m = fma(mu, s[i], rest_1 * slope)
                v = fma(nu, t[i], rest_2 * (slope * slope))
                s[i] = m
                t[i] = v
                w[i] = fma(-eta, m / (math.sqrt(v) + eps), kept * old)


# --- public kernels -------------------------------------------------------------------------------


@device
def update_span(
    rule: int, rate: float, beta_1: float, beta_2: float, epsilon: float, shrink: float,
    gradient: Array, parameters: Array, state_1: Array, state_2: Array, start: int, stop: int,
) -> None:  # fmt: skip
    """Apply one rule to the elements [start, stop) of arrays of shape (n,)."""
    columns = stop - start
    apply_update(
        rule, rate, beta_1, beta_2, epsilon, 0.0, shrink, np.int64(1), columns, gradient, start,
        columns, parameters, start, columns, state_1, state_2,
    )  # fmt: skip


@device
def update_block(
    rule: int, rate: float, beta_1: float, beta_2: float, epsilon: float, shrink: float,
    gradient: Array, parameters: Array, state_1: Array, state_2: Array, block: int,
) -> None:  # fmt: skip
    """Apply one rule to one of `blocks(parameters)`.

    gradient, parameters, state_1, state_2 : (n,) or (n, m), all of one shape.
    """
    start, stop = block_bounds(parameters, block)
    if parameters.ndim == 1:
        update_span(
            rule, rate, beta_1, beta_2, epsilon, shrink, gradient, parameters, state_1, state_2,
            start, stop,
        )  # fmt: skip
    elif (
        is_contiguous(parameters) and is_contiguous(gradient) and is_contiguous(state_1)
        and is_contiguous(state_2)
    ):  # fmt: skip
        update_span(
            rule, rate, beta_1, beta_2, epsilon, shrink, flat(gradient), flat(parameters),
            flat(state_1), flat(state_2), start, stop,
        )  # fmt: skip
    else:
        columns = parameters.shape[1]
        while start < stop:
            row = start // columns
            left, right = start - row * columns, min(columns, stop - row * columns)
            update_span(
                rule, rate, beta_1, beta_2, epsilon, shrink, gradient[row], parameters[row],
                state_1[row], state_2[row], left, right,
            )  # fmt: skip
            start += right - left


@kernel
def sgd_update(parameters: Array, gradient: Array, learning_rate: float) -> None:
    """Gradient descent, in place: w ← w - η g.

    Parameters
    ----------
    parameters : (n,) or (n, m), float32 or float64, updated; w
    gradient : the shape and dtype of parameters, read; g
    learning_rate : float
        η.

    Examples
    --------
    >>> w = np.array([1.0, 2.0])
    >>> sgd_update(w, np.array([2.0, 4.0]), 0.25)
    >>> w.tolist()
    [0.5, 1.0]
    """
    require_floats((parameters, gradient))
    require_dimensions("gradient", gradient, parameters)
    require_same_shape("gradient", parameters, gradient)
    for block in prange(blocks(parameters)):
        update_block(
            np.int64(SGD), learning_rate, 0.0, 0.0, 0.0, 0.0, gradient, parameters, parameters,
            parameters, np.int64(block),
        )  # fmt: skip


sgd_update_parallel = parallel_twin(sgd_update)


@kernel
def momentum_update(
    parameters: Array, gradient: Array, velocity: Array, learning_rate: float, momentum: float
) -> None:
    """Momentum, in place: v ← µ v - η g, then w ← w + v.

    Parameters
    ----------
    parameters : (n,) or (n, m), float32 or float64, updated; w
    gradient : the shape and dtype of parameters, read; g
    velocity : the shape and dtype of parameters, updated; v, zero at first
    learning_rate, momentum : float
        η and µ. Polyak 1964.

    Examples
    --------
    >>> w, v = np.array([1.0]), np.array([0.0])
    >>> momentum_update(w, np.array([2.0]), v, 0.25, 0.5)
    >>> w.tolist(), v.tolist()
    ([0.5], [-0.5])
    """
    require_floats((parameters, gradient, velocity))
    require_dimensions("gradient", gradient, parameters)
    require_dimensions("velocity", velocity, parameters)
    require_same_shape("gradient", parameters, gradient)
    require_same_shape("velocity", parameters, velocity)
    for block in prange(blocks(parameters)):
        update_block(
            np.int64(MOMENTUM), learning_rate, momentum, 0.0, 0.0, 0.0, gradient, parameters,
            velocity, velocity, np.int64(block),
        )  # fmt: skip


momentum_update_parallel = parallel_twin(momentum_update)


@kernel
def nesterov_update(
    parameters: Array, gradient: Array, velocity: Array, learning_rate: float, momentum: float
) -> None:
    """Nesterov momentum, in place: v ← µ v - η g, then w ← w + µ v - η g.

    Parameters
    ----------
    parameters : (n,) or (n, m), float32 or float64, updated; w
    gradient : the shape and dtype of parameters, read; g
    velocity : the shape and dtype of parameters, updated; v, zero at first
    learning_rate, momentum : float
        η and µ. Nesterov 1983, as scikit-learn does it.

    Examples
    --------
    >>> w, v = np.array([1.0]), np.array([0.0])
    >>> nesterov_update(w, np.array([2.0]), v, 0.25, 0.5)
    >>> w.tolist(), v.tolist()
    ([0.25], [-0.5])
    """
    require_floats((parameters, gradient, velocity))
    require_dimensions("gradient", gradient, parameters)
    require_dimensions("velocity", velocity, parameters)
    require_same_shape("gradient", parameters, gradient)
    require_same_shape("velocity", parameters, velocity)
    for block in prange(blocks(parameters)):
        update_block(
            np.int64(NESTEROV), learning_rate, momentum, 0.0, 0.0, 0.0, gradient, parameters,
            velocity, velocity, np.int64(block),
        )  # fmt: skip


nesterov_update_parallel = parallel_twin(nesterov_update)


@kernel
def adam_update(
    parameters: Array, gradient: Array, first_moment: Array, second_moment: Array, step: int,
    learning_rate: float = 1e-3, beta_1: float = 0.9, beta_2: float = 0.999,
    epsilon: float = 1e-8,
) -> None:  # fmt: skip
    """Adam, in place: w ← w - η_t m / (√v + ε), m and v the new moments of the gradient.

    Parameters
    ----------
    parameters : (n,) or (n, m), float32 or float64, updated; w
    gradient : the shape and dtype of parameters, read; g
    first_moment, second_moment : the shape and dtype of parameters, updated; m and v, zero at first
    step : int
        t, counting from 1.
    learning_rate, beta_1, beta_2, epsilon : float
        η, β₁, β₂, ε. η_t = η √(1 - β₂ᵗ) / (1 - β₁ᵗ). Kingma and Ba 2015, end of section 2.

    Examples
    --------
    >>> w, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> adam_update(w, np.array([2.0]), m, v, 1, 0.5)
    >>> w.round(4).tolist(), m.round(4).tolist(), v.round(4).tolist()
    ([0.5], [0.2], [0.004])
    """
    require_floats((parameters, gradient, first_moment, second_moment))
    require_dimensions("gradient", gradient, parameters)
    require_dimensions("first_moment", first_moment, parameters)
    require_dimensions("second_moment", second_moment, parameters)
    require_same_shape("gradient", parameters, gradient)
    require_same_shape("first_moment", parameters, first_moment)
    require_same_shape("second_moment", parameters, second_moment)
    require_step(step)
    rate = adam_rate(learning_rate, beta_1, beta_2, step)
    for block in prange(blocks(parameters)):
        update_block(
            np.int64(ADAM), rate, beta_1, beta_2, epsilon, 0.0, gradient,
            parameters, first_moment, second_moment, np.int64(block),
        )  # fmt: skip


adam_update_parallel = parallel_twin(adam_update)


@kernel
def adamw_update(
    parameters: Array, gradient: Array, first_moment: Array, second_moment: Array, step: int,
    learning_rate: float = 1e-3, beta_1: float = 0.9, beta_2: float = 0.999,
    epsilon: float = 1e-8, weight_decay: float = 1e-2,
) -> None:  # fmt: skip
    """Adam with decoupled weight decay, in place: beside Adam's step, w ← w - η λ w.

    Parameters
    ----------
    parameters : (n,) or (n, m), float32 or float64, updated; w
    gradient : the shape and dtype of parameters, read; g
    first_moment, second_moment : the shape and dtype of parameters, updated; m and v, zero at first
    step : int
        t, counting from 1.
    learning_rate, beta_1, beta_2, epsilon, weight_decay : float
        η, β₁, β₂, ε, λ. Loshchilov and Hutter 2019.

    Examples
    --------
    >>> w, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> adamw_update(w, np.array([2.0]), m, v, 1, 0.5, weight_decay=0.5)
    >>> w.round(4).tolist(), m.round(4).tolist(), v.round(4).tolist()
    ([0.25], [0.2], [0.004])
    """
    require_floats((parameters, gradient, first_moment, second_moment))
    require_dimensions("gradient", gradient, parameters)
    require_dimensions("first_moment", first_moment, parameters)
    require_dimensions("second_moment", second_moment, parameters)
    require_same_shape("gradient", parameters, gradient)
    require_same_shape("first_moment", parameters, first_moment)
    require_same_shape("second_moment", parameters, second_moment)
    require_step(step)
    rate = adam_rate(learning_rate, beta_1, beta_2, step)
    for block in prange(blocks(parameters)):
        update_block(
            np.int64(ADAM), rate, beta_1, beta_2, epsilon, learning_rate * weight_decay, gradient,
            parameters, first_moment, second_moment, np.int64(block),
        )  # fmt: skip


adamw_update_parallel = parallel_twin(adamw_update)
