"""`fastmlp reproduce`: the systems of books and notebooks, beside their published figures."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from fastmlp.errors import invalid

if TYPE_CHECKING:
    from fastmlp.recipes import Report

__all__ = ["reproduce"]

OUTSIDE = 1


def reproduce(arguments: Namespace) -> int:
    """Run a recipe, or list them; the status is 1 where a figure lies outside its tolerance."""
    from fastmlp.recipes import RECIPES
    from fastmlp.recipes import reproduce as run

    if arguments.name is None:
        _list(RECIPES, arguments.json)
        return 0
    if arguments.name not in RECIPES:
        raise invalid("NAME", f"one of {', '.join(RECIPES)}", repr(arguments.name))
    options = {
        name: value
        for name in ("clock", "max_seconds")
        if (value := getattr(arguments, name)) is not None
    }
    if options and arguments.name != "batches":
        flag = next(iter(options)).replace("_", "-")
        raise invalid("NAME", f"batches, for --{flag}", arguments.name)
    folder = Path("reproduced", arguments.name) if arguments.out is None else Path(arguments.out)
    if folder.exists() and not folder.is_dir():
        raise invalid("--out", "a folder", folder)
    report = run(arguments.name, quick=arguments.quick, folder=folder, say=_say, **options)
    _show(arguments.name, report)
    if arguments.json:
        print(json.dumps(_as_json(arguments, report), allow_nan=False))
    return 0 if report.passed else OUTSIDE


def _list(recipes: dict[str, str], as_json: bool) -> None:
    """Print the names and what they are."""
    for name, summary in recipes.items():
        print(f"{name:13} {summary}")
    if as_json:
        print(json.dumps(recipes))


def _say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def _show(name: str, report: Report) -> None:
    """Print the figures as a table, where the pictures are, and how long it took."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), title=None)
    table.add_column("figure", no_wrap=True)
    for heading in ("published", "ours"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("to be", no_wrap=True)
    table.add_column("", no_wrap=True)
    for figure in report.figures:
        published = "" if figure.published is None else f"{figure.published:g}"
        verdict = "" if not figure.tolerance else "yes" if figure.passed else "NO"
        table.add_row(figure.name, published, f"{figure.ours:.6g}", figure.tolerance, verdict)
    print()
    # Not cut where the output is no terminal, or a narrow one.
    width = None if sys.stdout.isatty() else 120
    Console(width=width, highlight=False, markup=False, soft_wrap=True).print(table)
    print()
    for path in report.pictures:
        print(f"picture saved to {path}")
    if report.missing:
        print(report.missing)
    outside = [figure.name for figure in report.figures if not figure.passed]
    verdict = f"{len(outside)} outside: {'; '.join(outside)}" if outside else "all as expected"
    print(f"{name}: {len(report.figures)} figures, {verdict}, {report.seconds:.1f} s")


def _as_json(arguments: Namespace, report: Report) -> dict[str, object]:
    """Return what was found as JSON has it."""
    import math

    def bound(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "name": arguments.name,
        "quick": arguments.quick,
        "passed": report.passed,
        "seconds": report.seconds,
        "figures": [
            {
                "name": figure.name,
                "published": figure.published,
                "ours": bound(figure.ours),
                "low": bound(figure.low),
                "high": bound(figure.high),
                "passed": figure.passed,
            }
            for figure in report.figures
        ],
        "pictures": [str(path) for path in report.pictures],
    }
