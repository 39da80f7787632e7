"""What a training has reached, and how it is kept on disk and taken from there."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.checkpoints import Timetable, read_checkpoint, write_checkpoint
from fastmlp.errors import DivergenceError, FastMLPError, invalid
from fastmlp.gradients import Loss
from fastmlp.history import History
from fastmlp.interrupts import DeferredInterrupt
from fastmlp.network import Network
from fastmlp.optimizers import Optimizer
from fastmlp.output import check_path
from fastmlp.passes import TrainingPass, updates_of
from fastmlp.progress import Progress, means
from fastmlp.stopping import Stopping
from fastmlp.validation import check_integer, check_number

__all__ = ["Resumable"]


class Resumable:
    """A training that can go on after its process ended; see `Trainer`."""

    network: Network
    optimizer: Optimizer
    _loss: Loss
    dropout: float
    batch_size: int | None
    shuffle: bool
    drop_last: bool
    schedule: str | None
    stopping: Stopping

    def __init__(
        self, seed: int | None, checkpoint: str | os.PathLike[str] | None, every: float
    ) -> None:
        if checkpoint is not None:
            check_path(checkpoint, "checkpoint")
        self._checkpoints = Timetable(checkpoint, check_number("every", every))
        seed = check_integer("seed", seed, 0, none=True)
        self._progress = Progress(np.random.default_rng(seed))
        self._pass: TrainingPass | None = None
        self._coded = False  # whether targets are classes
        self._interrupt = DeferredInterrupt()
        self._fitting = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle or a copy holds: the training as of its last finished step.

        Neither data nor buffers of the fit under way are in it, but what the optimizer remembers.
        """
        state = self.optimizer.known_state(self.network)
        kept: dict[str, Any] = {
            "_pass": None, "_held_out": None, "_starts": [], "_interrupt": None, "_fitting": None,
            "_progress": replace(self._progress, records=self._done().copy()), "_state": None,
        }  # fmt: skip
        if state is not None:
            kept["_state"] = copy.copy(state)
            kept["_state"].steps = self.steps
        return self.__dict__ | kept

    def __setstate__(self, contents: dict[str, Any]) -> None:
        """Make the trainer again from `__getstate__`."""
        self.__dict__.update(contents)
        self._interrupt, self._fitting = DeferredInterrupt(), threading.Lock()
        if contents["_state"] is not None:
            self.optimizer.take_state(self.network, contents["_state"])

    @property
    def history(self) -> History:
        """What happened in all calls of `fit` so far."""
        return self._progress.history

    @property
    def checkpoint_is_current(self) -> bool:
        """Whether the checkpoint on disk is the training as it stands."""
        return self._checkpoints.current

    @property
    def finished_epochs(self) -> int:
        """Whole epochs so far."""
        return self._progress.epochs

    @property
    def n_samples(self) -> int:
        """Samples of an epoch; 0 before the first."""
        return self._progress.n_samples

    @property
    def position(self) -> int:
        """Samples of the current epoch that are done."""
        return self._pass.position if self._pass else 0

    @property
    def steps(self) -> int:
        """Updates so far, in all calls of `fit`."""
        progress, run = self._progress, self._run
        if progress.under_way:
            done = updates_of(progress.records) if run is None else run.updates
            return progress.steps_before + done
        state = self.optimizer.known_state(self.network)
        return 0 if state is None else state.steps

    @property
    def seconds(self) -> float:
        """Seconds of training so far; compilation, evaluation and callbacks are not counted."""
        return self._progress.seconds

    @property
    def running_loss(self) -> float:
        """Mean loss over the finished steps of the current epoch."""
        return means(self._done(), self._coded)[0]

    @property
    def running_accuracy(self) -> float:
        """Share of right answers in the finished steps of the current epoch; NaN if unknown."""
        return means(self._done(), self._coded)[1]

    @property
    def _run(self) -> TrainingPass | None:
        """The pass through the current epoch, if there is one."""
        run = self._pass
        return None if run is None or len(run.order) == 0 else run

    def _done(self) -> NDArray[np.float64]:
        """Return the sums of the finished steps of the current epoch."""
        run = self._run
        return self._progress.records if run is None else run.records[: run.finished_steps]

    def resume(self, path: str | os.PathLike[str] | None = None) -> bool:
        """Take the training from a checkpoint; the next `fit` is the one it was written in.

        That fit goes on where the checkpoint stands, in the middle of an epoch as it may be, and
        its `epochs` count from where it began: the same program, run again, ends with the same
        parameters as without an interruption, to the last bit. `max_seconds` counts anew. The
        state of callbacks is not kept.

        Parameters
        ----------
        path : str, path or None
            None takes the trainer's own `checkpoint`.

        Returns
        -------
        bool
            Whether there was a file; without one nothing is changed.

        Raises
        ------
        DataError
            The file is damaged, or not a checkpoint; nothing was changed.
        InvalidValueError
            It is one of another network, loss, optimizer, batch_size, shuffle, drop_last, schedule,
            restore_best or monitor.

        Examples
        --------
        >>> import fastmlp, pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "run.checkpoint")
        >>> def program(epochs):
        ...     net = fastmlp.Network([2, 8, 2], seed=0)
        ...     trainer = fastmlp.Trainer(net, batch_size=2, checkpoint=path)
        ...     resumed = trainer.resume()
        ...     history = trainer.fit(np.eye(2), [0, 1], epochs=epochs)
        ...     return resumed, len(history)
        >>> program(epochs=3), program(epochs=5)
        ((False, 3), (True, 5))
        """
        path = self._checkpoints.path if path is None else path
        if path is None:
            raise invalid("path", "that of a checkpoint, as the trainer has none", None)
        if not os.path.lexists(check_path(path)):
            return False
        state = self.optimizer.state(self.network)
        read_checkpoint(path, self.network, state, self._settings(), self._progress)
        self._pass = None
        return True

    def save_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Write the training as it stands to a file that `resume` takes.

        After a fit that took its best parameters back these are what goes on; a checkpoint that
        the fit wrote goes on from its last ones.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        write_checkpoint(path, *self._kept_things())

    @contextmanager
    def _one_fit(self) -> Iterator[None]:
        """Refuse a second fit while one is under way, from a callback or another thread."""
        if not self._fitting.acquire(blocking=False):
            got = "a second one in a callback or another thread of the first"
            raise FastMLPError(f"fit: expected one fit of a Trainer at a time, got {got}")
        try:
            yield
        finally:
            self._fitting.release()

    def _settings(self) -> dict[str, Any]:
        """Return what must be the same where a training goes on."""
        return {
            "loss": self._loss.name,
            "loss_constants": self._loss.constants.tolist(),
            "dropout": self.dropout,
            "optimizer": type(self.optimizer).__name__,
            "momentum": getattr(self.optimizer, "momentum", 0.0) > 0.0,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
            "schedule": self.schedule,
            "restore_best": self.stopping.restore_best,
            "monitor": self.stopping.monitor,
        }

    def _kept_things(self) -> tuple[Any, ...]:
        """Return what a checkpoint holds, at the end of the last finished step."""
        progress, state = self._progress, self.optimizer.state(self.network)
        done = self._done() if progress.under_way else progress.records
        return self.network, state, self._settings(), progress, done

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Write a checkpoint at the end, whatever ends the training; not of a divergence."""
        try:
            yield
        except DivergenceError:
            raise
        except BaseException:
            self._checkpoints.write(*self._kept_things())
            raise
        self._checkpoints.write(*self._kept_things())
