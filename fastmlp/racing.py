"""A race of batch sizes: the same network trained with each, for the same time."""

from __future__ import annotations

import copy
import math
import os
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.errors import DivergenceError, DivergenceWarning, invalid, invalid_type
from fastmlp.gradients import LossLike
from fastmlp.history import History
from fastmlp.network import Network
from fastmlp.optimizers import Optimizer
from fastmlp.output import write_atomically
from fastmlp.training import Trainer
from fastmlp.validation import (
    as_sample_weight,
    as_samples,
    check_choice,
    check_integer,
    check_number,
)

__all__ = ["Race", "race"]

_CLOCKS = ("fair", "book")
_ENDLESS = 10**9  # epochs: time ends the training


class Race:
    """What came of a race.

    Attributes
    ----------
    histories : dict of str to History
        By batch size, "full" for all samples. Loss and accuracy are those on the whole training
        set; the first record is that of time 0.
    networks : dict of str to Network
        The networks trained.
    """

    def __init__(self) -> None:
        self.histories: dict[str, History] = {}
        self.networks: dict[str, Network] = {}

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write batch_size, seconds, steps, epochs, loss, accuracy; NaN is an empty cell.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        columns = ("seconds", "steps", "epochs", "loss", "accuracy")
        lines = [",".join(("batch_size", *columns))]
        for label, history in self.histories.items():
            for row in zip(*(getattr(history, name) for name in columns), strict=True):
                cells = ("" if math.isnan(value) else repr(value) for value in row)
                lines.append(",".join((label, *cells)))
        write_atomically(path, ("\n".join(lines) + "\n").encode())

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the losses of all batch sizes over seconds (needs matplotlib).

        Raises
        ------
        FastMLPError
            Matplotlib is missing, there are more than six, or the file cannot be written.
        """
        from fastmlp.plot import plot_curves

        plot_curves(
            path,
            {
                "all samples" if label == "full" else f"batches of {label}": (run.seconds, run.loss)
                for label, run in self.histories.items()
            },
            x="time (seconds)",
            y="loss on the training set (mean per sample)",
        )

    def __repr__(self) -> str:
        losses = (f"{label}: {run.loss[-1]:.4g}" for label, run in self.histories.items() if run)
        return f"Race(loss by batch size: {', '.join(losses)})"


def race(
    network: Network,
    x: Any,
    y: ArrayLike,
    batch_sizes: Sequence[int | None] = (1, 32, 128, None),
    max_seconds: float = 10.0,
    *,
    loss: LossLike = None,
    optimizer: Optimizer | None = None,
    clock: str = "fair",
    points: int = 40,
    shuffle: bool = True,
    seed: int | None = 0,
    threads: int | None = None,
    watch: Callable[[Race, str], object] | None = None,
) -> Race:
    """Train copies of a network with different batch sizes, each for the same time.

    Parameters
    ----------
    network : Network
        Where each begins; it is not changed.
    x, y, loss, optimizer, shuffle, seed, threads
        As for `Trainer` and `Trainer.fit`.
    batch_sizes : sequence of int or None
        None is all samples.
    max_seconds : float
        For each batch size.
    clock : {"fair", "book"}
        "fair" counts training alone, and measures the loss on all samples `points` times at equal
        distances; "book" measures it after every step and counts the measuring, so that the race
        is about steps.
    points : int
        Measurements of each batch size with the fair clock, that at time 0 not counted. There are
        fewer where a step takes longer than the time between two.
    watch : function or None
        Called with the race so far and the batch size after every measurement.

    Returns
    -------
    Race

    Raises
    ------
    InvalidValueError, InvalidTypeError
        An argument cannot be used.

    Notes
    -----
    A batch size that diverges drops out with a warning and keeps its history until then.

    Examples
    --------
    >>> import fastmlp
    >>> data = fastmlp.datasets.load_digits()
    >>> net = fastmlp.Network([64, 20, 10], input_scale=data.input_scale)
    >>> result = race(net, data.x_train, data.y_train, batch_sizes=(32, None), max_seconds=0.1)
    >>> list(result.histories), result.histories["full"].seconds[0]
    (['32', 'full'], 0.0)
    """
    if not isinstance(network, Network):
        raise invalid_type("network", "a fastmlp.Network", network)
    sizes = _check_sizes(batch_sizes)
    max_seconds = check_number("max_seconds", max_seconds, open_below=True)
    check_choice("clock", clock, _CLOCKS)
    points = check_integer("points", points, 1)
    if watch is not None and not callable(watch):
        raise invalid_type("watch", "a function or None", watch)
    measure = _measure(network, x, y, loss, threads)
    result = Race()
    for size in sizes:
        label = "full" if size is None else str(size)
        net = result.networks[label] = copy.deepcopy(network)
        history = result.histories[label] = History()
        trainer = Trainer(
            net, loss, copy.deepcopy(optimizer), size, shuffle, seed=seed, threads=threads
        )
        note = _Note(result, label, measure, watch)
        fair = clock == "fair"
        try:
            trainer.fit(
                x, y, epochs=_ENDLESS,
                max_seconds=max_seconds if fair else None,
                callbacks=[_Fair(note, max_seconds / points) if fair else _Book(note, max_seconds)],
            )  # fmt: skip
        except DivergenceError as error:
            after = f"{history.seconds[-1]:.3g} s"
            warnings.warn(
                f"batch size {label} dropped out, last measured after {after}: {error}",
                DivergenceWarning,
                stacklevel=2,
            )
    return result


def _check_sizes(batch_sizes: Any) -> list[int | None]:
    """Return the batch sizes as a list of different ones."""
    expected = "a sequence of integers or None"
    if isinstance(batch_sizes, str | bytes):
        raise invalid_type("batch_sizes", expected, batch_sizes)
    try:
        given = list(batch_sizes)
    except TypeError:
        raise invalid_type("batch_sizes", expected, batch_sizes) from None
    sizes = [check_integer("batch_sizes", size, 1, none=True) for size in given]
    if not sizes or len(set(sizes)) < len(sizes):
        raise invalid("batch_sizes", "one or more different sizes", given)
    return sizes


def _measure(
    network: Network, x: Any, y: ArrayLike, loss: LossLike, threads: int | None
) -> Callable[[Network], dict[str, float]]:
    """Return a function that gives a network's loss and accuracy on data checked once."""
    of = network.as_loss(loss)
    samples = as_samples(x, network.sizes[0])
    targets = network.targets(y, samples.n, of.name)
    no_weight: NDArray[np.float64] = as_sample_weight(None, samples.n)
    return lambda net: net.run_evaluation(samples, targets, no_weight, of, threads)


class _Note:
    """Measures one network and writes down what it found."""

    def __init__(
        self,
        result: Race,
        label: str,
        measure: Callable[[Network], dict[str, float]],
        watch: Callable[[Race, str], object] | None,
    ) -> None:
        self.result, self.label, self.measure, self.watch = result, label, measure, watch
        self.history = result.histories[label]

    def __call__(self, trainer: Trainer, clock: Callable[[], float]) -> None:
        """Add a record; the clock is read after the measurement."""
        found = self.measure(trainer.network)
        batch = min(trainer.batch_size or trainer.n_samples, trainer.n_samples)
        whole, rest = divmod(trainer.steps, -(-trainer.n_samples // batch))
        self.history.record(
            epochs=whole + rest * batch / trainer.n_samples,
            steps=trainer.steps,
            seconds=clock(),
            **found,
        )
        if self.watch is not None:
            self.watch(self.result, self.label)


class _Fair:
    """Measures at equal distances of training time, and counts none of it."""

    def __init__(self, note: _Note, distance: float) -> None:
        self.note, self.distance, self.next = note, distance, 0.0

    def on_train_begin(self, trainer: Trainer) -> None:
        """Measure the network as it was given."""
        self._look(trainer)

    def on_chunk_end(self, trainer: Trainer, history: History) -> None:
        """Measure where it is time."""
        if trainer.seconds >= self.next and trainer.steps > self.note.history.steps[-1]:
            self._look(trainer)

    def on_train_end(self, trainer: Trainer, history: History) -> None:
        """Measure what came out."""
        if trainer.steps > self.note.history.steps[-1]:
            self._look(trainer)

    def _look(self, trainer: Trainer) -> None:
        self.note(trainer, lambda: trainer.seconds)
        self.next = (trainer.seconds // self.distance + 1) * self.distance


class _Book:
    """Measures after every step, and counts the time it takes."""

    def __init__(self, note: _Note, max_seconds: float) -> None:
        self.note, self.max_seconds, self.start = note, max_seconds, 0.0

    def on_train_begin(self, trainer: Trainer) -> None:
        """Measure the network as it was given, and start the clock."""
        self.note(trainer, lambda: 0.0)
        self.start = time.perf_counter()

    def on_step_end(self, trainer: Trainer, history: History) -> bool:
        """Measure; the time is up when the clock says so."""
        self.note(trainer, lambda: time.perf_counter() - self.start)
        return self.note.history.seconds[-1] >= self.max_seconds
