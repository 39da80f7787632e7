"""History: what happened in training, one row per epoch or step."""

from __future__ import annotations

import math
import os

__all__ = ["History"]

COLUMNS = (
    "epochs",
    "steps",
    "seconds",
    "loss",
    "accuracy",
    "validation_loss",
    "validation_accuracy",
)


class History:
    """What happened in training: aligned lists, one entry per record.

    Attributes
    ----------
    loss, accuracy : list of float
        Mean training loss (L2 included) and fraction of right answers of the record, as its
        batches saw them before their updates; accuracy is NaN unless the targets are classes.
    validation_loss, validation_accuracy : list of float
        The same on the validation data, after the record's last update; NaN where not measured.
    seconds : list of float
        Seconds of training so far; compilation and evaluation are not counted.
    steps : list of int
        Updates of the parameters so far.
    epochs : list of float
        Passes through the data so far, with a fraction inside an epoch.

    Examples
    --------
    >>> history = History()
    >>> history.record(epochs=1, steps=11, seconds=0.02, loss=1.5, accuracy=0.5)
    >>> history.record(epochs=2, steps=22, seconds=0.04, loss=0.5, accuracy=0.9)
    >>> history.loss, history.steps, len(history)
    ([1.5, 0.5], [11, 22], 2)
    >>> history
    History(2 records, 2 epochs, 22 steps, loss 0.5, accuracy 0.9)
    """

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self.steps: list[int] = []
        self.seconds: list[float] = []
        self.loss: list[float] = []
        self.accuracy: list[float] = []
        self.validation_loss: list[float] = []
        self.validation_accuracy: list[float] = []

    def record(
        self,
        *,
        epochs: float,
        steps: int,
        seconds: float,
        loss: float,
        accuracy: float = math.nan,
        validation_loss: float = math.nan,
        validation_accuracy: float = math.nan,
    ) -> None:
        """Append one row; `epochs`, `steps` and `seconds` count from the start of training.

        Examples
        --------
        >>> history = History()
        >>> history.record(epochs=1, steps=4, seconds=0.1, loss=0.25)
        >>> history.validation_loss
        [nan]
        """
        row = (
            float(epochs),
            int(steps),
            float(seconds),
            float(loss),
            float(accuracy),
            float(validation_loss),
            float(validation_accuracy),
        )
        for name, value in zip(COLUMNS, row, strict=True):
            getattr(self, name).append(value)

    def to_dict(self) -> dict[str, list[float]]:
        """Return the columns by name, as copies.

        Examples
        --------
        >>> history = History()
        >>> history.record(epochs=1, steps=4, seconds=0.1, loss=0.25)
        >>> history.to_dict()["loss"]
        [0.25]
        """
        return {name: list(getattr(self, name)) for name in COLUMNS}

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the rows as comma-separated values under a line of names; NaN is an empty cell.

        Parameters
        ----------
        path : str or path
            Where to write; the folder must exist.

        Raises
        ------
        OutputError
            The file cannot be written.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "history.csv")
        >>> history = History()
        >>> history.record(epochs=1, steps=4, seconds=0.1, loss=0.25)
        >>> history.to_csv(path)
        >>> print(path.read_text(), end="")
        epochs,steps,seconds,loss,accuracy,validation_loss,validation_accuracy
        1.0,4,0.1,0.25,,,
        """
        from fastmlp.output import write_atomically

        rows = zip(*(getattr(self, name) for name in COLUMNS), strict=True)
        lines = [",".join(COLUMNS)]
        lines += [",".join("" if value != value else repr(value) for value in row) for row in rows]
        write_atomically(path, ("\n".join(lines) + "\n").encode())

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw loss and accuracy against epochs into a picture (needs matplotlib).

        Parameters
        ----------
        path : str or path
            Where to write; the ending chooses the format: .png, .svg or .pdf.

        Raises
        ------
        FastMLPError
            Matplotlib is missing, nothing was recorded, or the file cannot be written.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "history.png")
        >>> history = History()
        >>> history.record(epochs=1, steps=4, seconds=0.1, loss=0.25)
        >>> history.plot(path)
        >>> path.exists()
        True
        """
        from fastmlp.plot import plot_history

        plot_history(
            path,
            self.epochs,
            self.loss,
            validation_loss=self.validation_loss,
            accuracy=self.accuracy,
            validation_accuracy=self.validation_accuracy,
        )

    def __len__(self) -> int:
        return len(self.loss)

    def __repr__(self) -> str:
        if not self.loss:
            return "History(0 records)"
        parts = [
            f"{len(self)} record{'s' * (len(self) != 1)}",
            f"{self.epochs[-1]:g} epoch{'s' * (self.epochs[-1] != 1)}",
            f"{self.steps[-1]} step{'s' * (self.steps[-1] != 1)}",
        ]
        for name in COLUMNS[3:]:
            value = getattr(self, name)[-1]
            if not math.isnan(value):
                parts.append(f"{name} {value:.4g}")
        return f"History({', '.join(parts)})"
