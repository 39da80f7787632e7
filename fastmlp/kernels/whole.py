"""One update of all parameters of a network, from a gradient that is already there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.kernels.layout import INPUTS, WEIGHTS, WEIGHTS_ROW
from fastmlp.kernels.target import kernel
from fastmlp.kernels.updates import ADAM, adam_rate, apply_update

__all__ = ["update_network"]

Array = NDArray[Any]


@kernel
def update_network(
    table: Array, rule: int, rates: Array, weight_decay: float, step: int, gradient: Array,
    parameters: Array, state_1: Array, state_2: Array,
) -> None:  # fmt: skip
    """Apply one rule to every layer; `step` counts from 1.

    table : (layers, FIELDS) int64, read. rates : (4,) float64: learning rate, momentum or β₁, β₂
    and ε. gradient : laid out as parameters, read. parameters, state_1, state_2 : flat, one dtype,
    updated; a state is empty where the rule keeps none.
    """
    rate = rates[0]
    if rule == ADAM:
        rate = adam_rate(rate, rates[1], rates[2], step)
    shrink = rates[0] * weight_decay
    for layer in range(table.shape[0]):
        first, row = table[layer, WEIGHTS], table[layer, WEIGHTS_ROW]
        biases = first + table[layer, INPUTS] * row
        for part in range(2):  # weights, then biases, which do not decay
            low, high = (first, biases) if part == 0 else (biases, biases + row)
            apply_update(
                rule, rate, rates[1], rates[2], rates[3], 0.0, shrink if part == 0 else 0.0,
                np.int64(1), high - low, gradient, low, high - low, parameters, low, high - low,
                state_1, state_2,
            )  # fmt: skip
