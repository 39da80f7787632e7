"""Held-out data: loss and score after each epoch, the best weights, and when to stop."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import get_scorer

from fastmlp.kernels.layout import LOSS_SUM, WEIGHT
from fastmlp.parameters import Parameters
from fastmlp.passes import forward
from fastmlp.stopping import Best
from fastmlp.targets import Targets
from fastmlp.validation import Samples, all_finite

__all__ = ["HeldOut", "Monitor"]


class HeldOut:
    """Validation data as the kernels read them, and as scorers do.

    Parameters
    ----------
    x : array or CSR matrix (n, features)
    y : ndarray (n,) or (n, outputs)
        As the user would give them: labels, not their codes.
    samples, targets : what the kernels read
    weight : ndarray (n,) float64, or (0,)
    """

    def __init__(
        self, x: Any, y: Any, samples: Samples, targets: Targets, weight: NDArray[np.float64]
    ) -> None:
        self.x, self.y = x, y
        self.samples, self.targets, self.weight = samples, targets, weight
        self.outputs = np.zeros((0, 0))

    def measure(self, network: Parameters, loss: int, constants: Any, threads: int | None) -> float:
        """Compute `outputs`, and return the mean loss."""
        if self.outputs.dtype != network.dtype or len(self.outputs) == 0:
            self.outputs = np.empty((self.samples.n, network.sizes[-1]), network.dtype)
        sums = forward(
            network,
            self.samples,
            self.targets,
            self.weight,
            loss,
            self.outputs,
            threads,
            constants=constants,
        )
        return float(sums[LOSS_SUM] / sums[WEIGHT])


def _takes_weights(scorer: Callable[..., Any]) -> bool:
    """Return whether a scorer has a parameter for sample weights."""
    try:
        parameters = inspect.signature(scorer).parameters
    except ValueError:
        return True
    kinds = {parameter.kind for parameter in parameters.values()}
    return "sample_weight" in parameters or inspect.Parameter.VAR_KEYWORD in kinds


class Monitor:
    """Follows an estimator's losses and scores, counts epochs without improvement, keeps the best.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Its fitted attributes are updated.
    network : Parameters
    held_out : HeldOut or None
    measure : function
        Returns the held-out data's loss.
    """

    def __init__(
        self, estimator: Any, network: Parameters, held_out: HeldOut | None,
        measure: Callable[[], float],
    ) -> None:  # fmt: skip
        self.estimator, self.network, self.held_out = estimator, network, held_out
        self._measure = measure
        self.early = bool(estimator.early_stopping)
        restore = estimator.restore_best_weights
        self.restores = self.early if restore is None else bool(restore)
        before = -estimator.best_validation_score_ if self.early else math.inf
        self._best = Best(before, network.buffer.copy() if self.restores else None)
        self._scorer = None
        if self.early and estimator.scoring not in (None, "loss"):
            scoring = estimator.scoring
            self._scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
        self._seen = estimator.t_

    def look(self) -> tuple[float, float]:
        """Return loss and score of the held-out data; the score is NaN where none is asked for."""
        loss = self._measure()
        return loss, self._score(loss) if self.early else math.nan

    def update(self, loss: float, held_out_loss: float, score: float) -> None:
        """Take in an epoch's training loss, and what `look` saw, NaN without held-out data."""
        estimator = self.estimator
        self._seen = estimator.t_
        if estimator.validation_loss_curve_ is not None:
            estimator.validation_loss_curve_.append(held_out_loss)
        if self.early:
            estimator.validation_scores_.append(score)
            estimator._say(f"Validation score: {score:f}")
            stalls = score < estimator.best_validation_score_ + estimator.tol
            if score > estimator.best_validation_score_:
                estimator.best_validation_score_ = score
            watched = -score
        else:
            stalls = loss > estimator.best_loss_ - estimator.tol
            if loss < estimator.best_loss_:
                estimator.best_loss_ = loss
            watched = loss if self.held_out is None else held_out_loss
        estimator._no_improvement_count = estimator._no_improvement_count + 1 if stalls else 0
        self._best.see(
            watched, self.network.buffer, self.restores and all_finite(self.network.buffer)
        )

    def diverged(self) -> None:
        """Record that an epoch had no finite loss."""
        if self.estimator.validation_loss_curve_ is not None:
            self.estimator.validation_loss_curve_.append(math.nan)
        if self.early:
            self.estimator.validation_scores_.append(math.nan)

    def _score(self, loss: float) -> float:
        held_out, estimator = self.held_out, self.estimator
        assert held_out is not None
        if estimator.scoring == "loss":
            return -loss
        if not np.isfinite(held_out.outputs).all():
            return math.nan
        weight = held_out.weight if len(held_out.weight) else None
        if self._scorer is None:
            return float(estimator._score_outputs(held_out.outputs, held_out.y, weight))
        weighs = weight is not None and _takes_weights(self._scorer)
        keywords = {"sample_weight": weight} if weighs else {}
        return float(self._scorer(estimator._without_names(), held_out.x, held_out.y, **keywords))

    def finish(self) -> None:
        """Go back to the best weights, if they are to be restored and no other fit went on."""
        if self.estimator.t_ == self._seen:
            self._best.restore(self.network.buffer)
