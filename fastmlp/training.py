"""Trainer: epochs of compiled steps, with a return to Python every 50 ms or so."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.callbacks import Callbacks
from fastmlp.divergence import Start, diverged, rewind, warn_if_exploded, warn_if_overflown
from fastmlp.errors import invalid, invalid_type, shown
from fastmlp.gradients import LossLike
from fastmlp.history import History
from fastmlp.network import Network
from fastmlp.optimizers import Adam, Optimizer, State
from fastmlp.passes import Rule, TrainingPass
from fastmlp.resumable import Resumable
from fastmlp.schedules import SCHEDULES, scheduled_rates
from fastmlp.stopping import Stopping
from fastmlp.targets import Targets
from fastmlp.threads import check_threads
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

__all__ = ["Trainer"]


class Trainer(Resumable):
    """Trains a network by mini-batch gradient descent.

    Parameters
    ----------
    network : Network
        Its parameters are changed in place.
    loss : str, (str, parameter) or None
        The mean over samples of: "cross_entropy" (binary and summed over outputs for a sigmoid
        output); "squared_error", the sum over outputs of (target - output)²; "mnist_loss", 1 - p
        where the target is 1 and p elsewhere. Of identity outputs, summed over them, with the error
        e = output - target: "absolute_error", |e|; "huber" or ("huber", d), e²/2 up to |e| = d,
        then d (|e| - d/2), with d = 1; "quantile" or ("quantile", q), (1 - q) e above the target
        and -q e below, with q = 0.5, or a q for each output. None takes squared_error for an
        identity output, else cross_entropy.
    optimizer : SGD, Adam or AdamW, or None
        None is Adam(). It keeps its state for the network: a second `fit` goes on, and that of a
        copy of the trainer too.
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
        None decides by the work and the machine, and takes no more than OMP_NUM_THREADS says, or
        than `numba.set_num_threads` was given in this Python thread; a number is taken instead of
        these, up to NUMBA_NUM_THREADS. Results do not depend on it, to the last bit.
    zero_skipping : bool or None
        Whether to leave out multiplications by zeros of x. None does where they are many enough
        to gain by it. Results do not depend on it, to the last bit.
    checkpoint : str, path or None
        A file that the training is kept in while it runs: every so often, at its end, and when it
        is interrupted. `resume` takes it from there; a file of that name is replaced.
    every : float
        Seconds between checkpoints.
    schedule : {"one_cycle", "cosine"} or None
        Gives each step of a fit its learning rate: "one_cycle" goes in 3 of 10 steps from a 25th of
        the optimizer's up to it, then down to nearly 0; "cosine" from it down to 0. The steps are
        those of all `epochs`, also where something ends the fit early.
    patience : int or None
        Epochs in a row that may fail to be better on the `validation` data; then a fit stops.
    min_delta : float
        An epoch is better if its loss (or accuracy) is by more than this better than that of all
        epochs before it in the same fit.
    restore_best : bool
        Whether a fit ends, in whatever way, with the parameters after the epoch with its best loss
        (or accuracy) on the `validation` data. The history, and what the optimizer remembers, stay
        those of the last step. A checkpoint holds the last parameters, and the best besides.
    monitor : {"loss", "accuracy"}
        What is watched on the `validation` data; an accuracy needs classes.
    dropout : float
        Share of the hidden units that are left out of a step, others for each sample; those that
        are kept are divided by 1 - dropout (Srivastava et al. 2014).

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
    finished_epochs : int
        Whole epochs so far.
    checkpoint_is_current : bool
        Whether the checkpoint on disk is the training as it stands.
    stopping : Stopping
        Holds patience, min_delta, restore_best and monitor.

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

    _state: State  # of the fit under way, whatever becomes of the optimizer's numbers

    def __init__(
        self,
        network: Network,
        loss: LossLike = None,
        optimizer: Optimizer | None = None,
        batch_size: int | None = 128,
        shuffle: bool = True,
        drop_last: bool = False,
        seed: int | None = 0,
        l2: float = 0.0,
        threads: int | None = None,
        zero_skipping: bool | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        every: float = 60.0,
        schedule: str | None = None,
        patience: int | None = None,
        min_delta: float = 0.0,
        restore_best: bool = False,
        monitor: str = "loss",
        dropout: float = 0.0,
    ) -> None:
        if not isinstance(network, Network):
            raise invalid_type("network", "a fastmlp.Network", network)
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            raise invalid_type("optimizer", "SGD, Adam or AdamW", optimizer)
        self.network = network
        self._loss = network.as_loss(loss)
        self.loss = self._loss.name if loss is None else loss
        self.optimizer = Adam() if optimizer is None else optimizer
        self.batch_size = check_integer("batch_size", batch_size, 1, none=True)
        self.shuffle = check_flag("shuffle", shuffle)
        self.drop_last = check_flag("drop_last", drop_last)
        self.l2 = check_number("l2", l2)
        self.dropout = check_number("dropout", dropout, below=1.0)
        self.threads = check_threads(threads)
        self.zero_skipping = check_flag("zero_skipping", zero_skipping, none=True)
        if schedule is not None:
            check_choice("schedule", schedule, tuple(SCHEDULES))
        self.schedule = schedule
        self.stopping = Stopping(patience, min_delta, restore_best, monitor)
        super().__init__(seed, checkpoint, every)
        self._by_step = False
        self._budget = np.inf
        self._held_out: tuple[Samples, Targets] | None = None
        self._starts: list[Start] = []

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
            Evaluated after every epoch. A loss there that is not finite is in the history as it is,
            and a warning at the end. `patience` and `restore_best` need it.
        sample_weight : array-like of shape (n,) or None
            Weights of the samples in the loss; a batch's sum is divided by the sum of its weights.
            A batch whose weights are all 0 is no step: it changes nothing, and its samples count
            in the epoch alone.
        max_seconds : float or None
            Stop when so much time was spent on training, in the middle of an epoch if need be.
        callbacks : iterable of objects
            With any of on_train_begin(trainer), and on_step_end, on_chunk_end, on_epoch_end and
            on_train_end, each (trainer, history). A chunk is about 50 ms. True from on_step_end,
            on_chunk_end or on_epoch_end stops the training. A learning_rate that one sets on
            trainer.optimizer is that of the next epoch, and of all after it; other numbers of the
            optimizer are those of the next fit.
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
            A loss was not finite. The network keeps the last parameters that gave a finite one,
            or the best with `restore_best`.
        FastMLPError
            This trainer is training already: in a callback of a fit, or another thread.
        KeyboardInterrupt
            Raised again after the step under way; network and history can be used.
        """
        epochs = check_integer("epochs", epochs, 0)
        if max_seconds is not None:
            max_seconds = check_number("max_seconds", max_seconds)
        if not isinstance(record, str) or record not in ("epoch", "step"):
            raise invalid("record", "'epoch' or 'step'", shown(record, repr))
        observers = Callbacks(callbacks)
        net, progress = self.network, self._progress
        samples = as_samples(x, net.sizes[0])
        targets = net.targets(y, samples.n, self._loss.name)
        multilabel = net.seems_multilabel(targets)
        weight = as_sample_weight(sample_weight, samples.n)
        held_out = self._checked_validation(validation, multilabel)
        self.stopping.check(held_out is not None, targets.coded)
        batch = min(self.batch_size or samples.n, samples.n)
        n_samples = samples.n // batch * batch if self.drop_last else samples.n
        if progress.resumed and progress.under_way and n_samples != progress.n_samples:
            expected = f"{progress.n_samples} samples an epoch, as in the checkpoint"
            raise invalid("x", expected, n_samples)
        steps = -(-n_samples // batch)
        planned = epochs * steps
        if progress.resumed and self.schedule and planned != progress.planned_steps:
            expected = f"{progress.planned_steps} steps in all, as the checkpoint's schedule has"
            raise invalid("epochs", expected, planned)
        with self._one_fit():
            rates = self.optimizer.rates()
            self._state = state = self.optimizer.state(net)
            rule = Rule(self.optimizer.rule, rates, self.l2, self.dropout)
            self._checkpoints.begin()
            with self._interrupt:
                run = TrainingPass(
                    net, samples, targets, weight, self._loss.code, rule, batch,
                    (state.first, state.second), self.threads, epochs, self.zero_skipping,
                    self._loss.constants,
                )  # fmt: skip
                run.advance(0)  # compiles, or loads from the cache, before the clock starts
            net.multilabel, net.input_size = multilabel, net.input_size or samples.size()
            self._pass, self._held_out = run, held_out
            self._coded, self._by_step = targets.coded, record == "step"
            self._budget = np.inf if max_seconds is None else progress.seconds + max_seconds
            progress.n_samples, progress.planned_steps = n_samples, planned
            recorded = len(self.history)
            observers.notify("on_train_begin", self)
            progress.begin_fit()
            self._starts = []
            try:
                with self._interrupt, self._kept():
                    while (done := progress.epochs - progress.epochs_before) < epochs:
                        if self.stopping.ends(progress.best):
                            break
                        rate = self.optimizer.rates()[0]
                        each = scheduled_rates(self.schedule, rate, done * steps, steps, planned)
                        order, seed = progress.begin_epoch(
                            samples.n, self.shuffle, state.steps, self.dropout > 0.0
                        )
                        if not self._epoch(run, order[:n_samples], rate, each, seed, observers):
                            break
            finally:
                run.close()
                progress.best.restore(net.buffer)
        if held_out is not None:
            warn_if_overflown(self.history, recorded)
        warn_if_exploded(self.history, progress.first_loss, self.optimizer.learning_rate)
        observers.notify("on_train_end", self, self.history)
        return self.history

    def _checked_validation(
        self, validation: tuple[Any, ArrayLike] | None, multilabel: bool
    ) -> tuple[Samples, Targets] | None:
        if validation is None:
            return None
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            raise invalid_type("validation", "None or a pair (x, y)", validation)
        net = self.network
        samples = as_samples(validation[0], net.sizes[0], "validation x")
        name = "validation y"
        return samples, net.targets(validation[1], samples.n, self._loss.name, name, multilabel)

    def _evaluate(self) -> dict[str, float]:
        """Return loss and accuracy on the data held out, if there are any."""
        if self._held_out is None:
            return {}
        with self._interrupt.passing():
            return self.network.run_evaluation(
                *self._held_out, np.zeros(0), self._loss, self.threads
            )

    def _epoch(
        self, run: TrainingPass, order: NDArray[np.int64], rate: float,
        rates: NDArray[np.float64] | None, seed: int, observers: Callbacks,
    ) -> bool:  # fmt: skip
        """Train for one epoch, or the rest of one, and record it; return whether to go on."""
        progress, state = self._progress, self._state
        start = Start(
            self.network.buffer.copy(), state.copy(), order, progress.records, rate, rates, seed
        )
        idle = self._starts != [] and self._starts[-1].remembered[2] == state.steps
        self._starts = [*(self._starts[:-1] if idle else self._starts[-1:]), start]
        start.begin(run)
        before = progress.seconds - run.seconds
        stop = False
        held_out: dict[str, float] | None = None
        try:
            while run.position < len(order) and not stop:
                goal = len(order)
                if observers.wants("on_step_end"):
                    goal = (run.position // run.batch + 1) * run.batch
                updates = run.updates
                if not run.advance_a_while(goal, progress.steps_before):
                    self._diverge(run)
                progress.seconds = before + run.seconds
                progress.marks.append((run.finished_steps, progress.seconds))
                stop = progress.seconds >= self._budget
                if self._checkpoints.due() and run.position < len(order):
                    self._checkpoints.write(*self._kept_things())
                self._interrupt.check()
                if run.updates > updates:
                    stop |= self._tell(observers, "on_step_end")
                stop |= self._tell(observers, "on_chunk_end")
            if not all_finite(self.network.buffer):
                self._diverge(run)
            if run.position == len(order):
                held_out = self._evaluate()
        finally:
            # Also after Ctrl-C: what the finished steps did stands, and is in the history.
            run.drop_step()
            state.steps = progress.steps_before + run.updates
            self.optimizer.state(self.network).steps = state.steps  # a callback set the momentum
            progress.record(run, self._coded, self._by_step, held_out or {})
            if held_out is not None:
                progress.finish_epoch()
            if held_out:
                self.stopping.see(progress.best, held_out, self.network.buffer)
        if held_out is not None:
            if self._checkpoints.due():
                self._checkpoints.write(*self._kept_things())
            stop |= self._tell(observers, "on_epoch_end")
        return not stop

    def _tell(self, observers: Callbacks, event: str) -> bool:
        """Tell the callbacks, which Ctrl-C interrupts; return whether one asks to stop."""
        if not observers.wants(event):
            return False
        with self._interrupt.passing():
            return observers.notify(event, self, self.history)

    def _diverge(self, run: TrainingPass) -> NoReturn:
        """Go back to the last parameters that gave a finite loss, and say what happened."""
        progress, state = self._progress, self._state
        try:
            step, undone = rewind(run, self.network, state, self._starts, self._interrupt.check)
        except BaseException:
            progress.marks = [mark for mark in progress.marks if mark[0] <= run.finished_steps]
            raise
        if undone:
            # The last update of the epoch before spoilt them: it is not counted.
            self.history.steps[-1] -= undone
            progress.steps_before -= undone
        best = progress.best.parameters is not None
        raise diverged(progress.epochs + 1, step + 1, self._starts[-1].learning_rate, best)
