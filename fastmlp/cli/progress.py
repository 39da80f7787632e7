"""Shows training while it runs: a bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import math
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastmlp.history import History
    from fastmlp.training import Trainer

__all__ = ["Watcher", "watcher"]


def watcher(epochs: int, *, quiet: bool) -> Watcher:
    """Return the callback that suits standard error; it is also a context manager."""
    if quiet:
        return Watcher()
    if not sys.stderr.isatty():
        return Lines(epochs)
    from rich.console import Console

    console = Console(stderr=True)
    return Lines(epochs) if console.is_dumb_terminal else Bar(epochs, console)


class Watcher:
    """Shows nothing."""

    def on_epoch_end(self, trainer: Trainer, history: History) -> None:
        """Show nothing."""

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Clear away what was shown."""


class Lines(Watcher):
    """Prints a line an epoch to standard error."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch_end(self, trainer: Trainer, history: History) -> None:
        """Print the epoch's figures."""
        parts = [f"epoch {history.epochs[-1]:g}/{self.epochs}", f"loss {history.loss[-1]:#.4g}"]
        if not math.isnan(history.accuracy[-1]):
            parts.append(f"accuracy {history.accuracy[-1]:.4f}")
        if not math.isnan(history.validation_accuracy[-1]):
            parts.append(f"held-out accuracy {history.validation_accuracy[-1]:.4f}")
        elif not math.isnan(history.validation_loss[-1]):
            parts.append(f"held-out loss {history.validation_loss[-1]:#.4g}")
        parts.append(f"{samples_per_second(history, trainer.n_samples):,.0f} samples/s")
        sys.stderr.write("  ".join(parts) + "\n")  # at once: Ctrl-C leaves no half line
        sys.stderr.flush()


class Bar(Watcher):
    """Draws a bar on a terminal, and redraws it between chunks of an epoch."""

    def __init__(self, epochs: int, console: Any) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.epochs = epochs
        self.last = (0, 0.0)  # samples done, and when
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self.task = self.bar.add_task("compiling", total=None, figures="")

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def on_chunk_end(self, trainer: Trainer, history: History) -> None:
        """Move the bar within the epoch."""
        done, now = trainer.finished_epochs, time.perf_counter()
        samples = done * trainer.n_samples + trainer.position
        before, then = self.last
        rate = (samples - before) / (now - then) if then and samples > before else math.nan
        self.last = samples, now
        self._show(trainer, samples, done + 1, trainer.running_loss, trainer.running_accuracy, rate)

    def on_epoch_end(self, trainer: Trainer, history: History) -> None:
        """Move the bar to the end of the epoch."""
        samples = trainer.finished_epochs * trainer.n_samples
        self.last = samples, time.perf_counter()
        rate = samples_per_second(history, trainer.n_samples)
        self._show(
            trainer, samples, trainer.finished_epochs, history.loss[-1], history.accuracy[-1], rate
        )

    def _show(
        self,
        trainer: Trainer,
        samples: int,
        epoch: int,
        loss: float,
        accuracy: float,
        rate: float,
    ) -> None:
        figures = [f"loss {loss:#.4g}"]
        if not math.isnan(accuracy):
            figures.append(f"accuracy {accuracy:.4f}")
        if not math.isnan(rate):
            figures.append(f"{rate:,.0f} samples/s")
        self.bar.update(
            self.task,
            description=f"epoch {min(epoch, self.epochs)}/{self.epochs}",
            total=self.epochs * trainer.n_samples,
            completed=samples,
            figures="  ".join(figures),
        )


def samples_per_second(history: History, n_samples: int) -> float:
    """Return the speed of the last record, in training time; NaN where it took none.

    Examples
    --------
    >>> from fastmlp.history import History
    >>> history = History()
    >>> history.record(epochs=1, steps=10, seconds=0.5, loss=1.0)
    >>> history.record(epochs=2, steps=20, seconds=0.75, loss=1.0)
    >>> samples_per_second(history, 1000)
    4000.0
    """
    epochs, seconds = history.epochs[-1], history.seconds[-1]
    if len(history) > 1:
        epochs, seconds = epochs - history.epochs[-2], seconds - history.seconds[-2]
    return epochs * n_samples / seconds if seconds > 0 else math.nan
