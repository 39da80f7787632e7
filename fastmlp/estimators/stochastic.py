"""Stochastic solvers: epochs of compiled steps, with scikit-learn's bookkeeping after each."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from fastmlp.errors import DivergenceError
from fastmlp.estimators.observers import Observers
from fastmlp.estimators.optimizer import SolverState
from fastmlp.estimators.validation import HeldOut, Monitor
from fastmlp.interrupts import DeferredInterrupt
from fastmlp.kernels.layout import LOSS_SUM, WEIGHT
from fastmlp.parameters import Parameters
from fastmlp.passes import TrainingPass
from fastmlp.schedules import scheduled_rates
from fastmlp.targets import Targets
from fastmlp.validation import Samples, all_finite

__all__ = ["DivergedConvergenceWarning", "StochasticFit", "TrainingData", "check_finite"]

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and "
    "need to be preprocessed."
)


class DivergedConvergenceWarning(ConvergenceWarning):
    """Training diverged; the best weights before that were restored."""


def check_finite(network: Parameters) -> None:
    """Raise scikit-learn's error where a fit ended with parameters that are not finite."""
    if not all_finite(network.buffer):
        raise DivergenceError(NOT_FINITE)


class TrainingData(NamedTuple):
    """What a fit reads: samples, targets and weights, and which rows are for training."""

    samples: Samples
    targets: Targets
    weight: NDArray[np.float64]  # (n,) or (0,)
    rows: NDArray[np.int64]


class StochasticFit:
    """One call of fit, partial_fit or fit_epochs.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Its fitted attributes are updated after each epoch.
    network : Parameters
    state : SolverState
    data : TrainingData
    held_out : HeldOut or None
    batch : int
        Samples an update.
    epochs : int
        At most.
    before : int
        Batches that `state` counts but a schedule over the epochs does not.
    random : numpy RandomState
        Of the shuffling.
    threads : int or None
    observers : Observers
    """

    def __init__(
        self, estimator: Any, network: Parameters, state: SolverState, data: TrainingData,
        held_out: HeldOut | None, batch: int, epochs: int, before: int,
        random: np.random.RandomState, threads: int | None, observers: Observers,
    ) -> None:  # fmt: skip
        self.estimator, self.network, self.state = estimator, network, state
        self.batch, self.epochs, self.before, self.random = batch, epochs, before, random
        self.order = data.rows
        self.n = len(data.rows)
        self.steps = -(-self.n // batch)
        loss, constants = estimator._loss_code(), estimator._loss_constants()
        self.run = TrainingPass(
            network, data.samples, data.targets, data.weight, loss, state.rule(estimator), batch,
            (state.first, state.second), threads, epochs, constants=constants,
        )  # fmt: skip
        self.weighted = len(data.weight) > 0
        self._sizes = np.minimum(batch, self.n - batch * np.arange(self.steps))
        self.monitor = Monitor(
            estimator, network, held_out,
            lambda: held_out.measure(network, loss, constants, threads) if held_out else math.nan,
        )  # fmt: skip
        self._deadline = math.inf
        if estimator.max_time is not None:
            self._deadline = time.perf_counter() + estimator.max_time
        self.ended = self.diverged = False
        self.observers = observers
        # Drawn only where needed: without dropout the stream is scikit-learn's.
        self._seed = int(random.randint(2**31)) << 32 if estimator.dropout else 0

    def train(self, stretch: int) -> Iterator[None]:
        """Train; yield after each `stretch` of epochs, during which Ctrl-C waits for a chunk."""
        estimator = self.estimator
        estimator.n_iter_ = 0
        self.run.advance(0)  # compiles, or loads from the cache
        self.observers.begin()
        try:
            while estimator.n_iter_ < self.epochs and not self.ended:
                goal = min(estimator.n_iter_ + stretch, self.epochs)
                with DeferredInterrupt() as interrupt:
                    while estimator.n_iter_ < goal and not self.ended:
                        self._epoch(interrupt)
                        if self.observers.active:
                            with interrupt.passing():
                                self._tell()
                if not (self.diverged or all_finite(self.network.buffer)):
                    self._give_up("last step: parameters are not finite")
                yield
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
        finally:
            self.run.close()
            self.monitor.finish()
            self.observers.end()
        check_finite(self.network)

    def _tell(self) -> None:
        """Tell the callbacks of the epoch; one may end the training."""
        estimator = self.estimator
        curve = estimator.validation_loss_curve_
        self.ended |= self.observers.epoch_ended(
            epoch=estimator.n_iter_, steps=self.state.steps, seconds=self.run.seconds,
            loss=estimator.loss_, validation_loss=curve[-1] if curve else math.nan,
            last=self.ended or estimator.n_iter_ == self.epochs,
        )  # fmt: skip

    def _epoch(self, interrupt: DeferredInterrupt) -> None:
        """Train for an epoch and record it; set `ended` if it shall be the last."""
        estimator, state, run = self.estimator, self.state, self.run
        if estimator.shuffle:
            self.order = self.order[self.random.permutation(self.n)]
        rates = scheduled_rates(
            estimator.learning_rate, estimator.learning_rate_init, state.batches - self.before,
            self.steps, max(self.epochs, estimator.max_iter) * self.steps,
        )  # fmt: skip
        now = state.learning_rate if rates is None else rates
        run.begin(self.order, learning_rate=now, seed=self._seed + state.batches)
        try:
            finite = self._advance(interrupt)
        finally:
            run.drop_step()
            state.steps += run.updates
            state.batches += run.finished_steps
        if rates is not None:
            state.learning_rate = float(rates[max(run.finished_steps - 1, 0)])
        held_out = math.nan, math.nan
        if finite and self.monitor.held_out is not None:
            with interrupt.passing():
                held_out = self.monitor.look()
        estimator.n_iter_ += 1
        if finite:
            self._record(self._mean_loss(), *held_out)
        else:
            self._diverge()

    def _advance(self, interrupt: DeferredInterrupt) -> bool:
        """Run the epoch's steps, a chunk of time each; return whether all losses were finite."""
        run, observers, stop = self.run, self.observers, False
        by_step = observers.wants("on_step_end")
        while run.position < self.n:
            interrupt.check()
            updates = run.updates
            goal = (run.position // self.batch + 1) * self.batch if by_step else self.n
            if not run.advance_a_while(goal, self.state.steps):
                return False
            if run.updates > updates:
                stop |= observers.tell("on_step_end", interrupt)
            stop |= observers.tell("on_chunk_end", interrupt)
            stop |= time.perf_counter() > self._deadline
            if stop and run.updates > 0:
                self.ended = True
                break
        return True

    def _mean_loss(self) -> float:
        """Return the mean loss over the samples of the epoch's updates, as their batches saw it."""
        records = self.run.records[: self.run.finished_steps]
        sums, weights, sizes = records[:, LOSS_SUM], records[:, WEIGHT], self._sizes[: len(records)]
        if self.weighted:
            moved = weights > 0.0  # the others have no loss
            sizes = sizes[moved]
            sums = sums[moved] * sizes / weights[moved]
        return float(sums.sum()) / max(int(sizes.sum()), 1)

    def _record(self, loss: float, held_out_loss: float, score: float) -> None:
        estimator, monitor = self.estimator, self.monitor
        estimator.loss_ = loss
        estimator.t_ += self.run.position
        estimator.loss_curve_.append(loss)
        estimator._say(f"Iteration {estimator.n_iter_}, loss = {loss:.8f}")
        monitor.update(loss, held_out_loss, score)
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            base = float(estimator.learning_rate_init)
            self.state.learning_rate = base / (estimator.t_ + 1) ** estimator.power_t
        if estimator._no_improvement_count > estimator.n_iter_no_change:
            self._stop_or_slow_down()

    def _stop_or_slow_down(self) -> None:
        """Stop, or, with an adaptive learning rate that is not tiny yet, take a fifth of it."""
        estimator, state = self.estimator, self.state
        watched = "Validation score" if self.monitor.early else "Training loss"
        message = (
            f"{watched} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs."
        )
        if estimator.solver != "sgd" or estimator.learning_rate != "adaptive":
            estimator._say(f"{message} Stopping.")
            self.ended = True
        elif state.learning_rate <= 1e-6:
            estimator._say(f"{message} Learning rate too small. Stopping.")
            self.ended = True
        else:
            state.learning_rate /= 5.0
            estimator._say(f"{message} Setting learning rate to {state.learning_rate:f}")
            estimator._no_improvement_count = 0

    def _diverge(self) -> None:
        """Record an epoch without a finite loss, and end."""
        estimator = self.estimator
        estimator.loss_ = math.nan
        estimator.loss_curve_.append(math.nan)
        self.monitor.diverged()
        self._give_up(f"step {self.run.position // self.batch + 1}: the loss is not finite")

    def _give_up(self, what: str) -> None:
        """End a training that diverged; warn where the best weights are restored."""
        estimator = self.estimator
        self.ended = self.diverged = True
        where = (
            f"training diverged in epoch {estimator.n_iter_}, {what}. Try a smaller "
            f"learning_rate_init (it is {estimator.learning_rate_init:g}) or data scaled to unit "
            "variance"
        )
        if not self.monitor.restores:
            raise DivergenceError(f"{NOT_FINITE} ({where})")
        warnings.warn(
            f"{where}; the best weights so far are restored",
            DivergedConvergenceWarning,
            stacklevel=2,
        )
