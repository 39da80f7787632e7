"""Every public kernel with its parallel twin, its reference, and arguments to try it on.

Tests and benchmarks are generated from this table: a kernel that is not in it is not finished.

Examples
--------
>>> entry = REGISTRY["dense_relu"]
>>> arguments = entry.arguments(Size(rows=4, inputs=3, outputs=2), "float32")
>>> expected = entry.expected(arguments)
>>> entry.kernel(*arguments)
>>> all(np.allclose(a, b) for a, b in zip(entry.results(arguments), expected, strict=True))
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastmlp import kernels, reference

__all__ = ["REGISTRY", "Entry", "Size"]

Array = NDArray[Any]
Random = np.random.Generator


class Size(NamedTuple):
    """Samples, and units before and after a layer; elementwise kernels take (rows, outputs)."""

    rows: int
    inputs: int
    outputs: int


@dataclass(frozen=True)
class Entry:
    """One public kernel.

    Attributes
    ----------
    name : str
        Its name, in `fastmlp.kernels` and in `fastmlp.reference`.
    inputs : function
        Makes what the reference takes from a `Size` and a random generator, in float64.
    output : function
        Returns the shape of `out`, the last argument, for a `Size`; None for updates, which have
        no such argument.
    updated : tuple of int
        The arguments that an update changes, in the order in which its reference returns them.
    """

    name: str
    inputs: Callable[[Size, Random], tuple[Any, ...]]
    output: Callable[[Size], tuple[int, ...]] | None
    updated: tuple[int, ...] = ()

    @property
    def kernel(self) -> Any:
        """The serial kernel."""
        return getattr(kernels, self.name)

    @property
    def parallel(self) -> Any:
        """Its parallel twin."""
        return getattr(kernels, f"{self.name}_parallel")

    @property
    def reference(self) -> Callable[..., Any]:
        """The function in plain NumPy, which returns what the kernel writes."""
        function: Callable[..., Any] = getattr(reference, self.name)
        return function

    def arguments(self, size: Size, dtype: DTypeLike, seed: int = 0) -> list[Any]:
        """Return arguments for the kernel; what it need not read is NaN."""
        made = [
            a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
            for a in self.inputs(size, np.random.default_rng(seed))
        ]
        if self.output is not None:
            made.append(np.full(self.output(size), np.nan, dtype))
        return made

    def written(self) -> tuple[int, ...]:
        """Return the positions of the arguments that the kernel writes."""
        return self.updated or (-1,)

    def results(self, arguments: list[Any]) -> list[Array]:
        """Return, of arguments the kernel was called with, those that it wrote."""
        return [arguments[i] for i in self.written()]

    def expected(self, arguments: list[Any], dtype: DTypeLike | None = None) -> list[Array]:
        """Return what the reference makes of the arguments, to compare with `results`.

        With `dtype`, float64 for instance, the reference computes in that instead of the
        arguments' own.
        """
        given = [
            a.astype(dtype or a.dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
            for a in (arguments if self.updated else arguments[:-1])
        ]
        values = self.reference(*given)
        return list(values) if isinstance(values, tuple) else [values]


def _matrix(s: Size) -> tuple[int, ...]:
    return (s.rows, s.outputs)


def _per_row(s: Size) -> tuple[int, ...]:
    return (s.rows,)


def _logits(s: Size, random: Random) -> tuple[Any, ...]:
    return (3 * random.standard_normal(_matrix(s)),)


def _after(activation: Callable[[Array], Array]) -> Callable[[Size, Random], tuple[Any, ...]]:
    def inputs(s: Size, random: Random) -> tuple[Any, ...]:
        return activation(*_logits(s, random)), random.standard_normal(_matrix(s))

    return inputs


def _layer(s: Size, random: Random) -> tuple[Any, ...]:
    x = random.standard_normal((s.rows, s.inputs))
    w = random.standard_normal((s.inputs, s.outputs)) / np.sqrt(max(s.inputs, 1))
    return x, w, random.standard_normal(s.outputs)


def _inputs_and_delta(s: Size, random: Random) -> tuple[Any, ...]:
    return random.standard_normal((s.rows, s.inputs)), random.standard_normal(_matrix(s))


def _delta(s: Size, random: Random) -> tuple[Any, ...]:
    return (random.standard_normal(_matrix(s)),)


def _delta_and_weights(s: Size, random: Random) -> tuple[Any, ...]:
    return random.standard_normal(_matrix(s)), random.standard_normal((s.inputs, s.outputs))


def _probabilities_and_labels(s: Size, random: Random) -> tuple[Any, ...]:
    return reference.softmax(*_logits(s, random)), random.integers(0, s.outputs, s.rows)


def _probabilities_and_targets(s: Size, random: Random) -> tuple[Any, ...]:
    targets = random.integers(0, 2, _matrix(s)).astype(np.float64)
    return reference.sigmoid(*_logits(s, random)), targets


def _outputs_and_targets(s: Size, random: Random) -> tuple[Any, ...]:
    return random.standard_normal(_matrix(s)), random.standard_normal(_matrix(s))


def _with(
    inputs: Callable[[Size, Random], tuple[Any, ...]], *settings: float
) -> Callable[[Size, Random], tuple[Any, ...]]:
    """Add settings to what is made."""
    return lambda s, random: (*inputs(s, random), *settings)


def _update(states: int, *settings: float) -> Callable[[Size, Random], tuple[Any, ...]]:
    """Parameters, gradient, states (the second of them a mean of squares), and settings."""

    def inputs(s: Size, random: Random) -> tuple[Any, ...]:
        arrays = [random.standard_normal(s.inputs * s.outputs) for _ in range(2 + states)]
        if states == 2:
            arrays[3] = arrays[3] ** 2
        return (*arrays, *settings)

    return inputs


_ADAM: Final = (7, 1e-2, 0.9, 0.999, 1e-8)

_ENTRIES: Final = (
    Entry("exp", _logits, _matrix),
    Entry("identity", _logits, _matrix),
    Entry("sigmoid", _logits, _matrix),
    Entry("tanh", _logits, _matrix),
    Entry("relu", _logits, _matrix),
    Entry("softmax", _logits, _matrix),
    Entry("identity_backward", _after(reference.identity), _matrix),
    Entry("sigmoid_backward", _after(reference.sigmoid), _matrix),
    Entry("tanh_backward", _after(reference.tanh), _matrix),
    Entry("relu_backward", _after(reference.relu), _matrix),
    Entry("softmax_backward", _after(reference.softmax), _matrix),
    Entry("leaky_relu", _logits, _matrix),
    Entry("elu", _logits, _matrix),
    Entry("silu", _logits, _matrix),
    Entry("gelu", _logits, _matrix),
    Entry("softplus", _logits, _matrix),
    Entry("leaky_relu_backward", _after(reference.leaky_relu), _matrix),
    Entry("elu_backward", _after(reference.elu), _matrix),
    Entry("silu_backward", _after(reference.identity), _matrix),
    Entry("gelu_backward", _after(reference.identity), _matrix),
    Entry("softplus_backward", _after(reference.identity), _matrix),
    Entry("dropout", _with(_logits, 0.4, 7), _matrix),
    Entry("dense", _layer, _matrix),
    Entry("dense_sigmoid", _layer, _matrix),
    Entry("dense_tanh", _layer, _matrix),
    Entry("dense_relu", _layer, _matrix),
    Entry("dense_softmax", _layer, _matrix),
    Entry("dense_backward_weights", _inputs_and_delta, lambda s: (s.inputs, s.outputs)),
    Entry("dense_backward_biases", _delta, lambda s: (s.outputs,)),
    Entry("dense_backward_input", _delta_and_weights, lambda s: (s.rows, s.inputs)),
    Entry("cross_entropy", _probabilities_and_labels, _per_row),
    Entry("cross_entropy_backward", _probabilities_and_labels, _matrix),
    Entry("binary_cross_entropy", _probabilities_and_targets, _per_row),
    Entry("binary_cross_entropy_backward", _probabilities_and_targets, _matrix),
    Entry("squared_error", _outputs_and_targets, _per_row),
    Entry("squared_error_backward", _outputs_and_targets, _matrix),
    Entry("mnist_loss", _probabilities_and_targets, _per_row),
    Entry("mnist_loss_backward", _probabilities_and_targets, _matrix),
    Entry("absolute_error", _outputs_and_targets, _per_row),
    Entry("absolute_error_backward", _outputs_and_targets, _matrix),
    Entry("huber", _with(_outputs_and_targets, 0.7), _per_row),
    Entry("huber_backward", _with(_outputs_and_targets, 0.7), _matrix),
    Entry("quantile_loss", _with(_outputs_and_targets, 0.9), _per_row),
    Entry("quantile_loss_backward", _with(_outputs_and_targets, 0.9), _matrix),
    Entry("sgd_update", _update(0, 1e-2), None, (0,)),
    Entry("momentum_update", _update(1, 1e-2, 0.9), None, (0, 2)),
    Entry("nesterov_update", _update(1, 1e-2, 0.9), None, (0, 2)),
    Entry("adam_update", _update(2, *_ADAM), None, (0, 2, 3)),
    Entry("adamw_update", _update(2, *_ADAM, 1e-1), None, (0, 2, 3)),
)

REGISTRY: Final = {entry.name: entry for entry in _ENTRIES}
