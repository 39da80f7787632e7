"""What the benchmarks share: sizes, data, counts of operations, and a clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from fastmlp.registry import Size

# A batch of 128 images of 28 × 28 pixels, and 200 hidden units.
LAYER = Size(rows=128, inputs=784, outputs=200)


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


def clusters(
    n: int, features: int, classes: int, dtype: str = "float32"
) -> tuple[np.ndarray, np.ndarray]:
    """Return n samples around one centre a class, and their classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, n)
    centres = rng.normal(size=(classes, features))
    return (centres[labels] + rng.normal(size=(n, features))).astype(dtype), labels
