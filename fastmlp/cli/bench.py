"""`fastmlp bench`: fastmlp beside its peers, in the same minute, on this machine."""

from __future__ import annotations

import datetime
import json
import os
import sys
from argparse import Namespace
from typing import Any

from fastmlp.cli.outputs import save_each
from fastmlp.cli.statuses import FAILED, OK
from fastmlp.cli.streams import say
from fastmlp.output import check_writable, write_atomically

__all__ = ["bench"]


def bench(arguments: Namespace) -> int:
    """Run the works, print tables or JSON, write files; 1 if a contender did other work."""
    from fastmlp.benchmarks.contenders import installed
    from fastmlp.benchmarks.report import markdown
    from fastmlp.benchmarks.results import summarize, write_results
    from fastmlp.benchmarks.rounds import run_works
    from fastmlp.benchmarks.works import find_works
    from fastmlp.threads import check_threads

    quick = arguments.quick
    works = find_works(arguments.works or (), quick)
    contenders = installed(arguments.contenders or ())
    if quick and not arguments.contenders:
        contenders = [name for name in contenders if name != "torch-compile"]  # takes a minute
    for path in (arguments.output, arguments.markdown):
        if path is not None:
            check_writable(path)
    if any(work.data == "mnist" for work in works):
        _obtain_mnist()
    threads = check_threads(arguments.threads) or _cores()
    rounds = arguments.rounds or (3 if quick else 7)
    raw = run_works(works, contenders, rounds, threads, quick, say)
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    results = summarize({"date": date} | raw)
    saved = save_each(
        {
            "results": (arguments.output, lambda path: write_results(path, results)),
            "tables": (
                arguments.markdown,
                lambda path: write_atomically(path, markdown(results).encode()),
            ),
        }
    )
    if arguments.json:
        print(json.dumps(results))
    else:
        _print_tables(results)
    return saved.status(FAILED if any(work["failures"] for work in results["works"]) else OK)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _obtain_mnist() -> None:
    """Find or download MNIST now, so that what is missing is said before the first minute."""
    from fastmlp.datasets import load_mnist

    load_mnist()


def _print_tables(results: dict[str, Any]) -> None:
    from rich.console import Console

    from fastmlp.benchmarks.report import details, machine_lines, overview, scaling_lines

    console = Console() if sys.stdout.isatty() else Console(width=200)
    for work in results["works"]:
        _print_table(console, work["title"], details(work, results["contenders"]))
        for text in work["failures"].values():
            console.print(text, markup=False, highlight=False)
        console.print()
    _print_table(console, "how many times longer others take", overview(results))
    console.print()
    for line in (*scaling_lines(results), *machine_lines(results)):
        console.print(line, markup=False, highlight=False)


def _print_table(console: Any, title: str, table: list[list[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    head, *rows = table
    shown = Table(
        title=Text(title, style="bold"), title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    shown.add_column(head[0])
    for name in head[1:]:
        shown.add_column(Text(name), justify="right", no_wrap=True)
    for row in rows:
        shown.add_row(*map(Text, row))
    console.print(shown)
