"""Optimizers: the numbers of an update rule, and the state it keeps for each network."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.buffers import aligned_zeros
from fastmlp.errors import invalid, invalid_type
from fastmlp.gradients import Weightless
from fastmlp.kernels import updates
from fastmlp.kernels.whole import update_network
from fastmlp.network import Network
from fastmlp.validation import check_flag, check_number

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "State"]


class State:
    """What an update rule remembers of one network: two buffers beside its parameters."""

    def __init__(self, net: Network, buffers: int) -> None:
        size = net.buffer.size
        self.first = aligned_zeros(size if buffers > 0 else 0, net.dtype)
        self.second = aligned_zeros(size if buffers > 1 else 0, net.dtype)
        self.steps = 0

    def __setstate__(self, contents: dict[str, Any]) -> None:
        """Make the state again from a pickle or a copy, its memory aligned anew."""
        self.__dict__.update(contents)
        for name in ("first", "second"):
            buffer = aligned_zeros(contents[name].size, contents[name].dtype)
            buffer[:] = contents[name]
            setattr(self, name, buffer)

    @property
    def buffers(self) -> int:
        """How many of the two there are."""
        return (self.first.size > 0) + (self.second.size > 0)

    def copy(self) -> tuple[NDArray[Any], NDArray[Any], int]:
        """Return the contents, to go back to."""
        return self.first.copy(), self.second.copy(), self.steps

    def restore(self, contents: tuple[NDArray[Any], NDArray[Any], int]) -> None:
        """Go back to contents returned by `copy`."""
        self.first[:], self.second[:], self.steps = contents


@dataclass(eq=False)
class Optimizer:
    """Base of the optimizers; use `SGD`, `Adam` or `AdamW`."""

    learning_rate: float
    _states: weakref.WeakKeyDictionary[Network, State] = field(
        default_factory=weakref.WeakKeyDictionary, init=False, repr=False
    )

    _unchecked = True

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a number; it is checked when it is used next, which may be in every step."""
        super().__setattr__(name, value)
        self.__dict__["_unchecked"] = True

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle or a copy holds: the numbers, not what was remembered."""
        left_out = ("_states", "_unchecked")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the optimizer again from `__getstate__`."""
        self.__dict__.update(state, _states=weakref.WeakKeyDictionary())

    @property
    def rule(self) -> int:
        """The code by which the kernels know the rule."""
        raise NotImplementedError

    @property
    def _buffers(self) -> int:
        return {updates.SGD: 0, updates.ADAM: 2}.get(self.rule, 1)

    def check(self) -> None:
        """Refuse numbers that cannot be used: they may have been set since they were checked."""
        self.learning_rate = check_number("learning_rate", self.learning_rate, open_below=True)

    def __post_init__(self) -> None:
        """Check the numbers."""
        self.check_once()

    def check_once(self) -> None:
        """Do what `check` does, if a number was set since it was last done."""
        if self._unchecked:
            self.check()
            self.__dict__["_unchecked"] = False

    def rates(self) -> tuple[float, float, float, float, float]:
        """Return learning rate, momentum or beta_1, beta_2, epsilon and weight decay, checked."""
        raise NotImplementedError

    def state(self, net: Network) -> State:
        """Return what this optimizer remembers of a network, made when first asked for.

        Where the rule needs other buffers than before, as when a momentum was set, it is made
        anew; the steps stay counted.
        """
        state = self._states.get(net)
        if state is None or state.buffers != self._buffers:
            new = State(net, self._buffers)
            new.steps = 0 if state is None else state.steps
            self._states[net] = state = new
        return state

    def known_state(self, net: Network) -> State | None:
        """Return what this optimizer remembers of a network, None before it was first asked for."""
        return self._states.get(net)

    def take_state(self, net: Network, state: State) -> None:
        """Take a state as what this optimizer remembers of a network."""
        self._states[net] = state

    def reset(self) -> None:
        """Forget all networks: the next step of each starts as if it were the first."""
        self._states.clear()

    def step(
        self, net: Network, gradients: tuple[Sequence[ArrayLike], Sequence[ArrayLike]]
    ) -> None:
        """Update a network's parameters once.

        Parameters
        ----------
        net : Network
            Its weights and biases are changed in place.
        gradients : (list of (n_in, n_out), list of (n_out,))
            As `net.gradients` returns them. Where it was given sample weights that are all 0,
            what it returns is no step, not even for a momentum; other gradients that are 0 are.

        Examples
        --------
        >>> import numpy as np, fastmlp
        >>> net = fastmlp.Network([2, 1], output="identity", seed=0)
        >>> x, y = np.eye(2), np.array([1.0, -1.0])
        >>> sgd = fastmlp.SGD(learning_rate=0.1)
        >>> for _ in range(100):
        ...     sgd.step(net, net.gradients(x, y, loss="squared_error"))
        >>> net.predict(x).round(2).ravel().tolist()
        [1.0, -1.0]
        """
        if not isinstance(net, Network):
            raise invalid_type("net", "a fastmlp.Network", net)
        packed = net.pack_gradients(gradients)
        *rates, weight_decay = self.rates()
        if isinstance(gradients, Weightless):
            return
        state = self.state(net)
        state.steps += 1
        update_network(
            net.table, self.rule, np.array(rates), weight_decay, state.steps, packed, net.buffer,
            state.first, state.second,
        )  # fmt: skip


@dataclass(eq=False)
class SGD(Optimizer):
    """Stochastic gradient descent, plain or with momentum.

    Parameters
    ----------
    learning_rate : float
        Factor η on the gradient.
    momentum : float in [0, 1)
        Share μ of the last step that is kept: v ← μ v - η g, w ← w + v.
    nesterov : bool
        Look ahead: w ← w + μ v - η g. Needs a momentum.

    Examples
    --------
    >>> SGD(0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9, nesterov=False)
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def check(self) -> None:
        """Refuse numbers that cannot be used: they may have been set since they were checked."""
        super().check()
        self.momentum = check_number("momentum", self.momentum, below=1.0)
        self.nesterov = check_flag("nesterov", self.nesterov)
        if self.nesterov and self.momentum == 0.0:
            raise invalid("nesterov", "a momentum greater than 0 with it", "momentum 0")

    @property
    def rule(self) -> int:
        """The code by which the kernels know the rule."""
        if self.momentum == 0.0:
            return updates.SGD
        return updates.NESTEROV if self.nesterov else updates.MOMENTUM

    def rates(self) -> tuple[float, float, float, float, float]:
        """Return learning rate, momentum, and three numbers that are not used."""
        self.check_once()
        return self.learning_rate, self.momentum, 0.0, 0.0, 0.0


@dataclass(eq=False)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015), with ε outside the bias correction as in scikit-learn.

    Parameters
    ----------
    learning_rate : float
        Step size η.
    beta_1, beta_2 : float in [0, 1)
        Decay of the mean of gradients and of their squares.
    epsilon : float
        Added to the root of the second moment.

    Examples
    --------
    >>> Adam()
    Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-08)
    """

    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def check(self) -> None:
        """Refuse numbers that cannot be used: they may have been set since they were checked."""
        super().check()
        self.beta_1 = check_number("beta_1", self.beta_1, below=1.0)
        self.beta_2 = check_number("beta_2", self.beta_2, below=1.0)
        # Padding has gradient 0 and moments 0: without ε it would become 0 / 0. Smaller ones
        # vanish in float32.
        self.epsilon = check_number("epsilon", self.epsilon, float(np.finfo(np.float32).tiny))

    @property
    def rule(self) -> int:
        """The code by which the kernels know the rule."""
        return updates.ADAM

    def rates(self) -> tuple[float, float, float, float, float]:
        """Return learning rate, beta_1, beta_2, epsilon, and no weight decay."""
        self.check_once()
        return self.learning_rate, self.beta_1, self.beta_2, self.epsilon, 0.0


@dataclass(eq=False)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): w ← w - η λ w besides.

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon : float
        As for `Adam`.
    weight_decay : float
        λ; biases do not decay.

    Examples
    --------
    >>> AdamW(weight_decay=0.1).weight_decay
    0.1
    """

    weight_decay: float = 1e-2

    def check(self) -> None:
        """Refuse numbers that cannot be used: they may have been set since they were checked."""
        super().check()
        self.weight_decay = check_number("weight_decay", self.weight_decay)

    def rates(self) -> tuple[float, float, float, float, float]:
        """Return learning rate, beta_1, beta_2, epsilon and weight decay."""
        return *super().rates()[:4], self.weight_decay
