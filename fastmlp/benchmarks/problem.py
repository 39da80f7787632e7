"""A work's data, the weights it begins with, and how a contender's results are judged."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp import reference
from fastmlp.benchmarks.works import Work
from fastmlp.datasets import load_digits, load_mnist
from fastmlp.network import Network

__all__ = ["Problem"]

Array = NDArray[Any]

# Rows over which the loss after a fit is taken.
_JUDGED = 10000


def _clusters(rows: int, features: int, classes: int) -> tuple[Array, Array]:
    """Return samples around one centre a class, which overlap, and their classes."""
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, rows)
    centres = random.normal(0.0, 2.0 / np.sqrt(features), (classes, features))
    x = random.standard_normal((rows, features), np.float32)
    x += centres.astype(np.float32)[labels]
    return x, labels


def _noise(rows: int, features: int, classes: int) -> tuple[Array, Array]:
    """Return uniform samples and labels that have nothing to do with them."""
    random = np.random.default_rng(0)
    return random.random((rows, features), np.float32), random.integers(0, classes, rows)


class Problem:
    """The data of a work and the parameters that every contender begins with.

    Attributes
    ----------
    x, y : ndarray
        (rows, features) uint8 or float, and (rows,) int64 classes.
    input_scale : float
        What x is to be multiplied by.
    weights, biases : lists of ndarray
        At the start, in the work's dtype.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.input_scale = 1.0
        classes = max(2, work.sizes[-1])
        if work.data in ("mnist", "digits"):
            data = load_mnist() if work.data == "mnist" else load_digits()
            self.x, self.y = data.x_train[: work.rows], data.y_train[: work.rows]
            self.input_scale = data.input_scale
        else:
            make = _clusters if work.data == "clusters" else _noise
            x, self.y = make(work.rows, work.sizes[0], classes)
            self.x = x.astype(work.dtype)
        net = self.network()
        self.weights = [w.copy() for w in net.weights]
        self.biases = [b.copy() for b in net.biases]

    def network(self) -> Network:
        """Return the network with the parameters at the start."""
        return Network(
            self.work.sizes, self.work.hidden, self.work.output, "glorot", 0, self.work.dtype,
            self.input_scale,
        )  # fmt: skip

    @cached_property
    def scaled(self) -> Array:
        """The samples as the peers take them: scaled, C-contiguous, in the work's dtype."""
        real = np.dtype(self.work.dtype).type
        return np.ascontiguousarray(self.x.astype(real) * real(self.input_scale))

    def loss(self, weights: list[Array], biases: list[Array]) -> float:
        """Return the mean loss over the first 10,000 rows, in float64, by the NumPy reference."""
        w, b = ([a.astype(np.float64) for a in arrays] for arrays in (weights, biases))
        x = self.x[:_JUDGED].astype(np.float64) * self.input_scale
        y = self.y[:_JUDGED]
        work = self.work
        return reference.loss(x, y, w, b, work.hidden, work.output, "cross_entropy")

    def error(self, outputs: Array) -> float:
        """Return how far results of inference are from the reference's.

        The largest difference of an output, or for classes the share of rows that differ.
        """
        w, b = ([a.astype(np.float64) for a in arrays] for arrays in (self.weights, self.biases))
        worst = 0.0
        for first in range(0, len(self.x), _JUDGED):
            rows = slice(first, first + _JUDGED)
            x = self.x[rows].astype(np.float64) * self.input_scale
            true = reference.forward(x, w, b, self.work.hidden, self.work.output)[-1]
            if self.work.task == "row":
                worst = max(worst, float(np.abs(outputs[rows] - true).max()))
            else:
                worst += float((outputs[rows] != true.argmax(axis=1)).sum()) / len(self.x)
        return worst
