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

from numpy.typing import NDArray

from fastmlp.kernels.checks import require_same_shape
from fastmlp.kernels.memory import out_of_line
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
    "adamw_update",
    "apply_update",
    "momentum_update",
    "nesterov_update",
    "sgd_update",
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
    shrink: float, gradient: Array, parameters: Array, state_1: Array, state_2: Array,
) -> None:  # fmt: skip
    """Apply one rule to a run of parameters.

    rate : η, or for ADAM the corrected rate of `adam_rate`.
    beta_1 : μ or β₁. l2 : added to the gradient as l2 · w. shrink : subtracted as shrink · w.
    gradient, parameters : (n,) one dtype, contiguous; gradient read, parameters updated.
    state_1, state_2 : (n,) or empty where the rule keeps none; updated.
    """
    out_of_line()
    real = parameters.dtype.type
    eta, mu, nu, eps = real(rate), real(beta_1), real(beta_2), real(epsilon)
    penalty, kept = real(l2), real(1.0 - shrink)
    if rule == SGD:
        for i in range(parameters.shape[0]):
            w = parameters[i]
            parameters[i] = fma(-eta, fma(penalty, w, gradient[i]), kept * w)
    elif rule == MOMENTUM:
        for i in range(parameters.shape[0]):
            w = parameters[i]
            v = mu * state_1[i] - eta * fma(penalty, w, gradient[i])
            state_1[i] = v
            parameters[i] = kept * w + v
    elif rule == NESTEROV:
        for i in range(parameters.shape[0]):
            w = parameters[i]
            step = eta * fma(penalty, w, gradient[i])
            v = mu * state_1[i] - step
            state_1[i] = v
            parameters[i] = kept * w + (mu * v - step)
    elif rule == ADAM:
        rest_1, rest_2 = real(1.0 - beta_1), real(1.0 - beta_2)
        for i in range(parameters.shape[0]):
            w = parameters[i]
            g = fma(penalty, w, gradient[i])
            m = fma(mu, state_1[i], rest_1 * g)
            v = fma(nu, state_2[i], rest_2 * (g * g))
            state_1[i] = m
            state_2[i] = v
            parameters[i] = fma(-eta, m / (math.sqrt(v) + eps), kept * w)


@device
def sgd_update(parameters: Array, gradient: Array, learning_rate: float) -> None:
    """w ← w - η g, in place.

    parameters, gradient : (n,) float32 or float64; parameters updated, gradient read.
    """
    require_same_shape("parameters and gradient", parameters, gradient)
    apply_update(
        SGD, learning_rate, 0.0, 0.0, 0.0, 0.0, 0.0, gradient, parameters, parameters, parameters
    )


@device
def momentum_update(
    parameters: Array, gradient: Array, velocity: Array, learning_rate: float, momentum: float
) -> None:
    """v ← μ v - η g, w ← w + v, in place.

    parameters, gradient, velocity : (n,) one dtype; gradient read, the others updated.
    """
    require_same_shape("parameters and gradient", parameters, gradient)
    require_same_shape("parameters and velocity", parameters, velocity)
    apply_update(
        MOMENTUM, learning_rate, momentum, 0.0, 0.0, 0.0, 0.0, gradient, parameters, velocity,
        velocity,
    )  # fmt: skip


@device
def nesterov_update(
    parameters: Array, gradient: Array, velocity: Array, learning_rate: float, momentum: float
) -> None:
    """v ← μ v - η g, w ← w + μ v - η g, in place.

    parameters, gradient, velocity : (n,) one dtype; gradient read, the others updated.
    """
    require_same_shape("parameters and gradient", parameters, gradient)
    require_same_shape("parameters and velocity", parameters, velocity)
    apply_update(
        NESTEROV, learning_rate, momentum, 0.0, 0.0, 0.0, 0.0, gradient, parameters, velocity,
        velocity,
    )  # fmt: skip


@device
def adamw_update(
    parameters: Array, gradient: Array, first_moment: Array, second_moment: Array, step: int,
    learning_rate: float, beta_1: float, beta_2: float, epsilon: float, weight_decay: float,
) -> None:  # fmt: skip
    """Adam with decoupled weight decay, in place; `step` counts from 1.

    parameters, gradient, first_moment, second_moment : (n,) one dtype; gradient read, the others
    updated.
    """
    require_same_shape("parameters and gradient", parameters, gradient)
    require_same_shape("parameters and first_moment", parameters, first_moment)
    require_same_shape("parameters and second_moment", parameters, second_moment)
    rate = adam_rate(learning_rate, beta_1, beta_2, step)
    apply_update(
        ADAM, rate, beta_1, beta_2, epsilon, 0.0, learning_rate * weight_decay, gradient,
        parameters, first_moment, second_moment,
    )  # fmt: skip


@device
def adam_update(
    parameters: Array, gradient: Array, first_moment: Array, second_moment: Array, step: int,
    learning_rate: float, beta_1: float, beta_2: float, epsilon: float,
) -> None:  # fmt: skip
    """Adam, in place; `step` counts from 1.

    parameters, gradient, first_moment, second_moment : (n,) one dtype; gradient read, the others
    updated.
    """
    adamw_update(
        parameters, gradient, first_moment, second_moment, step, learning_rate, beta_1, beta_2,
        epsilon, 0.0,
    )  # fmt: skip
