"""The derivatives of a network's loss: their mean over samples, and sample by sample."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp import names
from fastmlp.errors import InvalidValueError, invalid, shown
from fastmlp.kernels import losses
from fastmlp.kernels.per_sample import per_sample, per_sample_parallel
from fastmlp.parameters import Parameters
from fastmlp.passes import Rule, TrainingPass, forward
from fastmlp.targets import Targets, as_targets
from fastmlp.threads import available_threads, granted
from fastmlp.validation import (
    Samples,
    all_finite,
    as_array,
    as_sample_weight,
    as_samples,
    check_choice,
    check_number,
)

__all__ = ["Differentiable", "Loss", "Weightless"]


# Bytes of per-sample gradients from which on several threads write them, and of one call: Ctrl-C
# is seen between two.
_SHARED = 1 << 24
_CALL = 1 << 28


LossLike = str | tuple[str, Any] | None


class Loss(NamedTuple):
    """A loss as the kernels take it."""

    name: str
    code: int
    constants: NDArray[np.float64]  # (outputs,), or (0,) where it has none


class Weightless(tuple[list[NDArray[Any]], list[NDArray[Any]]]):
    """Zeros in the place of the gradients of samples that all have weight 0: no step is made."""


class Differentiable(Parameters):
    """Parameters whose loss can be differentiated; `Network` is the one kind of them.

    Attributes
    ----------
    output : str
        Activation of the outputs.
    multilabel : bool or None
        Whether several sigmoid outputs are labels of which any number apply; None is not decided.
    """

    output: str
    multilabel: bool | None

    def as_loss(self, loss: LossLike) -> Loss:
        """Return a loss for the kernels; None means the one that goes with the output."""
        if loss is None:
            loss = "squared_error" if self.output == "identity" else "cross_entropy"
        pair = loss if isinstance(loss, tuple | list) and len(loss) == 2 else (loss, None)
        name, parameter = check_choice("loss", pair[0], tuple(names.LOSSES)), pair[1]
        outputs = names.LOSSES[name]
        if self.output not in outputs:
            expected = f"a loss for a {self.output} output"
            raise invalid("loss", expected, f"{name}, which goes with {' or '.join(outputs)}")
        constants = np.zeros(0)
        if name == "huber":
            delta = 1.0 if parameter is None else parameter
            constants = np.full(self.sizes[-1], check_number("huber", delta, open_below=True))
        elif name == "quantile":
            given = as_array("quantile", 0.5 if parameter is None else parameter, "numbers")
            expected = f"one number between 0 and 1, or {self.sizes[-1]} of them, one an output"
            if given.dtype.kind != "f" or given.shape not in ((), (self.sizes[-1],)):
                raise invalid("quantile", expected, shown(parameter, repr))
            if not ((given > 0) & (given < 1)).all():
                raise invalid("quantile", expected, shown(parameter, repr))
            constants = np.array(np.broadcast_to(given, self.sizes[-1]), np.float64)
        elif parameter is not None:
            raise invalid("loss", f"{name!r} alone: it has no parameter", shown(loss, repr))
        return Loss(name, getattr(losses, name.upper()), constants)

    def targets(
        self, y: ArrayLike, n: int, loss: str, name: str = "y", multilabel: bool | None = None
    ) -> Targets:
        """Return y of n samples for the kernels; `multilabel` counts where it is not decided."""
        if self.multilabel is not None:
            multilabel = self.multilabel
        return as_targets(y, n, self.sizes[-1], self.output, loss, self.dtype, name, multilabel)

    def seems_multilabel(self, targets: Targets) -> bool:
        """Return whether these are labels of which any number apply, if it is not decided."""
        if self.multilabel is not None:
            return self.multilabel
        return self.output == "sigmoid" and self.sizes[-1] > 1 and not targets.coded

    def loss_and_gradient(
        self, x: Any, y: ArrayLike, loss: LossLike = None,
        sample_weight: ArrayLike | None = None, l2: float = 0.0,
    ) -> tuple[float, NDArray[Any]]:  # fmt: skip
        """Return the loss and its gradient as one flat vector, ordered as `parameters()`.

        Parameters
        ----------
        x, y, loss, sample_weight
            As for `evaluate`.
        l2 : float
            Adds l2/2 · Σ w² / (number of samples, or sum of their weights); biases not included.

        Raises
        ------
        InvalidValueError, InvalidTypeError
            An argument cannot be used, or the loss or its gradient is not finite.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 2], init="zeros")
        >>> value, gradient = net.loss_and_gradient([[1.0, 0.0]], [0])
        >>> gradient.tolist()
        [-0.5, 0.5, 0.0, 0.0, -0.5, 0.5]
        """
        value, packed = self._gradient_buffer(x, y, loss, sample_weight, l2)
        return value, self._flat(*self.unpack_gradients(packed))

    def gradients(
        self, x: Any, y: ArrayLike, loss: LossLike = None,
        sample_weight: ArrayLike | None = None, l2: float = 0.0,
    ) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:  # fmt: skip
        """Return the gradient of the mean loss, layer by layer.

        Parameters
        ----------
        x, y, loss, sample_weight, l2
            As for `loss_and_gradient`.

        Returns
        -------
        (list of (n_in, n_out), list of (n_out,))
            With respect to the weights and to the biases. Where all sample weights are 0 there is
            no mean: these are zeros, l2 or not, and `step` of an optimizer, given them as they
            are, does nothing.

        Raises
        ------
        InvalidValueError, InvalidTypeError
            As `loss_and_gradient`.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 2], init="zeros")
        >>> weights, biases = net.gradients([[1.0, 0.0]], [0])
        >>> biases[0].tolist()
        [-0.5, 0.5]
        """
        value, packed = self._gradient_buffer(x, y, loss, sample_weight, l2, some=False)
        found = self.unpack_gradients(packed)
        return Weightless(found) if math.isnan(value) else found

    def per_sample_gradients(
        self, x: Any, y: ArrayLike, loss: LossLike = None
    ) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Return the gradient of each sample's own loss, layer by layer.

        Their mean over the samples is what `gradients` returns, to rounding; their sum is that
        times the number of samples. They take as much memory as so many networks.

        Parameters
        ----------
        x, y, loss
            As for `evaluate`.

        Returns
        -------
        (list of (n, n_in, n_out), list of (n, n_out))
            With respect to the weights and to the biases; views of one array.

        Raises
        ------
        InvalidValueError, InvalidTypeError
            An argument cannot be used, or a gradient is not finite.
        MemoryError
            The gradients do not fit into memory.

        Examples
        --------
        >>> from fastmlp import Network
        >>> net = Network([2, 2], init="zeros")
        >>> weights, biases = net.per_sample_gradients([[1.0, 0.0], [0.0, 1.0]], [0, 1])
        >>> weights[0].shape, biases[0].tolist()
        ((2, 2, 2), [[-0.5, 0.5], [0.5, -0.5]])
        """
        of = self.as_loss(loss)
        samples = as_samples(x, self.sizes[0])
        targets = self.targets(y, samples.n, of.name)
        out = np.empty((samples.n, self.n_parameters), self.dtype)
        scale = self.dtype.type(self.input_scale)
        labels, values = targets.labels, targets.values
        with granted(available_threads() if out.nbytes >= _SHARED else 1) as parts:
            kernel = per_sample_parallel if parts > 1 else per_sample
            levels, deltas = np.empty((2, parts, sum(self.sizes[1:])), self.dtype)
            stride = max(1, _CALL // out[:1].nbytes)
            for first in range(0, samples.n, stride):
                part = slice(first, min(samples.n, first + stride))
                with np.errstate(over="ignore"):  # what is infinite is refused below
                    rows = np.multiply(
                        samples.dense(part.start, part.stop), scale, dtype=self.dtype,
                        casting="same_kind", order="C",
                    )  # fmt: skip
                kernel(
                    self.table, self.buffer, rows,
                    labels[part] if targets.coded else labels,
                    values if targets.coded else values[part], of.code,
                    of.constants, levels, deltas, parts, 0, len(rows), out[part],
                )  # fmt: skip
        weights, biases, at = [], [], 0
        for w, b in zip(self.weights, self.biases, strict=True):
            middle, end = at + w.size, at + w.size + b.size
            weights.append(out[:, at:middle].reshape(samples.n, *w.shape))
            biases.append(out[:, middle:end])
            at = end
            if not _finite_products(weights[-1], biases[-1]):
                raise self.overflow(samples, "x, y")
        return weights, biases

    def _gradient_buffer(
        self, x: Any, y: ArrayLike, loss: LossLike, sample_weight: ArrayLike | None, l2: float,
        some: bool = True,
    ) -> tuple[float, NDArray[Any]]:  # fmt: skip
        """Return the loss and its gradient; NaN and zeros if weights are all 0 and may be."""
        of = self.as_loss(loss)
        rule = Rule(l2=check_number("l2", l2))
        samples = as_samples(x, self.sizes[0])
        targets = self.targets(y, samples.n, of.name)
        weight = as_sample_weight(sample_weight, samples.n, some)
        run = TrainingPass(
            self, samples, targets, weight, of.code, rule, samples.n, constants=of.constants
        )
        run.begin(np.arange(samples.n))
        finite = run.advance(samples.n)
        run.close()
        summed, _, total = run.records[0].tolist()
        if finite and total == 0.0:
            return math.nan, run.gradient
        if finite and l2:
            with np.errstate(all="ignore"):  # what is not finite is refused below
                for start, biases, _ in self.layer_bounds():
                    penalty = self.dtype.type(l2 / total) * self.buffer[start:biases]
                    run.gradient[start:biases] += penalty
        if not (finite and math.isfinite(summed / total) and all_finite(run.gradient)):
            given = {"sample_weight": sample_weight is not None, "l2": l2 > 0}
            names = ["x", "y", *(name for name, is_given in given.items() if is_given)]
            raise self.overflow(samples, ", ".join(names))
        return summed / total, run.gradient

    def overflow(self, samples: Samples, names: str) -> InvalidValueError:
        """Return the error for a loss or gradient that is not finite, of arguments `names`."""
        out = np.empty((samples.n, self.sizes[-1]), self.dtype)
        forward(self, samples, out=out)
        if not all_finite(out):
            return invalid("x", f"numbers with finite outputs in {self.dtype}", "greater ones")
        expected = f"numbers with a finite loss and gradient in {self.dtype}"
        return invalid(names, expected, "greater ones")


def _finite_products(weights: NDArray[Any], deltas: NDArray[Any]) -> bool:
    """Return whether gradients of samples, levelᵢ δⱼ and δⱼ, are finite: those with the largest δ.

    They are many, and all others of a sample are smaller.
    """
    largest = np.abs(deltas).argmax(axis=1)
    return all_finite(deltas) and all_finite(weights[np.arange(len(deltas)), :, largest])
