"""What a recipe reports: lines as it goes, figures beside the published ones, and pictures."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsFloat

from fastmlp.errors import FastMLPError

__all__ = ["Figure", "Report"]


@dataclass(frozen=True)
class Figure:
    """One figure of a recipe.

    Attributes
    ----------
    name : what it is, with its unit.
    ours : what came out.
    published : what the book or notebook says; None where it gives no such figure.
    low, high : between which `ours` must lie; infinite where there is no bound.

    Examples
    --------
    >>> figure = Figure("accuracy (%)", 94.4, 94.21, 93.8, 94.6)
    >>> figure.passed, figure.tolerance
    (True, '93.8 to 94.6')
    """

    name: str
    ours: float
    published: float | None = None
    low: float = -math.inf
    high: float = math.inf

    @property
    def passed(self) -> bool:
        """Whether the figure lies inside its tolerance; one without a tolerance does."""
        return not self.tolerance or self.low <= self.ours <= self.high

    @property
    def tolerance(self) -> str:
        """The tolerance in words; empty where there is none."""
        if self.low == self.high:
            return f"{self.low:g}"
        if math.isinf(self.high):
            return "" if math.isinf(self.low) else f"at least {self.low:g}"
        return (
            f"at most {self.high:g}" if math.isinf(self.low) else f"{self.low:g} to {self.high:g}"
        )


class Report:
    """Collects what a recipe has to say.

    Parameters
    ----------
    folder : path or None
        Where pictures go; made when the first is drawn. None draws none.
    say : function or None
        Takes each line of text; `print` for instance. None says nothing.

    Attributes
    ----------
    figures : list of Figure
    pictures : list of Path
    seconds : float
        How long the recipe took, all in all.
    missing : str
        One line on how to get pictures, where matplotlib is not installed; else empty.

    Examples
    --------
    >>> report = Report(say=print)
    >>> report.say("Iteration 0, Loss: 2.2787")
    Iteration 0, Loss: 2.2787
    >>> report.figure("accuracy (%)", 95.0, published=94.21, low=93.8, high=94.6)
    >>> report.passed
    False
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        say: Callable[[str], object] | None = None,
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        self.figures: list[Figure] = []
        self.pictures: list[Path] = []
        self.seconds = 0.0
        self.missing = ""
        self._say = say

    def say(self, line: str) -> None:
        """Pass one line on."""
        if self._say is not None:
            self._say(line)

    def figure(
        self,
        name: str,
        ours: SupportsFloat,
        published: float | None = None,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> None:
        """Note a figure beside the published one, with the range that it must lie in."""
        self.figures.append(Figure(name, float(ours), published, low, high))

    def picture(
        self, name: str, draw: Callable[..., object], *arguments: Any, **options: Any
    ) -> None:
        """Call `draw(path, …)` with a path for a PNG of this name, where pictures are wanted."""
        if self.folder is None:
            return
        if importlib.util.find_spec("matplotlib") is None:
            self.missing = 'pictures need matplotlib: pip install "fastmlp[plot]"'
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FastMLPError(
                f"{self.folder}: expected a folder for pictures, got: {error.strerror}"
            ) from None
        path = self.folder / f"{name}.png"
        draw(path, *arguments, **options)
        self.pictures.append(path)

    @property
    def passed(self) -> bool:
        """Whether every figure lies inside its tolerance."""
        return all(figure.passed for figure in self.figures)
