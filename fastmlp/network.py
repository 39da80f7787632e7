"""Network: the sizes, activations and parameters of a multilayer perceptron, and inference."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastmlp import names
from fastmlp.errors import DataError, invalid, invalid_type, shown
from fastmlp.gradients import Differentiable, Loss, LossLike
from fastmlp.inference import compile_network, predict_few
from fastmlp.kernels import activations
from fastmlp.kernels.predict import CompiledNetwork
from fastmlp.parameters import check_memory, check_shapes
from fastmlp.passes import forward
from fastmlp.persistence import read_tensors, write_tensors
from fastmlp.targets import Targets
from fastmlp.validation import (
    Samples,
    all_finite,
    as_sample_weight,
    as_samples,
    check_choice,
    check_flag,
    check_integer,
    check_number,
)

__all__ = ["Network"]

_OUTPUT = {
    "identity": activations.IDENTITY,
    "sigmoid": activations.SIGMOID,
    "softmax": activations.SOFTMAX,
}
# Half of the widest span that NumPy draws from.
_WIDEST = float(np.finfo(np.float64).max) / 2


class Network(Differentiable):
    """A multilayer perceptron: fully connected layers with biases.

    Parameters
    ----------
    sizes : sequence of int
        Units of each level, inputs first, outputs last; [n_in, n_out] has no hidden layer.
    hidden : str, or sequence of one str a hidden layer
        Activation of the hidden layers: "relu", "sigmoid", "tanh", "identity", "leaky_relu" (slope
        0.01 below 0), "elu", "silu", "gelu" (exact) or "softplus".
    output : {"softmax", "sigmoid", "identity"}
        Activation of the outputs.
    init : {"he", "glorot", "normal", "zeros"} or (name, scale)
        Weights at the start: "he" N(0, 2 / n_in), "glorot" uniform in ±√(6 / (n_in + n_out)),
        "normal" 0.01 · N(0, 1). A scale replaces the 0.01 of "normal" and multiplies the others.
        Biases start at zero.
    seed : int or None
        Seed of the initial weights; None takes one from the system.
    dtype : {"float32", "float64"}
        In which all parameters are kept and all is computed.
    input_scale : float
        Data are multiplied by it (1/255 for images of bytes) wherever the network sees them; it is
        saved with the network.
    classes : array-like or None
        Names of the classes, kept and saved for the caller; predictions are their indices.
    multilabel : bool or None
        Whether several sigmoid outputs are labels of which any number apply to a sample. Targets
        are then rows of 0 and 1, and there is no accuracy; otherwise one-hot rows are classes. None
        is decided, and set, by the first fit: by whether all rows of y are one-hot.
    input_size : float
        Of the data it was first trained on: the median of the absolute values that are not 0, which
        tells data in other units; 0 before. The command line warns of such.

    Attributes
    ----------
    weights, biases : sequences of ndarray (n_in, n_out) and (n_out,)
        Writable views of the parameters, one a layer. What is assigned, to one or to all, is
        written into them.
    buffer : ndarray
        All parameters in one aligned piece of memory, padding included.

    Examples
    --------
    >>> net = Network([784, 200, 10], seed=0)
    >>> [w.shape for w in net.weights], net.n_parameters
    ([(784, 200), (200, 10)], 159010)
    >>> net
    Network([784, 200, 10], hidden='relu', output='softmax', dtype='float32')
    """

    def __init__(
        self,
        sizes: Sequence[int],
        hidden: str | Sequence[str] = "relu",
        output: str = "softmax",
        init: str | tuple[str, float] = "he",
        seed: int | None = 0,
        dtype: DTypeLike = "float32",
        input_scale: float = 1.0,
        classes: ArrayLike | None = None,
        multilabel: bool | None = None,
        input_size: float = 0.0,
    ) -> None:
        if isinstance(sizes, str | bytes) or not isinstance(sizes, Sequence | np.ndarray):
            raise invalid_type("sizes", "a sequence of at least two integers", sizes)
        units = [check_integer(f"sizes[{i}]", size, 1) for i, size in enumerate(sizes)]
        if len(units) < 2:
            raise invalid("sizes", "at least two integers: inputs and outputs", units)
        given: list[Any] = list(hidden) if isinstance(hidden, list | tuple) else [hidden]
        for name in given:
            check_choice("hidden", name, names.HIDDEN)
        each = given if isinstance(hidden, list | tuple) else given * (len(units) - 2)
        if len(each) != len(units) - 2:
            expected = f"one name, or one for each of {len(units) - 2} hidden layers"
            raise invalid("hidden", expected, f"{len(each)} names")
        self.hidden = each if isinstance(hidden, list | tuple) else hidden
        self.output = check_choice("output", output, names.OUTPUTS)
        if self.output == "softmax" and units[-1] == 1:
            raise invalid("sizes", "at least 2 outputs with softmax", "1 (use output='sigmoid')")
        try:
            real = np.dtype(dtype)
        except (TypeError, ValueError):
            raise invalid("dtype", "float32 or float64", shown(dtype, repr)) from None
        if real not in (np.float32, np.float64):
            raise invalid("dtype", "float32 or float64", real)
        try:
            self.classes = None if classes is None else np.asarray(classes)
        except (TypeError, ValueError):
            raise invalid("classes", "a list of names", "lists of different lengths") from None
        if self.classes is not None and self.classes.shape != (max(units[-1], 2),):
            expected = f"{max(units[-1], 2)} names"
            raise invalid("classes", expected, f"shape {self.classes.shape}")
        if self.classes is not None:
            names_fit = (_is_name(value) for value in self.classes.tolist())
            if not all(names_fit):
                raise invalid("classes", "text or finite numbers", f"dtype {self.classes.dtype}")
        self.input_size = check_number("input_size", input_size)
        self.multilabel = check_flag("multilabel", multilabel, none=True)
        if self.multilabel and (self.output != "sigmoid" or units[-1] == 1):
            raise invalid("multilabel", "None or False without several sigmoid outputs", True)
        check_memory(units, real.itemsize)
        codes = [*(activations.HIDDEN[name] for name in each), _OUTPUT[self.output]]
        scale = check_number("input_scale", input_scale, open_below=True)
        if scale > float(np.finfo(real).max):
            raise invalid("input_scale", f"a number that is finite in {real}", scale)
        super().__init__(units, codes, real, scale)
        self._initialise(init, check_integer("seed", seed, 0, none=True))

    def _initialise(self, init: str | tuple[str, float], seed: int | None) -> None:
        name, scale = init if isinstance(init, tuple) and len(init) == 2 else (init, None)
        check_choice("init", name, names.INITIALISERS)
        if scale is not None:
            scale = check_number("init scale", scale)
        generator = np.random.default_rng(seed)
        factor = (0.01 if name == "normal" else 1.0) if scale is None else scale
        for w in self.weights:
            # Drawn in float64 whatever the dtype, so both dtypes start from the same numbers.
            n_in, n_out = w.shape
            with np.errstate(over="ignore"):  # what becomes infinite is refused
                if name == "he":
                    w[:] = generator.normal(0.0, math.sqrt(2 / n_in), w.shape) * factor
                elif name == "glorot":
                    bound = math.sqrt(6 / (n_in + n_out)) * factor
                    fits = bound <= _WIDEST
                    w[:] = generator.uniform(-bound, bound, w.shape) if fits else np.inf
                elif name == "normal":
                    w[:] = generator.normal(0.0, 1.0, w.shape) * factor
            if not all_finite(w):
                expected = f"one that gives finite weights in {self.dtype}"
                raise invalid("init scale", expected, scale)

    def __repr__(self) -> str:
        """Return the network as it could be made again, untrained."""
        return (
            f"Network({self.sizes}, hidden={self.hidden!r}, output={self.output!r}, "
            f"dtype={self.dtype.name!r})"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle or a copy holds: description and parameters, no workspaces."""
        return self.description() | {"classes": self.classes, "parameters": self.parameters()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the network again from `__getstate__`, its memory aligned anew."""
        state = dict(state)
        parameters = state.pop("parameters")
        Network.__init__(self, init="zeros", **state)
        self.set_parameters(parameters)

    # Inference.

    def predict_proba(self, x: Any) -> NDArray[Any]:
        """Return the outputs of the network.

        Parameters
        ----------
        x : array-like of shape (n, n_in), or (n, ...) with n_in elements a sample

        Returns
        -------
        ndarray of shape (n, n_out), in the network's dtype
            A row does not depend on the other rows it is predicted with, to the last bit.

        Raises
        ------
        InvalidValueError
            The data are empty, of another width, or not finite; or an output is not.

        Examples
        --------
        >>> net = Network([2, 3], seed=0)
        >>> net.predict_proba([[0.0, 0.0]]).round(3).tolist()
        [[0.3330000042915344, 0.3330000042915344, 0.3330000042915344]]
        """
        few = predict_few(self, x)
        if few is not None:
            return few
        samples = as_samples(x, self.sizes[0], finite=False)
        out = np.empty((samples.n, self.sizes[-1]), self.dtype)
        forward(self, samples, out=out)
        if not np.isfinite(out).all():
            as_samples(x, self.sizes[0])  # names what is not finite in x, if that is why
            raise invalid("x", f"numbers with finite outputs in {self.dtype}", "greater ones")
        return out

    def compiled(self) -> CompiledNetwork:
        """Return the network for `fastmlp.kernels.predict`, to be called from compiled code.

        It shares the parameters, so it predicts what the network does also after more training.
        It has memory of its own that every call writes: take one for each thread.

        Examples
        --------
        >>> from fastmlp import kernels
        >>> net, out = Network([2, 3], seed=0), np.empty(3, "float32")
        >>> kernels.predict(net.compiled(), np.zeros(2, "float32"), out)
        >>> out.round(2).tolist()
        [0.33000001311302185, 0.33000001311302185, 0.33000001311302185]
        """
        return compile_network(self)

    def predict(self, x: Any) -> NDArray[Any]:
        """Return classes, (n,) int64, or for an identity output the outputs, (n, n_out).

        The class is that of the largest output; one sigmoid output means 1 from one half on.

        Examples
        --------
        >>> Network([2, 3], seed=0).predict([[1.0, 0.0], [0.0, 1.0]]).shape
        (2,)
        """
        outputs = self.predict_proba(x)
        if self.output == "identity":
            return outputs
        if outputs.shape[1] == 1:
            return (outputs[:, 0] >= 0.5).astype(np.int64)
        classes: NDArray[np.int64] = outputs.argmax(axis=1)
        return classes

    def evaluate(
        self, x: Any, y: ArrayLike, loss: LossLike = None, sample_weight: ArrayLike | None = None
    ) -> dict[str, float]:
        """Return the mean loss and, for classes, the share of right answers.

        Parameters
        ----------
        x : array-like of shape (n, n_in)
        y : array-like of shape (n,), (n, 1) or (n, n_out)
            Classes, one-hot rows, or numbers.
        loss : str, (str, parameter) or None
            As for `Trainer`.
        sample_weight : array-like of shape (n,) or None

        Returns
        -------
        dict with "loss" and "accuracy"
            Accuracy is NaN where y are not classes.

        Raises
        ------
        InvalidValueError, InvalidTypeError
            An argument cannot be used, or the loss is not finite.

        Examples
        --------
        >>> net = Network([2, 2], init="zeros")
        >>> net.evaluate([[1.0, 0.0], [0.0, 1.0]], [0, 0])
        {'loss': 0.6931471824645996, 'accuracy': 1.0}
        """
        of = self.as_loss(loss)
        samples = as_samples(x, self.sizes[0])
        targets = self.targets(y, samples.n, of.name)
        weight = as_sample_weight(sample_weight, samples.n)
        found = self.run_evaluation(samples, targets, weight, of, None)
        if not math.isfinite(found["loss"]):
            raise self.overflow(samples, "x, y" if sample_weight is None else "x, y, sample_weight")
        return found

    def run_evaluation(
        self, samples: Samples, targets: Targets, weight: NDArray[np.float64], loss: Loss,
        threads: int | None,
    ) -> dict[str, float]:  # fmt: skip
        """Return what `evaluate` does, for data that were checked before, finite or not."""
        sums = forward(
            self, samples, targets, weight, loss.code, threads=threads, constants=loss.constants
        )
        summed, right, total = sums.tolist()
        return {"loss": summed / total, "accuracy": right / total if targets.coded else math.nan}

    # Files.

    def description(self) -> dict[str, Any]:
        """Return what the network is, its parameters excepted, as JSON can hold it."""
        return {
            "sizes": self.sizes,
            "hidden": self.hidden,
            "output": self.output,
            "dtype": self.dtype.name,
            "input_scale": self.input_scale,
            "classes": None if self.classes is None else self.classes.tolist(),
            "multilabel": self.multilabel,
            "input_size": self.input_size,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a safetensors file, whole or not at all.

        The arrays are weights_0, biases_0, …; what else the network is stands in the metadata.

        Raises
        ------
        FastMLPError
            The file cannot be written.
        """
        write_tensors(path, self.named(self.buffer), self.description())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a network that `save` wrote; no code in the file is ever run.

        Raises
        ------
        DataError
            The file is missing, damaged, or not a network.
        """
        tensors, description = read_tensors(path)
        if "table" in description:
            kind = "Classifier" if "classes" in str(description.get("target")) else "Regressor"
            expected = f"{os.fspath(path)}: expected a network, got a model of a table"
            raise DataError(f"{expected}: use fastmlp.Table{kind}.load")
        description.pop("training", None)  # of a checkpoint
        try:
            return cls.from_tensors(description, tensors)
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{os.fspath(path)}: expected a fastmlp network, got {error}") from None

    @classmethod
    def from_tensors(
        cls, description: dict[str, Any], tensors: Mapping[str, NDArray[Any]], prefix: str = ""
    ) -> Network:
        """Return the network of a file's description and arrays; ValueError where they are bad."""
        check_shapes(description.get("sizes"), tensors, prefix)  # before memory is taken for them
        net = cls(init="zeros", **description)
        net.take(tensors, net.buffer, prefix)
        return net


def _is_name(value: Any) -> bool:
    """Return whether a class's name can be kept in a file."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
