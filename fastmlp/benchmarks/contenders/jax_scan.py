"""JAX: whole epochs compiled, the steps of an epoch in one `lax.scan`."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from fastmlp.benchmarks.contenders.base import Contender
from fastmlp.benchmarks.problem import Problem

__all__ = ["JaxContender"]

Array = NDArray[Any]

_ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


class JaxContender(Contender):
    """Batches stand in one array, (steps, batch, features); the last, partial one beside it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        work = self.work
        if work.dtype == "float64":
            jax.config.update("jax_enable_x64", True)
        batch = work.batch or work.rows
        whole = work.rows // batch * batch
        self.x = jnp.asarray(problem.scaled)
        x, y = problem.scaled, problem.y
        self.batches = (
            jnp.asarray(x[:whole].reshape(-1, batch, x.shape[1])),
            jnp.asarray(y[:whole].reshape(-1, batch)),
        )
        self.rest = (jnp.asarray(x[whole:]), jnp.asarray(y[whole:])) if whole < len(x) else None
        self.epoch = jax.jit(self._epoch, donate_argnums=0)
        self.forward = jax.jit(self._forward)
        self.argmax = jax.jit(lambda layers, x: self._forward(layers, x).argmax(axis=1))
        self.reset()

    def _logits(self, layers: Any, x: Any) -> Any:
        activation = _ACTIVATIONS[self.work.hidden]
        for w, b in layers[:-1]:
            x = activation(x @ w + b)
        w, b = layers[-1]
        return x @ w + b

    def _loss(self, layers: Any, x: Any, y: Any) -> Any:
        logits = self._logits(layers, x)
        if self.work.output == "sigmoid":
            z = logits[:, 0]
            return jnp.mean(jax.nn.softplus(z) - y * z)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1))

    def _step(self, state: Any, batch: Any) -> tuple[Any, Any]:
        layers, moments, step = state
        loss, gradients = jax.value_and_grad(self._loss)(layers, *batch)
        rate = self.work.learning_rate
        step = step + 1
        if self.work.optimizer == "sgd":
            layers = jax.tree.map(lambda p, g: p - rate * g, layers, gradients)
        else:
            first, second = moments
            first = jax.tree.map(lambda m, g: _BETA_1 * m + (1 - _BETA_1) * g, first, gradients)
            second = jax.tree.map(
                lambda v, g: _BETA_2 * v + (1 - _BETA_2) * g * g, second, gradients
            )
            count = step.astype(self.work.dtype)
            rate = rate * jnp.sqrt(1 - _BETA_2**count) / (1 - _BETA_1**count)
            layers = jax.tree.map(
                lambda p, m, v: p - rate * m / (jnp.sqrt(v) + _EPSILON), layers, first, second
            )
            moments = first, second
        return (layers, moments, step), loss

    def _epoch(self, state: Any, batches: Any, rest: Any) -> Any:
        state, losses = jax.lax.scan(self._step, state, batches)
        if rest is not None:
            state, _ = self._step(state, rest)
        return state, losses

    def _forward(self, layers: Any, x: Any) -> Any:
        logits = self._logits(layers, x)
        return jax.nn.sigmoid(logits) if self.work.output == "sigmoid" else jax.nn.softmax(logits)

    def reset(self) -> None:
        """Take back the parameters and the optimizer's state to the start."""
        pairs = zip(self.problem.weights, self.problem.biases, strict=True)
        layers = [(jnp.array(w), jnp.array(b)) for w, b in pairs]
        zeros = partial(jax.tree.map, jnp.zeros_like)
        moments = (zeros(layers), zeros(layers)) if self.work.optimizer == "adam" else ()
        self.state = jax.block_until_ready((layers, moments, jnp.zeros((), jnp.int32)))

    def fit(self) -> None:
        """Call the compiled epoch so many times."""
        for _ in range(self.work.epochs):
            self.state, _ = self.epoch(self.state, self.batches, self.rest)
        jax.block_until_ready(self.state)

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return copies of the parameters."""
        layers = self.state[0]
        return [np.asarray(w) for w, _ in layers], [np.asarray(b) for _, b in layers]

    def outputs(self) -> Any:
        """Call the compiled forward pass."""
        return jax.block_until_ready(self.forward(self.state[0], self.x))

    def classes(self) -> Any:
        """Call the compiled forward pass with the choice of the largest output."""
        return jax.block_until_ready(self.argmax(self.state[0], self.x))

    def facts(self) -> dict[str, str]:
        """Return the version."""
        return {"jax": jax.__version__}
