"""The picture of a training run, judged by its pixels."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastmlp.errors import FastMLPError
from fastmlp.history import History
from fastmlp.plot import (
    MOST_CURVES,
    STYLES,
    TRAINING,
    VALIDATION,
    plot_curves,
    plot_history,
    plot_images,
    plot_values,
)

matplotlib = pytest.importorskip("matplotlib")
EPOCHS = [1.0, 2.0, 3.0]
LOSS = [1.0, 0.5, 0.25]


def pixels(path: Path) -> Any:
    """Return the picture as (height, width, 3) integers in 0..255."""
    import matplotlib.image

    return np.rint(255 * matplotlib.image.imread(path)[:, :, :3]).astype(int)


def count(path: Path, colour: str, columns: slice = slice(None)) -> int:
    """Return how many pixels in `columns`, below the legend, have exactly this colour."""
    red_green_blue = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return int(np.all(pixels(path)[40:, columns] == red_green_blue, axis=2).sum())


def test_the_picture_is_a_png_of_800_by_500_pixels(tmp_path: Path) -> None:
    plot_history(tmp_path / "history.png", EPOCHS, LOSS, accuracy=[0.5, 0.7, 0.9])
    header = (tmp_path / "history.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", header[16:24]) == (800, 500)
    assert [entry.name for entry in tmp_path.iterdir()] == ["history.png"]


def test_training_and_validation_are_drawn_in_both_panels(tmp_path: Path) -> None:
    path = tmp_path / "history.png"
    plot_history(
        path,
        EPOCHS,
        LOSS,
        validation_loss=[1.5, 1.0, 0.75],
        accuracy=[0.5, 0.7, 0.9],
        validation_accuracy=[0.4, 0.6, 0.8],
    )
    for half in (slice(0, 400), slice(400, 800)):
        assert count(path, TRAINING["color"], half) > 100
        assert count(path, VALIDATION["color"], half) > 100


def test_without_accuracy_the_loss_has_the_whole_width(tmp_path: Path) -> None:
    path = tmp_path / "history.png"
    plot_history(path, EPOCHS, LOSS, accuracy=[math.nan] * 3)
    assert count(path, TRAINING["color"], slice(350, 450)) > 50
    assert count(path, VALIDATION["color"]) == 0


def test_a_single_record_shows_a_marker(tmp_path: Path) -> None:
    plot_history(tmp_path / "history.png", [1.0], [0.5])
    assert count(tmp_path / "history.png", TRAINING["color"]) > 10


def test_points_are_joined_across_records_without_a_value(tmp_path: Path) -> None:
    path = tmp_path / "history.png"
    epochs = [step / 100 for step in range(1, 301)]
    validation = [1.0 if step % 10 == 0 else math.nan for step in range(300)]
    plot_history(path, epochs, [0.0] * 300, validation_loss=validation)
    assert count(path, VALIDATION["color"]) > 100


def test_values_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    plot_history(tmp_path / "history.png", EPOCHS, [1.0, math.inf, math.nan])
    assert count(tmp_path / "history.png", TRAINING["color"]) > 10


def grey(colour: str) -> float:
    """Return how bright a colour is where there is none, 0 to 255."""
    parts = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return 0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2]


def test_the_two_colours_differ_in_grey() -> None:
    assert abs(grey(TRAINING["color"]) - grey(VALIDATION["color"])) > 80
    assert TRAINING["linestyle"] != VALIDATION["linestyle"]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect the figures that are saved."""
    from matplotlib.figure import Figure

    kept: list[Any] = []
    savefig = Figure.savefig

    def keep(figure: Figure, *args: Any, **kwargs: Any) -> None:
        kept.append(figure)
        savefig(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    return kept


def assert_readable(figure: Any, least: int) -> None:
    """No two texts overlap, and all are inside the picture."""
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    for axis in figure.axes:  # ticks outside the limits are made but not drawn
        for ticks, limits in (
            (axis.xaxis.get_major_ticks(), axis.get_xlim()),
            (axis.yaxis.get_major_ticks(), axis.get_ylim()),
        ):
            low, high = sorted(limits)
            shown = axis.axison
            out = [tick for tick in ticks if not shown or not low <= tick.get_loc() <= high]
            hidden = [label for tick in out for label in (tick.label1, tick.label2)]
            texts = [text for text in texts if text not in hidden]
    boxes = [text.get_window_extent() for text in texts]
    assert len(boxes) >= least
    for index, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= 800
        assert box.y0 >= 0
        assert box.y1 <= 500
        for other, text in zip(boxes[:index], texts, strict=False):
            assert not box.overlaps(other), (texts[index].get_text(), text.get_text())


def test_no_two_texts_overlap_and_axes_are_named(tmp_path: Path, figures: list[Any]) -> None:
    plot_history(
        tmp_path / "history.png",
        [1000.0 * epoch for epoch in range(1, 41)],
        [123456.0 / epoch for epoch in range(1, 41)],
        validation_loss=[1.0] * 40,
        accuracy=[0.001] * 40,
        validation_accuracy=[0.0011] * 40,
    )
    (figure,) = figures
    labels = [(axis.get_xlabel(), axis.get_ylabel()) for axis in figure.axes]
    assert labels == [
        ("training done (epochs)", "loss (mean per sample)"),
        ("training done (epochs)", "accuracy (% of samples)"),
    ]
    assert_readable(figure, 11)


def test_curves_are_named_readable_and_told_apart_without_colour(
    tmp_path: Path, figures: list[Any]
) -> None:
    curves = {f"batches of {n}": ([0, 1e4, 2e4], [n, 1.0, 2.0]) for n in range(MOST_CURVES)}
    plot_curves(tmp_path / "curves.png", curves, x="time (s)", y="loss (mean per sample)")
    (figure,) = figures
    (axis,) = figure.axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("time (s)", "loss (mean per sample)")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(curves)
    assert_readable(figure, 8 + len(curves))
    greys = sorted(grey(str(style["color"])) for style in STYLES)
    assert min(np.diff(greys)) > 20
    assert max(greys) < 200  # on white
    assert len({str(style["linestyle"]) for style in STYLES}) >= MOST_CURVES - 1
    for style in STYLES:
        assert count(tmp_path / "curves.png", str(style["color"])) > 50


def test_points_are_not_joined_and_a_scale_may_be_logarithmic(
    tmp_path: Path, figures: list[Any]
) -> None:
    path = tmp_path / "curves.png"
    curves = {"measured": ([0, 1, 2], [1, 100, 10]), "fit": ([0, 2], [1, 50])}
    plot_curves(path, curves, x="t (s)", y="v (m/s)", points=["measured"], log=True)
    (axis,) = figures[0].axes
    assert axis.get_yscale() == "log"
    assert [line.get_linestyle() for line in axis.lines] == ["None", "--"]
    with pytest.raises(FastMLPError, match="curves: expected 1 to 6 of them, got 0"):
        plot_curves(path, {}, x="t (s)", y="v (m/s)")


def test_images_stand_in_a_grid_under_their_titles(tmp_path: Path, figures: list[Any]) -> None:
    path = tmp_path / "images.png"
    images = np.zeros((10, 28, 28))
    images[1] = 255
    titles = [f"from normal,\nunit {unit}" for unit in range(195, 205)]
    plot_images(path, images, titles=titles, columns=5, scale="brightness (0 to 255)")
    (figure,) = figures
    assert_readable(figure, 11)
    assert figure.axes[-1].get_ylabel() == "brightness (0 to 255)"
    black = (pixels(path)[:, :660].sum(axis=2) == 0).sum(axis=0)
    assert black[145:262].min() > 100  # a square, in the second place
    assert black[275:].max() < 50  # nothing but titles


def test_signed_images_have_zero_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "images.png"
    plot_images(path, [np.full((4, 4), value) for value in (-1.0, 0.0, 0.5)], signed=True)
    middle = pixels(path)[120, [200, 600]]  # the first two of a grid of two columns
    assert middle[0].sum() < 300
    assert middle[1].sum() > 700


def test_values_are_written_on_their_pixels(tmp_path: Path, figures: list[Any]) -> None:
    image = np.arange(28 * 28).reshape(28, 28) % 256
    plot_values(tmp_path / "values.png", image)
    (axis,) = figures[0].axes
    assert [text.get_text() for text in axis.texts] == [str(value) for value in image.ravel()]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("column (pixels)", "row (pixels)")
    widths = [text.get_window_extent() for text in axis.texts]
    across = axis.get_window_extent().width / 28
    down = axis.get_window_extent().height / 28
    assert max(box.width for box in widths) < across
    assert max(box.height for box in widths) < down


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda path: plot_images(path, np.zeros((3, 3))), r"images: expected shape \(n, height"),
        (lambda path: plot_images(path, np.zeros((2, 3, 3)), titles=["a"]), "titles: expected 2"),
        (lambda path: plot_values(path, np.zeros((33, 3))), "image: expected shape"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(draw: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(FastMLPError, match=said):
        draw(tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())


def test_the_record_at_the_start_alone_can_be_drawn(tmp_path: Path) -> None:
    path = tmp_path / "history.png"
    plot_history(path, [0.0], [0.5])
    assert path.exists()


def test_an_unknown_ending_is_an_error_that_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(FastMLPError, match=r"\.png, \.svg, \.pdf, got .*history\.doc"):
        plot_history(tmp_path / "history.doc", EPOCHS, LOSS)
    assert not list(tmp_path.iterdir())


def test_an_empty_history_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FastMLPError, match="at least one record to plot, got 0"):
        History().plot(tmp_path / "history.png")


def test_a_missing_folder_is_an_error_that_names_the_path(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "history.png"
    with pytest.raises(FastMLPError, match="no such folder") as caught:
        plot_history(path, EPOCHS, LOSS)
    assert str(path) in str(caught.value)


def test_without_matplotlib_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FastMLPError) as caught:
        plot_history(tmp_path / "history.png", EPOCHS, LOSS)
    assert str(caught.value).endswith('pip install "fastmlp[plot]"')


def test_importing_plot_does_not_import_matplotlib_and_drawing_not_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys, fastmlp.plot as plot\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"plot.plot_history({str(tmp_path / 'h.svg')!r}, [1], [1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "h.svg").read_text().startswith("<?xml")
