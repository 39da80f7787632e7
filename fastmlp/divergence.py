"""A training that left the finite numbers: what is kept, and what is said."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DivergenceError, DivergenceWarning
from fastmlp.history import History
from fastmlp.network import Network
from fastmlp.optimizers import State
from fastmlp.passes import TrainingPass, updates_of

__all__ = ["KEPT", "Start", "diverged", "rewind", "warn_if_exploded", "warn_if_overflown"]

# A training whose last loss is so many times its first has diverged, even if it is finite.
_EXPLODED = 10.0

# The end of the error: it is of the network in memory, which a command line may not save.
KEPT = "; the last finite parameters are kept", "; the best parameters are kept"


class Start(NamedTuple):
    """Where an epoch, or the rest of one, began, to go back to: epochs are repeatable."""

    parameters: NDArray[Any]
    remembered: tuple[NDArray[Any], NDArray[Any], int]
    order: NDArray[np.int64]
    records: NDArray[np.float64]  # of the steps that were done
    learning_rate: float
    rates: NDArray[np.float64] | None  # of the epoch's steps, where there is a schedule
    seed: int  # of dropout

    def begin(self, run: TrainingPass) -> None:
        """Begin the epoch, or the rest of it."""
        rates = self.learning_rate if self.rates is None else self.rates
        run.begin(self.order, self.records, rates, self.seed)

    def take(self, run: TrainingPass, network: Network, state: State) -> None:
        """Go back to here."""
        network.buffer[:] = self.parameters
        state.restore(self.remembered)
        self.begin(run)


def rewind(
    run: TrainingPass,
    network: Network,
    state: State,
    starts: list[Start],
    check: Callable[[], None],
) -> tuple[int, int]:
    """Go back to the last parameters that gave a finite loss.

    Returns the step whose loss was not finite, and how many updates of the epoch before were
    undone: the last one, where it spoilt the first update of this epoch. `starts` are of epochs
    that made one, but for the last. `check` is called again and again; where it raises, all is as
    at the beginning of this epoch.
    """
    now = starts[-1]
    ended = run.position == len(run.order)
    bad = len(run.records) if ended else run.position // run.batch
    good, steps, undone = now, run.last_update(now.order, bad), 0
    if steps < len(now.records):
        steps = bad
        if len(starts) > 1:
            good, undone = starts[-2], 1
            steps = run.last_update(good.order, len(run.records))
    good.take(run, network, state)
    goal, before = steps * run.batch, state.steps - updates_of(good.records)
    try:
        while run.position < goal:
            check()
            run.advance_a_while(goal, before)
    except BaseException:
        now.take(run, network, state)
        raise
    if undone:
        now.begin(run)
    return bad, undone


def diverged(epoch: int, step: int, learning_rate: float, best: bool) -> DivergenceError:
    """Return the error that says where a training diverged, what may help, and what is kept."""
    return DivergenceError(
        f"training diverged in epoch {epoch}, step {step}: the loss is not finite. "
        f"Try a smaller learning_rate (it is {learning_rate:g}) or smaller inputs (input_scale)"
        + KEPT[best]
    )


def warn_if_exploded(history: History, first: float | None, learning_rate: float) -> None:
    """Warn where the last loss is far above the first: finite, but nothing was learned."""
    loss = history.loss
    if loss and first is not None and loss[-1] > _EXPLODED * first:
        warnings.warn(
            f"training diverged: the loss rose from {first:.3g} to {loss[-1]:.3g} in epoch "
            f"{int(np.ceil(history.epochs[-1]))}. Try a smaller learning_rate (it is "
            f"{learning_rate:g}) or smaller inputs (input_scale)",
            DivergenceWarning,
            stacklevel=3,
        )


def warn_if_overflown(history: History, first: int) -> None:
    """Warn where the loss on validation data was not finite after an epoch, from a row on."""
    rows = zip(history.epochs[first:], history.validation_loss[first:], strict=True)
    for epoch, loss in rows:
        if epoch.is_integer() and not math.isfinite(loss):
            warnings.warn(
                f"validation: its loss is not finite in epoch {int(epoch)}: outputs or targets are "
                "too large. The training loss was finite",
                DivergenceWarning,
                stacklevel=3,
            )
            return
