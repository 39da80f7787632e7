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
from fastmlp.plot import TRAINING, VALIDATION, plot_history

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


def test_the_two_colours_differ_in_grey() -> None:
    def grey(colour: str) -> float:
        parts = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
        return 0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2]

    assert abs(grey(TRAINING["color"]) - grey(VALIDATION["color"])) > 80
    assert TRAINING["linestyle"] != VALIDATION["linestyle"]


def test_no_two_texts_overlap_and_axes_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    figures: list[Figure] = []
    savefig = Figure.savefig

    def keep(figure: Figure, *args: Any, **kwargs: Any) -> None:
        figures.append(figure)
        savefig(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
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
    texts = [
        text
        for text in figure.findobj(Text)
        if isinstance(text, Text) and text.get_text() and text.get_visible()
    ]
    for axis in figure.axes:  # ticks outside the limits are made but not drawn
        for ticks, (low, high) in (
            (axis.xaxis.get_major_ticks(), axis.get_xlim()),
            (axis.yaxis.get_major_ticks(), axis.get_ylim()),
        ):
            hidden = [tick.label1 for tick in ticks if not low <= tick.get_loc() <= high]
            texts = [text for text in texts if text not in hidden]
    boxes = [text.get_window_extent() for text in texts]
    assert len(boxes) > 10
    for index, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= 800
        assert box.y0 >= 0
        assert box.y1 <= 500
        for other, text in zip(boxes[:index], texts, strict=False):
            assert not box.overlaps(other), (texts[index].get_text(), text.get_text())


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
