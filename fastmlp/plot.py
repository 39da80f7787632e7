"""Pictures of training runs, curves and images. Matplotlib is imported on use.

Every picture is 800 × 500 pixels as a .png, or a .svg or .pdf of that shape.
"""

from __future__ import annotations

import importlib.util
import io
import math
import operator
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.errors import FastMLPError, invalid, invalid_type
from fastmlp.output import check_path, write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["check_plot", "plot_curves", "plot_history", "plot_images", "plot_values"]

FORMATS = ("png", "svg", "pdf")
SIZE = (8.0, 5.0)  # inches, at 100 dots an inch: 800 × 500
MARKED = 25  # up to this many points, each gets a marker
# Dark blue and light orange stay apart in grey, and the second line is dashed as well.
TRAINING = {"label": "training", "color": "#1f4e8c", "linestyle": "-", "marker": "o"}
VALIDATION = {"label": "validation", "color": "#f0962e", "linestyle": "--", "marker": "s"}
# Six shades of grey where there is no colour, each with a stroke of its own.
STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#10233f", "linestyle": "-", "marker": "o"},
    {"color": "#d9731a", "linestyle": "--", "marker": "s"},
    {"color": "#2a5a9e", "linestyle": "-.", "marker": "^"},
    {"color": "#bcbcbc", "linestyle": "-", "marker": "D"},
    {"color": "#6d1f4e", "linestyle": (0, (1, 1)), "marker": "v"},
    {"color": "#5fc4a0", "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "P"},
)
MOST_CURVES = len(STYLES)
MOST_COLUMNS = 100  # of images: each is 8 pixels wide then


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
    name = check_path(path)
    if Path(name).suffix[1:].lower() not in FORMATS:
        raise invalid("plot", f"a name ending in .{', .'.join(FORMATS)}", name)
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
        Matplotlib is missing, an argument cannot be used, or the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "history.png")
    >>> plot_history(path, [1, 2, 3], [0.9, 0.4, 0.2], accuracy=[0.7, 0.9, 0.95])
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    check_plot(path)
    at = _vector("epochs", epochs)
    if not len(at):
        raise invalid("history", "at least one record to plot", 0)
    wrong = at[~(np.isfinite(at) & (at >= 0))]
    if len(wrong):
        raise invalid("epochs", "finite numbers of at least 0", wrong[0])
    columns = {
        "loss": loss,
        "validation_loss": validation_loss,
        "accuracy": accuracy,
        "validation_accuracy": validation_accuracy,
    }
    found = {name: _vector(name, values) for name, values in columns.items()}
    for name, values in found.items():
        if len(values) not in (0, len(at)):
            raise invalid(name, f"{len(at)} numbers, as many as epochs, or none", len(values))
    panels = [("loss (mean per sample)", 1.0, "loss", "validation_loss")]
    if np.isfinite(np.concatenate((found["accuracy"], found["validation_accuracy"]))).any():
        panels.append(("accuracy (% of samples)", 100.0, "accuracy", "validation_accuracy"))

    figure = _figure()
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    lines: dict[str, Any] = {}
    for axis, (name, scale, training, validation) in zip(axes, panels, strict=True):
        for style, key in ((TRAINING, training), (VALIDATION, validation)):
            _draw(axis, at, scale * found[key], style, lines)
        axis.set_xlim(0, 1.03 * at.max() or 1.0)
        _name_axes(axis, "training done (epochs)", name)
    if lines:
        figure.legend(
            lines.values(), lines.keys(), loc="outside upper center", ncols=2, frameon=False
        )
    _save(figure, path)


def plot_curves(
    path: str | os.PathLike[str],
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x: str,
    y: str,
    points: Sequence[str] = (),
    log: bool = False,
) -> None:
    """Draw up to six curves into one picture.

    Parameters
    ----------
    path : str or path
        Where to write; the ending chooses the format: .png, .svg or .pdf.
    curves : mapping of str to (x values, y values)
        What the legend calls each, and its points. NaN leaves a point out.
    x, y : str
        Names of the axes, with units.
    points : sequence of str
        The curves of which only the points are drawn.
    log : bool
        Whether the y axis is logarithmic.

    Raises
    ------
    FastMLPError
        Matplotlib is missing, there are no curves or too many, or the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "square.png")
    >>> plot_curves(path, {"x²": ([0, 1, 2], [0, 1, 4])}, x="x (m)", y="x² (m²)")
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    check_plot(path)
    if not isinstance(curves, Mapping):
        raise invalid_type("curves", "a mapping of names to (x values, y values)", curves)
    if not 1 <= len(curves) <= MOST_CURVES:
        raise invalid("curves", f"1 to {MOST_CURVES} of them", len(curves))
    drawn = [(_text("curves", label), *_pair(label, curve)) for label, curve in curves.items()]
    _texts("points", points)
    x, y = _text("x", x), _text("y", y)
    figure = _figure()
    axis = figure.subplots()
    for (label, xs, ys), style in zip(drawn, STYLES, strict=False):
        shown = {**style, "linestyle": ""} if label in points else {**style, "marker": ""}
        axis.plot(xs, ys, label=label, linewidth=2, markersize=5, **shown)
    if log:
        axis.set_yscale("log")
    _name_axes(axis, x, y)
    if len(curves) > 1:
        figure.legend(loc="outside upper center", ncols=min(4, len(curves)), frameon=False)
    _save(figure, path)


def plot_images(
    path: str | os.PathLike[str],
    images: ArrayLike,
    *,
    titles: Sequence[str] = (),
    columns: int | None = None,
    scale: str = "",
    signed: bool = False,
) -> None:
    """Draw images as a grid, dark where values are large.

    Parameters
    ----------
    path : str or path
        Where to write; the ending chooses the format: .png, .svg or .pdf.
    images : array-like of shape (n, height, width)
    titles : sequence of n str, or none
        What stands above each.
    columns : int or None
        Images in a row; None makes the grid about square.
    scale : str
        What the values are, with their unit: adds a colour bar. All images share one scale.
    signed : bool
        Whether zero is the middle of the scale, with blue below it and brown above.

    Raises
    ------
    FastMLPError
        Matplotlib is missing, the shapes do not fit, or the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "images.png")
    >>> plot_images(path, np.eye(3)[None], titles=["diagonal"], scale="brightness (share)")
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    check_plot(path)
    pixels = _numbers("images", images)
    if pixels.ndim != 3 or pixels.size == 0:
        raise invalid("images", "shape (n, height, width)", f"shape {pixels.shape}")
    if not np.isfinite(pixels).all():
        raise invalid("images", "finite numbers", "NaN or infinity")
    _texts("titles", titles)
    if len(titles) not in (0, len(pixels)):
        raise invalid("titles", f"{len(pixels)} of them, or none", len(titles))
    across = math.ceil(math.sqrt(len(pixels))) if columns is None else _columns(columns)
    scale = _text("scale", scale)
    figure = _figure()
    axes = figure.subplots(math.ceil(len(pixels) / across), across, squeeze=False).ravel()
    high = float(np.abs(pixels).max() if signed else pixels.max())
    low = -high if signed else float(pixels.min())
    for axis in axes:
        axis.set_axis_off()
    for i, image in enumerate(pixels):
        drawn = axes[i].imshow(
            image, cmap="PuOr_r" if signed else "Greys", vmin=low, vmax=high or 1.0
        )
        if titles:
            axes[i].set_title(titles[i], fontsize=10)
    if scale:
        figure.colorbar(drawn, ax=axes.tolist(), label=scale)
    _save(figure, path)


def plot_values(path: str | os.PathLike[str], image: ArrayLike) -> None:
    """Draw an image as a grid of its pixels, each with its value written on it.

    Parameters
    ----------
    path : str or path
        Where to write; the ending chooses the format: .png, .svg or .pdf.
    image : array-like of shape (height, width)
        Up to 32 pixels a side; numbers of at most three digits stay readable.

    Raises
    ------
    FastMLPError
        Matplotlib is missing, the shape does not fit, or the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "values.png")
    >>> plot_values(path, [[0, 255], [128, 3]])
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    check_plot(path)
    pixels = _numbers("image", image)
    if pixels.ndim != 2 or not 0 < max(pixels.shape) <= 32 or pixels.size == 0:
        raise invalid("image", "shape (height, width), at most 32 each", f"shape {pixels.shape}")
    figure = _figure()
    axis = figure.subplots()
    axis.imshow(pixels, cmap="Greys", aspect="auto")
    middle = (float(pixels.min()) + float(pixels.max())) / 2
    size = min(12, 196 / max(pixels.shape))  # points: three digits fit into a cell
    for (row, column), value in np.ndenumerate(pixels):
        colour = "white" if value > middle else "black"
        axis.text(column, row, f"{value:g}", size=size, color=colour, ha="center", va="center")
    axis.set_xlabel("column (pixels)")
    axis.set_ylabel("row (pixels)")
    axis.tick_params(length=0)
    _save(figure, path)


def _numbers(argument: str, values: Any) -> NDArray[Any]:
    """Return an array of real numbers; refuse what is none."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        raise invalid(argument, "numbers", "lists of different lengths") from None
    if array.dtype.kind not in "biuf":
        raise invalid(argument, "numbers", f"dtype {array.dtype}")
    return array


def _vector(argument: str, values: Any) -> NDArray[np.float64]:
    """Return numbers of shape (n,) in float64."""
    array = _numbers(argument, values)
    if array.ndim != 1:
        raise invalid(argument, "numbers of shape (n,)", f"shape {array.shape}")
    return array.astype(np.float64)


def _pair(label: object, curve: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points of a curve: as many x values as y values."""
    argument = f"curves[{label!r}]"
    try:
        xs, ys = curve
    except (TypeError, ValueError):
        raise invalid_type(argument, "(x values, y values)", curve) from None
    x, y = _vector(argument, xs), _vector(argument, ys)
    if len(x) != len(y):
        raise invalid(argument, "as many x values as y values", f"{len(x)} and {len(y)}")
    return x, y


def _text(argument: str, value: Any) -> str:
    """Return a text; refuse what is none."""
    if not isinstance(value, str):
        raise invalid_type(argument, "a text", value)
    return value


def _texts(argument: str, values: Any) -> None:
    """Refuse what is not a sequence of texts."""
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray):
        raise invalid_type(argument, "a sequence of texts", values)
    for value in values:
        _text(argument, value)


def _columns(columns: Any) -> int:
    """Return a number of columns that a picture has room for."""
    expected = f"None or an integer from 1 to {MOST_COLUMNS}"
    if isinstance(columns, bool) or not hasattr(columns, "__index__"):
        raise invalid_type("columns", expected, columns)
    number = operator.index(columns)
    if not 1 <= number <= MOST_COLUMNS:
        raise invalid("columns", expected, number)
    return number


def _figure() -> Figure:
    """Return an empty picture."""
    from matplotlib.figure import Figure

    return Figure(figsize=SIZE, dpi=100, layout="constrained")


def _name_axes(axis: Axes, x: str, y: str) -> None:
    """Name the axes of a diagram and give it a quiet grid."""
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(color="0.9")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write the picture, whole or not at all."""
    picture = io.BytesIO()
    figure.savefig(picture, format=Path(path).suffix[1:].lower())
    write_atomically(path, picture.getvalue())


def _draw(
    axis: Axes,
    epochs: NDArray[np.float64],
    values: NDArray[np.float64],
    style: dict[str, Any],
    lines: dict[str, Any],
) -> None:
    """Draw the finite points of one curve, joined also across records that have none."""
    if not len(values):
        return
    there = np.isfinite(values)
    if not there.any():
        return
    shown: dict[str, Any] = style if there.sum() <= MARKED else {**style, "marker": ""}
    (line,) = axis.plot(epochs[there], values[there], linewidth=2, markersize=5, **shown)
    lines.setdefault(style["label"], line)
