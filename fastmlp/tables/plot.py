"""A picture of a training on a table: its losses, and its predictions beside the targets."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.plot import TRAINING, VALIDATION, _draw, _figure, _name_axes, _save, check_plot

__all__ = ["plot_fit"]


def plot_fit(
    path: str | os.PathLike[str], history: Any, y: NDArray[Any], predicted: NDArray[Any]
) -> None:
    """Draw the losses, and a confusion matrix of classes or predictions against numbers.

    Parameters
    ----------
    path : str or path
        Where to write; the ending chooses the format: .png, .svg or .pdf.
    history : History
    y, predicted : ndarray of shape (n,)
        Targets that were held out, and predictions of them; with none there are losses alone.
    """
    from sklearn.metrics import ConfusionMatrixDisplay, PredictionErrorDisplay

    check_plot(path)
    if not len(y):
        history.plot(path)
        return
    figure = _figure()
    left, right = figure.subplots(1, 2)
    epochs = np.array(history.epochs)
    lines: dict[str, Any] = {}
    for style, losses in ((TRAINING, history.loss), (VALIDATION, history.validation_loss)):
        _draw(left, epochs, np.array(losses), style, lines)
    _name_axes(left, "training done (epochs)", "loss (mean per sample)")
    left.legend(lines.values(), lines.keys(), frameon=False)
    if y.dtype.kind == "f":
        PredictionErrorDisplay.from_predictions(
            y, predicted, kind="actual_vs_predicted", ax=right, scatter_kwargs={"s": 6}
        )
    else:
        few = len(np.unique(y)) <= 20
        ConfusionMatrixDisplay.from_predictions(
            y, predicted, ax=right, colorbar=False, cmap="Blues", include_values=few,
            xticks_rotation="vertical",
        )  # fmt: skip
    _save(figure, path)
