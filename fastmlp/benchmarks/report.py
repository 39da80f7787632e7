"""Results as tables: for a terminal, and in Markdown."""

from __future__ import annotations

from statistics import median
from typing import Any

from fastmlp.benchmarks.results import scaling

__all__ = [
    "details",
    "machine_lines",
    "markdown",
    "overview",
    "overview_markdown",
    "scaling_lines",
    "span",
]

Table = list[list[str]]

# Of the time between its turns, what a contender may use without a word.
_RESTLESS = 0.05


def span(seconds: float) -> str:
    """Return a time in three digits.

    Examples
    --------
    >>> span(0.0741), span(7.25e-6)
    ('74.1 ms', '7.25 µs')
    """
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 0.9995 or unit == "µs":
            value = seconds * scale
            digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
            return f"{value:.{digits}f} {unit}"
    raise AssertionError


def _ratio(value: float) -> str:
    return f"{value:.1f}×" if value >= 9.95 else f"{value:.2f}×"


def _peaks(results: dict[str, Any]) -> dict[str, float]:
    """Return the medians of the float32 peaks (or of what there is) by number of threads."""
    works = results["works"]
    chosen = [work for work in works if work["dtype"] == "float32"] or works
    counts = chosen[0]["peak_gflops"] if chosen else {}
    return {
        count: median(x for work in chosen for x in work["peak_gflops"][count]) for count in counts
    }


def machine_lines(results: dict[str, Any]) -> list[str]:
    """Return what the results were measured on, in a few lines."""
    machine = results["machine"]
    peaks = ", ".join(
        f"{gflops:.0f} GFLOP/s on {count} thread{'s' * (count != '1')}"
        for count, gflops in _peaks(results).items()
    )
    restless = ", ".join(
        f"{results['contenders'][name]} {share:.0%}"
        for name, share in results["idle"].items()
        if share > _RESTLESS
    )
    facts = ", ".join(f"{name} {value}" for name, value in results["facts"].items())
    return [
        f"{machine['processor']} ({machine['cpu']}, {machine['instruction_set']}), "
        f"{machine['cores']} cores, {machine['system']}",
        f"{results['threads']} threads for all, threading layer {machine['threading_layer']}, "
        f"Python {machine['python']}, Numba {machine['numba']}",
        f"measured peak of fused multiply-adds: {peaks}",
        *([facts] if facts else []),
        *([f"used CPU time while others had their turns: {restless}"] if restless else []),
    ]


def details(work: dict[str, Any], titles: dict[str, str]) -> Table:
    """Return the table of one work, its head first."""
    table = [
        [
            "", f"time per {work['unit']}", "spread", "× fastmlp", "spread", "GFLOP/s", "of peak",
            "deviation",
        ]
    ]  # fmt: skip
    for name in titles:
        row = work["summary"].get(name)
        if row is not None:
            compared = "ratio" in row
            table.append(
                [
                    titles[name], span(row["median"]), f"{span(row['low'])} – {span(row['high'])}",
                    _ratio(row["ratio"]) if compared else "",
                    f"{row['ratio_low']:.2f} – {row['ratio_high']:.2f}" if compared else "",
                    f"{row['gflops']:.3g}", f"{row['of_peak']:.0%}", f"{row['deviation']:.0e}",
                ]
            )  # fmt: skip
    return table


def overview(results: dict[str, Any]) -> Table:
    """Return one table of all works: fastmlp's time, and how many times longer others take."""
    peers = [
        name
        for name in results["contenders"]
        if name != "fastmlp"
        and any("ratio" in w["summary"].get(name, {}) for w in results["works"])
        and not name.endswith("-1")
    ]
    table = [["work", "fastmlp", *(results["contenders"][name] for name in peers)]]
    for work in results["works"]:
        own = work["summary"].get("fastmlp")
        if own is not None:
            cells = [work["summary"].get(name) for name in peers]
            table.append(
                [
                    work["title"], f"{span(own['median'])} / {work['unit']}",
                    *(_ratio(cell["ratio"]) if cell else "–" for cell in cells),
                ]
            )  # fmt: skip
    return table


def scaling_lines(results: dict[str, Any]) -> list[str]:
    """Return a sentence on threads for each work that was run on one thread too."""
    lines = []
    for work in results["works"]:
        found = scaling(work, results["threads"])
        if found:
            words = ", ".join(
                f"{results['contenders'][name]} {_ratio(value)}" for name, value in found.items()
            )
            lines.append(f"{work['title']}, 1 → {results['threads']} threads: {words}")
    return lines


def _pipes(table: Table) -> list[str]:
    head, *rows = table
    rule = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]


def overview_markdown(results: dict[str, Any]) -> str:
    """Return the overview, what it was measured on and how threads scale, in Markdown."""
    lines = [*_pipes(overview(results)), ""]
    notes = [*machine_lines(results), *scaling_lines(results)]
    return "\n".join([*lines, *(f"- {line}" for line in notes)]) + "\n"


def markdown(results: dict[str, Any]) -> str:
    """Return all results in Markdown."""
    parts = ["# fastmlp bench\n", overview_markdown(results)]
    for work in results["works"]:
        parts.append(
            f"## {work['title']}\n\n" + "\n".join(_pipes(details(work, results["contenders"])))
        )
        if work["failures"]:
            parts.append("\n".join(f"- {text}" for text in work["failures"].values()))
    return "\n\n".join(part.strip() for part in parts) + "\n"
