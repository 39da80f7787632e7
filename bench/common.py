"""What the benchmarks share: sizes, counts of operations, a clock, and makers of contenders."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import threadpoolctl

from fastmlp.benchmarks.contenders.base import Contender
from fastmlp.benchmarks.contenders.own import OwnContender
from fastmlp.benchmarks.contenders.plain_numpy import NumpyContender
from fastmlp.benchmarks.peak import peak_gflops
from fastmlp.benchmarks.problem import Problem
from fastmlp.benchmarks.works import WORKS, Work
from fastmlp.registry import Size
from fastmlp.threads import available_threads

DTYPES = ["float32", "float64"]
THREADS = sorted({1, available_threads()})
IMPLEMENTATIONS = ["fastmlp", "reference"]

# A batch of 128 images of 28 × 28 pixels, and 200 hidden units.
LAYER = Size(rows=128, inputs=784, outputs=200)

# Networks and the data they are trained on, which every machine has.
NETWORKS = {
    "64-100-10": {"data": "digits", "sizes": (64, 100, 10), "rows": 1346},
    "784-200-10": {"data": "clusters", "sizes": (784, 200, 10), "rows": 6000},
}


def product_operations(name: str, size: Size) -> float:
    """Return the floating-point operations of a kernel's product, 0 for one that has none.

    What is fused into it (bias, activation) is not counted.
    """
    has_product = name.startswith("dense") and name != "dense_backward_biases"
    return 2.0 * size.rows * size.inputs * size.outputs if has_product else 0.0


def best_seconds(call: Callable[[], object], budget: float = 0.2) -> float:
    """Return the shortest time of a call, of as many as fit into `budget` seconds, at least 3."""
    best, spent, calls = np.inf, 0.0, 0
    while spent < budget or calls < 3:
        start = time.perf_counter()
        call()
        elapsed = time.perf_counter() - start
        best, spent, calls = min(best, elapsed), spent + elapsed, calls + 1
    return best


@cache
def peak(threads: int, dtype: str) -> float:
    """Return the floating-point peak in GFLOP/s, measured once in a process."""
    return peak_gflops(threads, dtype, 0.2)


def training(network: str, batch: int | str, dtype: str) -> Work:
    """Return the work of one epoch of plain gradient descent."""
    return replace(
        WORKS["b128"], batch=None if batch == "all" else int(batch), dtype=dtype, epochs=1,
        **NETWORKS[network],
    )  # fmt: skip


def contender(implementation: str, work: Work, threads: int) -> Contender:
    """Return fastmlp or the NumPy reference, warmed up, on so many threads."""
    threadpoolctl.threadpool_limits(threads, "blas")
    problem = Problem(work)
    own = implementation == "fastmlp"
    made = OwnContender(problem, threads=threads) if own else NumpyContender(problem)
    made.reset()
    if work.task == "train":
        made.fit()
    else:
        made.outputs()
    return made
