"""scikit-learn's MLPClassifier, with warm starts from the common weights."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from fastmlp.benchmarks.contenders.base import Contender
from fastmlp.benchmarks.problem import Problem

__all__ = ["ScikitLearnContender"]

Array = NDArray[Any]


class ScikitLearnContender(Contender):
    """An estimator whose `coefs_` and `intercepts_` are set before each fit."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        work = self.work
        warnings.simplefilter("ignore", ConvergenceWarning)  # the epochs are all it is to do
        self.model = MLPClassifier(
            work.sizes[1:-1],
            activation="logistic" if work.hidden == "sigmoid" else work.hidden,
            solver=work.optimizer,
            alpha=0.0,
            learning_rate_init=work.learning_rate,
            momentum=0.0,
            nesterovs_momentum=False,
            max_iter=work.epochs,
            shuffle=False,
            warm_start=True,
            n_iter_no_change=2**31 - 1,  # counted over all fits of a warm start
        )
        # Makes it a fitted estimator: from then on a warm start keeps the weights it is given.
        labels = np.arange(max(2, work.sizes[-1]))
        samples = np.zeros((len(labels), work.sizes[0]), work.dtype)
        self.model.partial_fit(samples, labels, classes=labels)
        self.model.set_params(batch_size=work.batch or work.rows)
        self.reset()

    def reset(self) -> None:
        """Take back the parameters to the start; each fit begins with a new optimizer."""
        self.model.coefs_ = [w.copy() for w in self.problem.weights]
        self.model.intercepts_ = [b.copy() for b in self.problem.biases]

    def fit(self) -> None:
        """Call `fit`."""
        self.model.fit(self.problem.scaled, self.problem.y)

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return `coefs_` and `intercepts_`."""
        return self.model.coefs_, self.model.intercepts_

    def outputs(self) -> Array:
        """Call `predict_proba`."""
        return np.asarray(self.model.predict_proba(self.problem.scaled))

    def classes(self) -> Array:
        """Call `predict`."""
        return np.asarray(self.model.predict(self.problem.scaled))

    def facts(self) -> dict[str, str]:
        """Return the version."""
        return {"scikit-learn": sklearn.__version__}
