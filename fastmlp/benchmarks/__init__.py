"""Benchmarks: the same work for fastmlp and its peers, in the same minute, on the same machine.

    works       what is done: data, network, optimizer, batch
    contenders  who does it: one file each
    worker      a process of its own for each contender
    rounds      the contenders take turns
    results     medians, spreads and ratios
    report      tables, for a terminal and in Markdown
    peak        the machine's floating-point peak

`fastmlp bench` runs them.
"""

from __future__ import annotations

from fastmlp.benchmarks.works import WORKS, Work

__all__ = ["WORKS", "Work"]
