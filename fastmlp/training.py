"""Trainer: epochs of compiled steps, with a return to Python every 50 ms or so."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.errors import DivergenceError, DivergenceWarning, invalid, invalid_type
from fastmlp.history import History
from fastmlp.interrupts import DeferredInterrupt
from fastmlp.kernels.layout import CORRECT, LOSS_SUM, WEIGHT
from fastmlp.network import Network
from fastmlp.optimizers import Adam, Optimizer
from fastmlp.passes import Rule, TrainingPass
from fastmlp.threads import check_threads
from fastmlp.validation import (
    Samples,
    Targets,
    as_sample_weight,
    as_samples,
    as_targets,
    check_integer,
    check_number,
)

__all__ = ["Trainer"]

# Time between two looks at the clock, the callbacks and Ctrl-C.
_CHUNK_SECONDS = 0.05
# The same where the work is only to see how fast it goes with another number of threads.
_TRIAL_SECONDS = 0.005
# Floating-point operations of a forward pass to begin with, before the speed is known: a few ms.
_FIRST_CHUNK = 2e8
# A training whose last loss is so many times its first has diverged, even if it is finite.
_EXPLODED = 10.0

_EVENTS = ("on_train_begin", "on_step_end", "on_chunk_end", "on_epoch_end", "on_train_end")


class Trainer:
    """Trains a network by mini-batch gradient descent.

    Parameters
    ----------
    network : Network
        Its parameters are changed in place.
    loss : {"cross_entropy", "squared_error", "mnist_loss"} or None
        The mean over samples of: cross entropy (binary and summed over outputs for a sigmoid
        output), the sum over outputs of (target - output)², or 1 - p where the target is 1 and p
        elsewhere. None takes squared_error for an identity output, else cross_entropy.
    optimizer : SGD, Adam or AdamW, or None
        None is Adam(). It keeps its state for the network: a second `fit` goes on.
    batch_size : int or None
        Samples an update; None is all of them.
    shuffle : bool
        Whether each epoch takes the samples in a new random order.
    drop_last : bool
        Whether to leave out the samples that do not fill the last batch of an epoch.
    seed : int or None
        Of the shuffling.
    l2 : float
        Adds l2/2 · Σ w² / (samples of the batch) to the loss; biases are not included.
    threads : int or None
        None decides by the work and the machine. Results do not depend on it, to the last bit.
    zero_skipping : bool or None
        Whether to leave out multiplications by zeros of x. None does where they are many enough
        to gain by it. Results do not depend on it, to the last bit.

    Attributes
    ----------
    history : History
        Of all calls of `fit` so far.
    position, n_samples : int
        Samples of the current epoch that are done, and samples of an epoch.
    steps : int
        Updates so far, in all calls of `fit`.
    seconds : float
        Of training so far; compilation, evaluation and callbacks are not counted.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    >>> net = Network([2, 8, 2], hidden="tanh", init="glorot", seed=0)
    >>> trainer = Trainer(net, optimizer=Adam(learning_rate=0.1), batch_size=None)
    >>> history = trainer.fit(x, [0, 1, 1, 0], epochs=100)
    >>> net.predict(x).tolist(), history.loss[-1] < 0.01
    ([0, 1, 1, 0], True)
    """

    def __init__(
        self,
        network: Network,
        loss: str | None = None,
        optimizer: Optimizer | None = None,
        batch_size: int | None = 128,
        shuffle: bool = True,
        drop_last: bool = False,
        seed: int | None = 0,
        l2: float = 0.0,
        threads: int | None = None,
        zero_skipping: bool | None = None,
    ) -> None:
        if not isinstance(network, Network):
            raise invalid_type("network", "a fastmlp.Network", network)
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            raise invalid_type("optimizer", "SGD, Adam or AdamW", optimizer)
        self.network = network
        self.loss, self._loss_code = network.loss_code(loss)
        self.optimizer = Adam() if optimizer is None else optimizer
        self.batch_size = check_integer("batch_size", batch_size, 1, none=True)
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        self.l2 = check_number("l2", l2)
        self.threads = check_threads(threads)
        if zero_skipping not in (None, False, True):
            raise invalid("zero_skipping", "None, True or False", zero_skipping)
        self.zero_skipping = zero_skipping
        self._random = np.random.default_rng(check_integer("seed", seed, 0, none=True))
        self.history = History()
        self.n_samples = 0
        self._epochs = 0  # finished
        self._steps_before = 0  # updates before the current epoch
        self.seconds = 0.0
        self._pass: TrainingPass | None = None
        self._coded = self._by_step = False
        self._budget = np.inf
        self._held_out: tuple[Samples, Targets] | None = None
        self._first_loss: float | None = None
        self._interrupt = DeferredInterrupt()
        self._starts: list[tuple[NDArray[Any], Any, NDArray[np.int64]]] = []

    @property
    def position(self) -> int:
        """Samples of the current epoch that are done."""
        return self._pass.position if self._pass else 0

    @property
    def steps(self) -> int:
        """Updates so far, in all calls of `fit`."""
        return self._steps_before + (self._pass.finished_steps if self._pass else 0)

    @property
    def running_loss(self) -> float:
        """Mean loss over the finished steps of the current epoch."""
        return self._means()[0]

    @property
    def running_accuracy(self) -> float:
        """Share of right answers in the finished steps of the current epoch; NaN if unknown."""
        return self._means()[1]

    def _means(self, first: int = 0, last: int | None = None) -> tuple[float, float]:
        """Return loss and accuracy over steps [first, last) of the current epoch."""
        if self._pass is None:
            return float("nan"), float("nan")
        sums = self._pass.records[first : self._pass.finished_steps if last is None else last]
        total = sums[:, WEIGHT].sum()
        if total <= 0.0:
            return float("nan"), float("nan")
        accuracy = sums[:, CORRECT].sum() / total if self._coded else float("nan")
        return float(sums[:, LOSS_SUM].sum() / total), float(accuracy)

    def fit(
        self,
        x: Any,
        y: ArrayLike,
        epochs: int = 10,
        validation: tuple[Any, ArrayLike] | None = None,
        sample_weight: ArrayLike | None = None,
        max_seconds: float | None = None,
        callbacks: Iterable[Any] = (),
        record: str = "epoch",
    ) -> History:
        """Train for a number of epochs; a second call goes on where the first ended.

        Parameters
        ----------
        x : array-like of shape (n, n_in), or (n, ...) with n_in elements a sample
            uint8, float32 and float64 are read in place, in any order, read-only or mapped from a
            file.
        y : array-like of shape (n,), (n, 1) or (n, n_out)
            Integer classes, one-hot rows, or numbers.
        epochs : int
            Passes through the data.
        validation : (x, y) or None
            Evaluated after every epoch.
        sample_weight : array-like of shape (n,) or None
            Weights of the samples in the loss; a batch's sum is divided by the sum of its weights.
        max_seconds : float or None
            Stop when so much time was spent on training, in the middle of an epoch if need be.
        callbacks : iterable of objects
            With any of on_train_begin(trainer), and on_step_end, on_chunk_end, on_epoch_end and
            on_train_end, each (trainer, history). A chunk is about 50 ms. True from on_step_end,
            on_chunk_end or on_epoch_end stops the training.
        record : {"epoch", "step"}
            What gets an entry in the history. The times of steps are interpolated.

        Returns
        -------
        History

        Raises
        ------
        InvalidValueError, InvalidTypeError
            An argument cannot be used; nothing was changed.
        DivergenceError
            A loss was not finite. The network keeps the last parameters that gave a finite one.
        KeyboardInterrupt
            Raised again after the step under way; network and history can be used.
        """
        epochs = check_integer("epochs", epochs, 0)
        if max_seconds is not None:
            max_seconds = check_number("max_seconds", max_seconds)
        if record not in ("epoch", "step"):
            raise invalid("record", "'epoch' or 'step'", repr(record))
        observers = _observers(callbacks)
        net = self.network
        samples = as_samples(x, net.sizes[0])
        targets = self._targets(y, samples, "y")
        weight = as_sample_weight(sample_weight, samples.n)
        self._held_out = self._checked_validation(validation)
        batch = min(self.batch_size or samples.n, samples.n)
        self.n_samples = samples.n // batch * batch if self.drop_last else samples.n
        self._coded, self._by_step = targets.coded, record == "step"
        self._budget = np.inf if max_seconds is None else self.seconds + max_seconds
        state = self.optimizer.state(net)
        self._steps_before = state.steps
        rule = Rule(self.optimizer.rule, self.optimizer.rates(), self.l2)
        self._pass = run = TrainingPass(
            net, samples, targets, weight, self._loss_code, rule, batch,
            (state.first, state.second), self.threads, epochs, self.zero_skipping,
        )  # fmt: skip
        run.advance(0)  # compiles, or loads from the cache, before the clock starts
        self._notify(observers, "on_train_begin")
        self._starts = []
        order = np.arange(samples.n)
        try:
            with self._interrupt:
                for _ in range(epochs):
                    if self.shuffle:
                        order = self._random.permutation(samples.n)
                    if not self._epoch(run, order[: self.n_samples], observers):
                        break
        finally:
            run.close()
        self._warn_if_exploded()
        self._notify(observers, "on_train_end", self.history)
        return self.history

    def _targets(self, y: ArrayLike, samples: Samples, name: str) -> Targets:
        net = self.network
        return as_targets(y, samples.n, net.sizes[-1], net.output, self.loss, net.dtype, name)

    def _checked_validation(
        self, validation: tuple[Any, ArrayLike] | None
    ) -> tuple[Samples, Targets] | None:
        if validation is None:
            return None
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            raise invalid_type("validation", "None or a pair (x, y)", validation)
        samples = as_samples(validation[0], self.network.sizes[0], "validation x")
        return samples, self._targets(validation[1], samples, "validation y")

    def _epoch(
        self, run: TrainingPass, order: NDArray[np.int64], observers: dict[str, list[Any]]
    ) -> bool:
        """Train for one epoch and record it; return whether to go on."""
        state = self.optimizer.state(self.network)
        # Where this epoch and the one before began, to go back to: epochs are repeatable.
        self._starts = [*self._starts[-1:], (self.network.buffer.copy(), state.copy(), order)]
        self._steps_before = state.steps
        run.begin(order)
        start = self.seconds - run.seconds
        marks = [(0, self.seconds)]  # finished steps, and the time when they were
        chunk = int(_FIRST_CHUNK / self.network.operations(1))
        stop = False
        try:
            while run.position < len(order) and not stop:
                position, seconds = run.position, run.seconds
                goal = position + max(1, chunk)
                if observers["on_step_end"]:
                    goal = min(goal, (position // run.batch + 1) * run.batch)
                finite = run.advance(goal, self._steps_before)
                if not finite:
                    self._diverge(run)
                elapsed = max(run.seconds - seconds, 1e-9)
                span = _TRIAL_SECONDS if run.trying else _CHUNK_SECONDS
                chunk = int((run.position - position) / elapsed * span)
                self.seconds = start + run.seconds
                marks.append((run.finished_steps, self.seconds))
                stop = self.seconds >= self._budget
                with self._interrupt.passing():
                    if run.position % run.batch == 0 or run.position == len(order):
                        stop |= self._notify(observers, "on_step_end", self.history)
                    stop |= self._notify(observers, "on_chunk_end", self.history)
            if not np.isfinite(self.network.buffer).all():
                self._diverge(run)
        finally:
            # Also after Ctrl-C: what the finished steps did stands, and is in the history.
            run.drop_step()
            state.steps = self._steps_before + run.finished_steps
            complete = run.position == len(order)
            self._record(run, marks, evaluate=complete)
            self._epochs += complete
        if complete:
            with self._interrupt.passing():
                stop |= self._notify(observers, "on_epoch_end", self.history)
        return not stop

    def _record(self, run: TrainingPass, marks: list[tuple[int, float]], evaluate: bool) -> None:
        """Write the finished steps of an epoch to the history, as one entry or one each."""
        done = run.finished_steps
        if done == 0:
            return
        if self._first_loss is None:
            self._first_loss = self._means(0, 1)[0]
        steps, times = [mark[0] for mark in marks], [mark[1] for mark in marks]
        seconds = np.interp(np.arange(1, done + 1), steps, times)
        for first in range(done) if self._by_step else (0,):
            last = first + 1 if self._by_step else done
            loss, accuracy = self._means(first, last)
            row = {"loss": loss, "accuracy": accuracy}
            if evaluate and last == done and self._held_out is not None:
                found = self.network.run_evaluation(
                    *self._held_out, np.zeros(0), self._loss_code, self.threads
                )
                row |= {f"validation_{name}": value for name, value in found.items()}
            self.history.record(
                epochs=self._epochs + min(last * run.batch, self.n_samples) / self.n_samples,
                steps=self._steps_before + last,
                seconds=float(seconds[last - 1]),
                **row,
            )

    def _diverge(self, run: TrainingPass) -> NoReturn:
        """Go back to the last parameters that gave a finite loss, and say what happened."""
        net, state = self.network, self.optimizer.state(self.network)
        bad = run.position // run.batch if run.position < self.n_samples else len(run.records)
        if bad > 0:
            good = self._starts[-1], bad - 1
        elif len(self._starts) > 1:
            # The last update of the epoch before spoilt them: it is undone, and not counted.
            good = self._starts[-2], -(-self.n_samples // run.batch) - 1
            self.history.steps[-1] -= 1
            self._steps_before -= 1
        else:
            good = self._starts[-1], 0
        (parameters, remembered, order), steps = good
        now = run.order
        net.buffer[:] = parameters
        state.restore(remembered)
        run.begin(order)
        if steps > 0:
            run.advance(steps * run.batch, state.steps)
        if order is not now:
            run.begin(now)
        raise DivergenceError(
            f"training diverged in epoch {self._epochs + 1}, step {bad + 1}: the loss is not "
            f"finite. Try a smaller learning_rate (it is {self.optimizer.learning_rate:g}) or "
            "smaller inputs (input_scale); the last finite parameters are kept"
        )

    def _warn_if_exploded(self) -> None:
        """Warn where the last loss is far above the first: finite, but nothing was learned."""
        loss, first = self.history.loss, self._first_loss
        if loss and first is not None and loss[-1] > _EXPLODED * first:
            warnings.warn(
                f"training diverged: the loss rose from {first:.3g} to {loss[-1]:.3g} in epoch "
                f"{int(np.ceil(self.history.epochs[-1]))}. Try a smaller learning_rate (it is "
                f"{self.optimizer.learning_rate:g}) or smaller inputs (input_scale)",
                DivergenceWarning,
                stacklevel=3,
            )

    def _notify(self, observers: dict[str, list[Any]], event: str, *details: Any) -> bool:
        """Call the callbacks of an event; return whether one asked to stop."""
        answers = [call(self, *details) for call in observers[event]]
        return any(answer is True for answer in answers)


def _observers(callbacks: Iterable[Any]) -> dict[str, list[Any]]:
    """Return the methods of the callbacks by event; refuse objects that have none."""
    observers: dict[str, list[Any]] = {event: [] for event in _EVENTS}
    for callback in callbacks:
        methods = {event: getattr(callback, event, None) for event in _EVENTS}
        if not any(callable(method) for method in methods.values()):
            expected = f"objects with one of {', '.join(_EVENTS)}"
            raise invalid_type("callbacks", expected, callback)
        for event, method in methods.items():
            if callable(method):
                observers[event].append(method)
    return observers
