"""The estimators' update rules: their numbers, and what they remember."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastmlp.buffers import aligned_zeros
from fastmlp.kernels import updates
from fastmlp.parameters import Parameters
from fastmlp.passes import Rule

__all__ = ["SolverState"]

# What a solver remembers besides its arrays.
_NUMBERS = ("learning_rate", "steps", "batches", "told")


class SolverState:
    """What a stochastic solver remembers: learning rate, updates made, and moments or velocity.

    Attributes
    ----------
    learning_rate : float
        Now; `adaptive` and `invscaling` change it.
    steps, batches : int
        Updates made; and batches taken, by which a schedule goes: one whose samples all have
        weight 0 has its place there, and makes no update.
    told : (str, float, float)
        The estimator's learning_rate, learning_rate_init and power_t that `learning_rate` is of.
    first, second : ndarray
        Laid out as the parameters, or empty where the rule keeps none.
    """

    def __init__(self, estimator: Any, network: Parameters) -> None:
        self.steps, self.batches, self.told = 0, 0, ("", 0.0, 0.0)
        self.follow(estimator)
        adam = estimator.solver == "adam"
        size = network.buffer.size
        self.first = aligned_zeros(size if adam or estimator.momentum else 0, network.dtype)
        self.second = aligned_zeros(size if adam else 0, network.dtype)

    def follow(self, estimator: Any) -> None:
        """Take a learning rate and schedule that were set since they were last looked at."""
        base, power = float(estimator.learning_rate_init), float(estimator.power_t)
        told = estimator.learning_rate, base, power
        if told != self.told:
            self.told = told
            falls = estimator.solver == "sgd" and estimator.learning_rate == "invscaling"
            before = getattr(estimator, "t_", 0)
            self.learning_rate = base / (before + 1) ** power if falls and before else base

    def fits(self, estimator: Any, network: Parameters) -> bool:
        """Return whether this is the state of such a rule for such a network."""
        other = SolverState(estimator, network)
        return all(
            mine.size == its.size and mine.dtype == its.dtype
            for mine, its in ((self.first, other.first), (self.second, other.second))
        )

    def rule(self, estimator: Any) -> Rule:
        """Return the rule that the estimator's parameters describe."""
        decay = float(estimator.weight_decay)
        code, numbers = updates.SGD, (float(estimator.momentum), 0.0, 0.0)
        if estimator.solver == "adam":
            # Padding has moments of 0, and 0 / (0 + ε) must be 0: ε may not vanish.
            epsilon = max(float(estimator.epsilon), float(np.finfo(self.first.dtype).tiny))
            code = updates.ADAM
            numbers = float(estimator.beta_1), float(estimator.beta_2), epsilon
        elif estimator.momentum:
            code = updates.NESTEROV if estimator.nesterovs_momentum else updates.MOMENTUM
        rates = (self.learning_rate, *numbers, decay)
        return Rule(code, rates, float(estimator.alpha), float(estimator.dropout))

    def pack(self, network: Parameters) -> dict[str, Any]:
        """Return the state as arrays and numbers, without the padding of this machine."""
        arrays = {
            name: network.unpack_gradients(buffer) if buffer.size else None
            for name, buffer in (("first", self.first), ("second", self.second))
        }
        return arrays | {name: getattr(self, name) for name in _NUMBERS}

    @classmethod
    def unpack(cls, packed: dict[str, Any], network: Parameters) -> SolverState:
        """Return the state that `pack` described."""
        state = cls.__new__(cls)
        for name in _NUMBERS:
            setattr(state, name, packed[name])
        none = aligned_zeros(0, network.dtype)
        state.first, state.second = (
            none if arrays is None else network.pack_gradients(arrays)
            for arrays in (packed["first"], packed["second"])
        )
        return state
