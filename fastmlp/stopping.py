"""Early stopping: the best epoch of a fit by data held out, and whether to go on after the last."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fastmlp.errors import invalid
from fastmlp.validation import check_choice, check_flag, check_integer, check_number

__all__ = ["MONITORS", "Best", "Stopping"]

MONITORS = ("loss", "accuracy")


@dataclass
class Best:
    """The best epoch so far.

    Attributes
    ----------
    value : float
        Its figure, the least of all; infinite before the first.
    parameters : ndarray or None
        A copy of those after it, where they were to be kept.
    since : int
        Epochs after the last one that was better by enough.
    """

    value: float = math.inf
    parameters: NDArray[Any] | None = None
    since: int = 0

    def see(
        self, value: float, parameters: NDArray[Any], keep: bool, min_delta: float = 0.0
    ) -> None:
        """Take in an epoch; a value that is NaN or infinite is never better.

        Examples
        --------
        >>> best = Best()
        >>> for loss in (0.5, 0.4, 0.39, math.nan):
        ...     best.see(loss, np.array([loss]), keep=True, min_delta=0.05)
        >>> best
        Best(value=0.39, parameters=array([0.39]), since=2)
        """
        self.since = 0 if value < self.value - min_delta else self.since + 1
        if value < self.value:
            self.value = value
            if keep:
                self.parameters = parameters.copy()

    def restore(self, parameters: NDArray[Any]) -> None:
        """Write what was kept, if anything was."""
        if self.parameters is not None:
            parameters[:] = self.parameters


class Stopping:
    """What `Trainer` was told of early stopping; its parameters are described there."""

    def __init__(
        self, patience: int | None, min_delta: float, restore_best: bool, monitor: str
    ) -> None:
        self.patience = check_integer("patience", patience, 1, none=True)
        self.min_delta = check_number("min_delta", min_delta)
        self.restore_best = check_flag("restore_best", restore_best)
        self.monitor = check_choice("monitor", monitor, MONITORS)

    def check(self, held_out: bool, classes: bool) -> None:
        """Refuse a fit without the data, or the accuracy, that is to be watched."""
        if self.patience is None and not self.restore_best:
            return
        if not held_out:
            name = "restore_best" if self.patience is None else "patience"
            raise invalid("validation", f"a pair (x, y), for {name}", None)
        if self.monitor == "accuracy" and not classes:
            raise invalid("monitor", "'loss' for targets that are not classes", "'accuracy'")

    def see(self, best: Best, held_out: dict[str, float], parameters: NDArray[Any]) -> None:
        """Take in what was measured on data held out after an epoch."""
        value = held_out["loss"] if self.monitor == "loss" else -held_out["accuracy"]
        best.see(value, parameters, self.restore_best, self.min_delta)

    def ends(self, best: Best) -> bool:
        """Return whether the training has been patient enough."""
        return self.patience is not None and best.since >= self.patience
