"""fastmlp, through its public interface."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

import fastmlp
from fastmlp.benchmarks.contenders.base import Contender
from fastmlp.benchmarks.problem import Problem
from fastmlp.optimizers import SGD, Adam
from fastmlp.threads import threading_layer
from fastmlp.training import Trainer

__all__ = ["OwnContender"]

Array = NDArray[Any]


class OwnContender(Contender):
    """A new Trainer for every fit; it takes the data as they are, bytes of images for instance."""

    def __init__(
        self, problem: Problem, threads: int | None = None, zero_skipping: bool | None = None
    ) -> None:
        super().__init__(problem)
        self.threads, self.zero_skipping = threads, zero_skipping
        self.net = problem.network()
        self.start = self.net.parameters()

    def reset(self) -> None:
        """Take back the parameters to the start."""
        self.net.set_parameters(self.start)

    def fit(self) -> None:
        """Make a trainer and train."""
        rule = {"sgd": SGD, "adam": Adam}[self.work.optimizer]
        trainer = Trainer(
            self.net,
            optimizer=rule(learning_rate=self.work.learning_rate),
            batch_size=self.work.batch,
            shuffle=False,
            threads=self.threads,
            zero_skipping=self.zero_skipping,
        )
        trainer.fit(self.problem.x, self.problem.y, epochs=self.work.epochs)

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return the network's own arrays."""
        return list(self.net.weights), list(self.net.biases)

    def outputs(self) -> Array:
        """Call `predict_proba`."""
        return self.net.predict_proba(self.problem.x)

    def classes(self) -> Array:
        """Call `predict`."""
        return self.net.predict(self.problem.x)

    def facts(self) -> dict[str, str]:
        """Return the version and the threading layer."""
        return {"fastmlp": fastmlp.__version__, "threading layer": threading_layer()}
