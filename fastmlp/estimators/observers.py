"""Callbacks of an estimator's fit: the trainer's kind, and scikit-learn's where it has them."""

from __future__ import annotations

import math
from typing import Any

from fastmlp.callbacks import Callbacks
from fastmlp.history import History
from fastmlp.interrupts import DeferredInterrupt

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: this scikit-learn has no callbacks."""

    def with_callbacks(method: Any) -> Any:
        """Return the method."""
        return method


__all__ = ["CallbackSupportMixin", "Observers", "tear_down", "with_callbacks"]


@with_callbacks
def tear_down(estimator: Any) -> None:
    """End what scikit-learn's callbacks have set up, as its decorator does after any method."""


class Observers:
    """All callbacks of one call of fit, partial_fit or fit_epochs.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    X, y : what it is fitted to
    epochs : int
        At most.
    incremental : bool
        Whether the call is of partial_fit, of which scikit-learn's callbacks are not told.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, epochs: int, incremental: bool) -> None:
        self.estimator, self._data = estimator, {"X": X, "y": y}
        self.history = History()
        self._callbacks = Callbacks(estimator.callbacks or ())
        self.wants = self._callbacks.wants
        self._root: Any = None
        self._epoch: Any = None
        # One more for lbfgs: that an iteration was the last is known after the next began.
        self._tasks = epochs + (estimator.solver == "lbfgs")
        self._theirs = hasattr(estimator, "_skl_callbacks") and not incremental
        self.active = bool(estimator.callbacks) or self._theirs

    def _notify(self, event: str, *details: Any) -> bool:
        return self._callbacks.notify(event, self.estimator, *details)

    def tell(self, event: str, interrupt: DeferredInterrupt) -> bool:
        """Tell of something within an epoch; return whether a callback asks to stop."""
        if not self.wants(event):
            return False
        with interrupt.passing():
            return self._notify(event, self.history)

    def begin(self) -> None:
        """Tell that training begins."""
        self._notify("on_train_begin")
        if self._theirs:
            self._root = self.estimator._init_callback_context(max_subtasks=self._tasks)
            self._root.call_on_fit_task_begin(estimator=self.estimator, **self._data)
            self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._epoch = self._root.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(estimator=self.estimator, **self._data)

    def epoch_ended(
        self, *, epoch: int, steps: int, seconds: float, loss: float,
        validation_loss: float = math.nan, last: bool = False,
    ) -> bool:  # fmt: skip
        """Tell of an epoch; return whether a callback asks to stop."""
        self.history.record(
            epochs=epoch, steps=steps, seconds=seconds, loss=loss, validation_loss=validation_loss
        )
        stop = self._notify("on_epoch_end", self.history)
        if self._root is not None:
            stop |= bool(self._end_task(self._epoch))
            self._epoch = None
            if not (stop or last):
                self._begin_epoch()
        return stop

    def _end_task(self, context: Any) -> Any:
        return context.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes={}, **self._data
        )

    def end(self) -> None:
        """Tell that training ended."""
        self._notify("on_train_end", self.history)
        if self._root is not None:
            if self._epoch is not None:  # begun, but nothing was left to do
                self._epoch.call_on_fit_task_end(estimator=self.estimator)
            self._end_task(self._root)
