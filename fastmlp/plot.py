"""Pictures of a training run: loss and accuracy against epochs. Matplotlib is imported on use."""

from __future__ import annotations

import importlib.util
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastmlp.errors import FastMLPError, invalid
from fastmlp.output import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["check_plot", "plot_history"]

FORMATS = ("png", "svg", "pdf")
SIZE = (8.0, 5.0)  # inches, at 100 dots an inch: 800 × 500
MARKED = 25  # up to this many points, each gets a marker
# Dark blue and light orange stay apart in grey, and the second line is dashed as well.
TRAINING = {"label": "training", "color": "#1f4e8c", "linestyle": "-", "marker": "o"}
VALIDATION = {"label": "validation", "color": "#f0962e", "linestyle": "--", "marker": "s"}


def check_plot(path: str | os.PathLike[str]) -> None:
    """Raise unless a picture could be drawn to `path`: matplotlib is there, the ending is known.

    Examples
    --------
    >>> check_plot("history.png")
    >>> check_plot("history.doc")
    Traceback (most recent call last):
        ...
    fastmlp.errors.InvalidValueError: plot: expected a name ending in .png, .svg, .pdf, got \
history.doc
    """
    if Path(path).suffix[1:].lower() not in FORMATS:
        raise invalid("plot", f"a name ending in .{', .'.join(FORMATS)}", os.fspath(path))
    if importlib.util.find_spec("matplotlib") is None:
        raise FastMLPError('a plot needs matplotlib: pip install "fastmlp[plot]"')


def plot_history(
    path: str | os.PathLike[str],
    epochs: Sequence[float],
    loss: Sequence[float],
    *,
    validation_loss: Sequence[float] = (),
    accuracy: Sequence[float] = (),
    validation_accuracy: Sequence[float] = (),
) -> None:
    """Draw loss and, where it was measured, accuracy side by side against epochs.

    Parameters
    ----------
    path : str or path
        Where to write; the ending chooses the format: .png (800 × 500 pixels), .svg or .pdf.
    epochs : sequence of float
        Where each record stands, in epochs since the start.
    loss, validation_loss : sequence of float
        Mean loss per sample, one for each of `epochs`, or empty. NaN leaves a point out.
    accuracy, validation_accuracy : sequence of float
        Fraction of right answers, likewise.

    Raises
    ------
    FastMLPError
        Matplotlib is missing, `epochs` is empty, or the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "history.png")
    >>> plot_history(path, [1, 2, 3], [0.9, 0.4, 0.2], accuracy=[0.7, 0.9, 0.95])
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    check_plot(path)
    if not len(epochs):
        raise invalid("history", "at least one record to plot", 0)
    from matplotlib.figure import Figure

    panels = [("loss (mean per sample)", 1.0, loss, validation_loss)]
    if any(map(math.isfinite, (*accuracy, *validation_accuracy))):
        panels.append(("accuracy (% of samples)", 100.0, accuracy, validation_accuracy))

    figure = Figure(figsize=SIZE, dpi=100, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    lines: dict[str, Any] = {}
    for axis, (name, scale, training, validation) in zip(axes, panels, strict=True):
        for style, values in ((TRAINING, training), (VALIDATION, validation)):
            _draw(axis, epochs, [scale * value for value in values], style, lines)
        axis.set_xlim(0, 1.03 * max(epochs))
        axis.set_xlabel("training done (epochs)")
        axis.set_ylabel(name)
        axis.grid(color="0.9")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    if lines:
        figure.legend(
            lines.values(), lines.keys(), loc="outside upper center", ncols=2, frameon=False
        )
    picture = io.BytesIO()
    figure.savefig(picture, format=Path(path).suffix[1:].lower())
    write_atomically(path, picture.getvalue())


def _draw(
    axis: Axes,
    epochs: Sequence[float],
    values: Sequence[float],
    style: dict[str, str],
    lines: dict[str, Any],
) -> None:
    """Draw the finite points of one curve, joined also across records that have none."""
    if not len(values):
        return
    points = [point for point in zip(epochs, values, strict=True) if math.isfinite(point[1])]
    if not points:
        return
    shown = style if len(points) <= MARKED else {**style, "marker": ""}
    (line,) = axis.plot(*zip(*points, strict=True), linewidth=2, markersize=5, **shown)  # type: ignore[arg-type]
    lines.setdefault(style["label"], line)
