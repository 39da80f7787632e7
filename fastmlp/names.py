"""The names of what networks and trainings are made of: one table, read wherever they are named.

It imports nothing, as the command line reads it before all else. What a name means to the kernels
stands in `kernels.activations` and `kernels.losses`, the mathematics in `reference`.
"""

from __future__ import annotations

from typing import Final

__all__ = ["HIDDEN", "INITIALISERS", "LEARNING_RATES", "LOSSES", "OUTPUTS", "SCHEDULES"]

HIDDEN: Final = (
    *("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "silu", "gelu"),
    "softplus",
)
OUTPUTS: Final = ("identity", "sigmoid", "softmax")
# The outputs that a loss makes sense with.
LOSSES: Final = {
    "cross_entropy": ("softmax", "sigmoid"),
    "squared_error": ("identity", "sigmoid", "softmax"),
    "mnist_loss": ("sigmoid",),
    "absolute_error": ("identity",),
    "huber": ("identity",),
    "quantile": ("identity",),
}
INITIALISERS: Final = ("normal", "zeros", "glorot", "he")
SCHEDULES: Final = ("one_cycle", "cosine")
# Of the optimizers that the command line offers, where none is given.
LEARNING_RATES: Final = {
    "sgd": 0.1, "momentum": 0.01, "nesterov": 0.01, "adam": 1e-3, "adamw": 1e-3,
}  # fmt: skip
