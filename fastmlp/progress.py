"""What a training has done so far: all that a checkpoint holds besides network and optimizer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.history import History
from fastmlp.kernels.layout import CORRECT, LOSS_SUM, WEIGHT
from fastmlp.passes import TrainingPass
from fastmlp.stopping import Best

__all__ = ["Progress", "means"]


def means(records: NDArray[np.float64], coded: bool) -> tuple[float, float]:
    """Return mean loss and accuracy of steps, NaN where unknown; only classes have an accuracy.

    Examples
    --------
    >>> means(np.array([[3.0, 1.0, 2.0], [1.0, 2.0, 2.0]]), coded=True)
    (1.0, 0.75)
    """
    sums = records.sum(axis=0).tolist()
    total = sums[WEIGHT]
    if total <= 0.0:
        return math.nan, math.nan
    return sums[LOSS_SUM] / total, sums[CORRECT] / total if coded else math.nan


def _no_records() -> NDArray[np.float64]:
    return np.zeros((0, 3))


@dataclass
class Progress:
    """Counts of a training, its random numbers, and the epoch under way.

    Attributes
    ----------
    random : numpy Generator
        Draws the order of the samples.
    history : History
        Of finished epochs, and of one that was left.
    epochs, epochs_before : int
        Finished: in all, and when the fit under way began.
    steps_before, rows_before : int
        Updates, and rows of the history, before the epoch under way.
    seconds : float
        Of training.
    n_samples : int
        Samples of an epoch.
    planned_steps : int
        Of the fit under way, if nothing ends it early.
    first_loss : float or None
        Mean loss of the first step of all.
    under_way : bool
        Whether an epoch was begun and not finished.
    drawn_from : dict
        The state of `random` before the order of the epoch under way was drawn.
    records : ndarray (steps done, 3) float64
        Sums of loss, correctness and weight of the steps that were done before a resumption.
    marks : list of (steps done, seconds)
        When the steps of the epoch under way were done.
    best : Best
        Epoch of the fit under way, by data held out.
    resumed : bool
        Whether the next fit is the continuation of one that a checkpoint was written in.
    """

    random: np.random.Generator
    history: History = field(default_factory=History)
    epochs: int = 0
    epochs_before: int = 0
    steps_before: int = 0
    rows_before: int = 0
    seconds: float = 0.0
    n_samples: int = 0
    planned_steps: int = 0
    first_loss: float | None = None
    under_way: bool = False
    drawn_from: dict[str, Any] = field(default_factory=dict)
    records: NDArray[np.float64] = field(default_factory=_no_records)
    marks: list[tuple[int, float]] = field(default_factory=list)
    best: Best = field(default_factory=Best)
    resumed: bool = False

    def begin_fit(self) -> None:
        """Begin to count the epochs of a fit, or go on with the one that was resumed."""
        if not self.resumed:
            self.epochs_before = self.epochs
            self.under_way = False  # what was left in the middle stays there
            self.records = _no_records()
            self.best = Best()
        self.resumed = False

    def begin_epoch(
        self, n: int, shuffle: bool, steps: int, drops: bool
    ) -> tuple[NDArray[np.int64], int]:
        """Return the order of n samples, and a seed where there is dropout.

        They are for a new epoch, or for the one that was resumed.
        """
        if not self.under_way:
            self.under_way = True
            self.steps_before, self.rows_before = steps, len(self.history)
            self.marks = [(0, self.seconds)]
        self.drawn_from = dict(self.random.bit_generator.state)
        order = self.random.permutation(n) if shuffle else np.arange(n)
        # Drawn only where needed: without dropout the orders are what they have always been.
        return order, int(self.random.integers(2**62)) if drops else 0

    def finish_epoch(self) -> None:
        """Count the epoch under way as finished."""
        self.epochs += 1
        self.under_way = False
        self.records = _no_records()

    def record(
        self, run: TrainingPass, coded: bool, by_step: bool, held_out: dict[str, float]
    ) -> None:
        """Write the finished steps of the epoch to the history, as one row or one an update.

        `coded` tells whether targets are classes; the last row gets what was found on the data
        `held_out`.
        """
        done = run.finished_steps
        updates = np.flatnonzero(run.records[:done, WEIGHT])
        if len(updates) == 0:
            return
        if self.first_loss is None:
            self.first_loss = means(run.records[: updates[0] + 1], coded)[0]
        # Batches that made no update have no row of their own: they are in that of the last one.
        ends = [*updates[1:].tolist(), done] if by_step else [done]
        steps, times = zip(*self.marks, strict=True)
        seconds = np.interp(ends, steps, times).tolist()
        for i, (first, last) in enumerate(pairwise([0, *ends])):
            loss, accuracy = means(run.records[first:last], coded)
            self.history.record(
                epochs=self.epochs + min(last * run.batch, self.n_samples) / self.n_samples,
                steps=self.steps_before + len(updates) - len(ends) + i + 1,
                seconds=seconds[i],
                loss=loss,
                accuracy=accuracy,
                **{f"validation_{name}": value for name, value in held_out.items() if last == done},
            )
