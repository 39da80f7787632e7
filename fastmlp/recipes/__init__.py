"""Five systems of books and notebooks, reproduced with fastmlp's public interface alone.

Each recipe is a short module to be read; `reproduce` runs one and compares what comes out with
what was published. From the command line: `fastmlp reproduce NAME`.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable
from typing import Any

from fastmlp.errors import invalid
from fastmlp.recipes.report import Figure, Report

__all__ = ["RECIPES", "Figure", "Report", "reproduce"]

RECIPES = {
    "training": "plain gradient descent on raw pixels, 3500 iterations (Programming Machine "
    "Learning, ch. 11)",
    "symmetry": "why weights must not start at zero (Programming Machine Learning, ch. 11)",
    "digits-3-7": "telling 3 from 7, from pixel similarity to a network (fastbook, ch. 4)",
    "batches": "histories, mini-batches and a race of batch sizes (Programming Machine Learning, "
    "ch. 13)",
    "from-scratch": "sigmoids, quadratic cost and per-sample gradients (a JAX notebook after "
    "Nielsen)",
}


def reproduce(
    name: str,
    *,
    quick: bool = False,
    folder: str | os.PathLike[str] | None = None,
    say: Callable[[str], object] | None = None,
    **options: Any,
) -> Report:
    """Run a recipe.

    Parameters
    ----------
    name : str
        One of `RECIPES`.
    quick : bool
        Run a shortened version, in seconds, with tolerances of its own.
    folder, say
        As for `Report`.
    **options
        For the recipe: `batches` takes `clock` and `max_seconds`.

    Returns
    -------
    Report

    Raises
    ------
    InvalidValueError
        There is no such recipe.
    DataError
        MNIST is nowhere to be had.

    Examples
    --------
    >>> report = reproduce("training", quick=True)  # doctest: +SKIP
    >>> report.passed  # doctest: +SKIP
    True
    """
    if name not in RECIPES:
        raise invalid("name", f"one of {', '.join(RECIPES)}", repr(name))
    recipe = importlib.import_module(f"fastmlp.recipes.{name.replace('-', '_')}")
    report = Report(folder, say)
    start = time.perf_counter()
    recipe.run(report, quick=quick, **options)
    report.seconds = time.perf_counter() - start
    return report
