"""Medians, spreads and ratios of what was measured, and the file they are kept in."""

from __future__ import annotations

import json
import os
from pathlib import Path
from statistics import median
from typing import Any

from fastmlp.benchmarks.contenders import scaling_twins
from fastmlp.errors import DataError
from fastmlp.output import write_atomically

__all__ = ["read_results", "scaling", "summarize", "write_results"]

FORMAT = 1


def _rows(work: dict[str, Any], threads: int) -> dict[str, dict[str, float]]:
    """Return the figures of each contender of a work."""
    times: dict[str, list[float]] = work["seconds"]
    own = times.get("fastmlp")
    rows = {}
    for name, seconds in times.items():
        count = 1 if name in scaling_twins() else threads
        middle = median(seconds)
        row = {
            "median": middle, "low": min(seconds), "high": max(seconds),
            "gflops": work["operations"] / middle / 1e9,
            "deviation": work["deviations"][name],
        }  # fmt: skip
        row["of_peak"] = row["gflops"] / median(work["peak_gflops"][str(count)])
        if own:
            # Round by round: what the machine did in a round, it did to both.
            ratios = [theirs / ours for theirs, ours in zip(seconds, own, strict=True)]
            row |= {"ratio": median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
        rows[name] = row
    return rows


def summarize(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of `run_works` with a "summary" of each work.

    For each contender: median, low and high of the seconds a unit; ratio, ratio_low and ratio_high
    of its time to fastmlp's in the same round (median, least and most); gflops, as if nothing were
    skipped, and what part of_peak that is; deviation from the NumPy reference.
    """
    works = [work | {"summary": _rows(work, raw["threads"])} for work in raw["works"]]
    return raw | {"format": FORMAT, "works": works}


def scaling(work: dict[str, Any], threads: int) -> dict[str, float]:
    """Return how many times faster `threads` are than one, for fastmlp and forced dense."""
    times = work["seconds"]
    return {
        many: median(a / b for a, b in zip(times[one], times[many], strict=True))
        for one, many in scaling_twins().items()
        if threads > 1 and one in times and many in times
    }


def write_results(path: str | os.PathLike[str], results: dict[str, Any]) -> None:
    """Write the results to a JSON file, whole or not at all."""
    write_atomically(path, (json.dumps(results, indent=1) + "\n").encode())


def read_results(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the results in a file that `write_results` wrote.

    Raises
    ------
    DataError
        The file is missing, or holds something else.
    """
    try:
        results = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{os.fspath(path)}: expected results of fastmlp bench, got {error}"
        ) from None
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        raise DataError(f"{os.fspath(path)}: expected results of fastmlp bench of this version")
    return results
