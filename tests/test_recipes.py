"""Every recipe in its quick version, as `fastmlp reproduce` runs it; in full where MNIST is."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from fastmlp import recipes
from fastmlp.cli import main
from fastmlp.recipes import RECIPES, Report, reproduce, symmetry

PICTURES = {
    "training": {"history"},
    "symmetry": {"weights"},
    "digits-3-7": {"accuracy", "means", "pixels", "pixels-centre", "roller-coaster", "samples"},
    "batches": {"histories", "race"},
    "from-scratch": {"samples", "sigmoid"},
}
SAID = {
    "training": ["Iteration 0, Loss: 2.", "Iteration 39, Loss: ", "%\n"],
    "symmetry": ["rows 120 to 130 of the first matrix, (785, 200):", "second matrix, (201, 10):"],
    "digits-3-7": ["derivative of x² at [3.0, 4.0, 10.0]: [6.0, 8.0, 20.0]"],
    "batches": ["0-0 > Loss: 2.", "1-2 > Loss: 2.", "batch size full: loss 2."],
    "from-scratch": ["Current cost: ", "Correctly predicted labels: ", " / 1000"],
}
FULL_MNIST = os.environ.get("FASTMLP_DATA")
needs_mnist = pytest.mark.skipif(FULL_MNIST is None, reason="needs MNIST in $FASTMLP_DATA")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, dict[str, Any]]:
    """Run `fastmlp reproduce`; return the status, what it printed, and its JSON."""
    status = main(["reproduce", *words, "--json"])
    out = capsys.readouterr().out
    return status, out, json.loads(out.splitlines()[-1])


def assert_complete(name: str, status: int, out: str, result: dict[str, Any], folder: Path) -> None:
    outside = [figure for figure in result["figures"] if not figure["passed"]]
    assert not outside
    assert (status, result["passed"], result["name"]) == (0, True, name)
    assert result["seconds"] > 0
    for figure in result["figures"]:
        assert figure["name"] in out
    assert any(figure["published"] is not None for figure in result["figures"])
    paths = [Path(picture) for picture in result["pictures"]]
    assert {path.stem for path in paths} == PICTURES[name]
    assert sorted(folder.iterdir()) == sorted(paths)
    for path in paths:
        header = path.read_bytes()[:24]
        assert header[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", header[16:24]) == (800, 500)


def test_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(RECIPES) == set(PICTURES)
    assert main(["reproduce"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_the_quick_version_is_inside_its_tolerances(
    name: str, mnist_like: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, result = run(capsys, name, "--quick", "--out", str(tmp_path / "pictures"))
    assert result["quick"]
    assert_complete(name, status, out, result, tmp_path / "pictures")
    for words in SAID[name]:
        assert words in out


@pytest.mark.slow
@needs_mnist
@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", RECIPES)
def test_mnist_is_inside_the_tolerances(
    name: str, quick: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [name, "--out", str(tmp_path / "pictures"), *(["--quick"] if quick else [])]
    status, out, result = run(capsys, *words)
    assert_complete(name, status, out, result, tmp_path / "pictures")


def test_the_book_s_clock_races_over_steps(
    mnist_like: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("batches", "--quick", "--clock", "book", "--max-seconds", "0.5")
    status, out, _ = run(capsys, *words, "--out", str(tmp_path))
    assert status == 0, out
    assert "batch size 128: ahead of " in out


def outside(report: Report, quick: bool) -> None:
    report.say("something")
    report.figure("accuracy (%)", 50.0, 94.2, low=90.0)
    report.figure("loss", 0.1, 0.1, 0.0, 0.2)


def test_a_figure_outside_its_tolerance_is_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(symmetry, "run", outside)
    status, out, result = run(capsys, "symmetry")
    assert status == 1
    assert not result["passed"]
    assert [figure["passed"] for figure in result["figures"]] == [False, True]
    assert "symmetry: 2 figures, 1 outside: accuracy (%)" in out


def test_without_matplotlib_there_are_figures_and_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def draws(report: Report, quick: bool) -> None:
        outside(report, quick)
        for name in ("one", "two"):
            report.picture(name, lambda path: path.write_text("drawn"))

    monkeypatch.setattr(symmetry, "run", draws)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    _, out, result = run(capsys, "symmetry", "--out", str(tmp_path / "pictures"))
    assert result["pictures"] == []
    assert len(result["figures"]) == 2
    assert out.count('pictures need matplotlib: pip install "fastmlp[plot]"') == 1
    assert not list(tmp_path.iterdir())


def test_without_mnist_one_line_says_where_to_put_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pooch

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError

    monkeypatch.setenv("FASTMLP_DATA", str(tmp_path / "mine"))
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache")
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", refuse)
    pictures = tmp_path / "pictures"
    assert main(["reproduce", "training", "--quick", "--out", str(pictures)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert "put the four mnist files into one of these folders" in line
    assert str(tmp_path / "cache") in line
    assert not pictures.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["nothing"],
            "NAME: expected one of training, symmetry, digits-3-7, batches, from-scratch",
        ),
        (["training", "--clock", "book"], "NAME: expected batches, for --clock, got training"),
        (["training", "--out", __file__], "--out: expected a folder"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_reproduce_from_python_draws_nothing_unless_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(symmetry, "run", outside)
    said: list[str] = []
    report = reproduce("symmetry", say=said.append)
    assert said == ["something"]
    assert [figure.ours for figure in report.figures] == [50.0, 0.1]
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="name: expected one of training"):
        recipes.reproduce("nothing")
