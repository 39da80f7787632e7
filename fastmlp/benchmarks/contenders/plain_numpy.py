"""The NumPy reference: `fastmlp.reference`, and the BLAS that NumPy comes with."""

from __future__ import annotations

from typing import Any

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from fastmlp import reference
from fastmlp.benchmarks.contenders.base import Contender

__all__ = ["NumpyContender"]

Array = NDArray[Any]


class NumpyContender(Contender):
    """Whole trainings by `reference.train`."""

    def reset(self) -> None:
        """Take back the parameters to the start."""
        self.weights, self.biases = self.problem.weights, self.problem.biases

    def fit(self) -> None:
        """Train; the reference returns new arrays."""
        work = self.work
        self.weights, self.biases, _ = reference.train(
            self.problem.scaled, self.problem.y, self.weights, self.biases, work.hidden,
            work.output, "cross_entropy",
            {"name": work.optimizer, "learning_rate": work.learning_rate}, work.batch,
            np.arange(work.rows), work.epochs,
        )  # fmt: skip

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return the arrays the training ended with."""
        return self.weights, self.biases

    def outputs(self) -> Array:
        """Run the layers forward."""
        problem, work = self.problem, self.work
        return reference.forward(
            problem.scaled, problem.weights, problem.biases, work.hidden, work.output
        )[-1]

    def classes(self) -> Array:
        """Return the places of the largest outputs."""
        return np.asarray(self.outputs().argmax(axis=1))

    def facts(self) -> dict[str, str]:
        """Return the version, and the BLAS with the CPU it was built for."""
        pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
        blas = ", ".join(
            f"{pool['internal_api']} {pool['version']} ({pool.get('architecture')})"
            for pool in pools
            if "numpy" in pool["filepath"]
        )
        return {"numpy": np.__version__, "BLAS of NumPy": blas or "unknown"}
