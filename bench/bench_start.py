"""The first seconds of a program: import, first fit with an empty cache, first fit with a full."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.common import DTYPES

ROOT = Path(__file__).parent.parent

FIRST_FIT = """
import numpy as np
import fastmlp
x, y = np.random.default_rng(0).random((256, 784), np.float32), np.arange(256) % 10
net = fastmlp.Network([784, 200, 10], dtype={dtype!r})
fastmlp.Trainer(net).fit(x, y, epochs=1)
"""


def seconds(script: str, **environment: str) -> float:
    """Return the time of a script in a new process, the start of Python not included."""
    timed = (
        f"import time\nstart = time.perf_counter()\n{script}\nprint(time.perf_counter() - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", timed],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


class Import:
    """Seconds of `import fastmlp`, and of what a training imports."""

    timeout = 60

    def track_package(self) -> float:
        return min(seconds("import fastmlp") for _ in range(5))

    def track_trainer(self) -> float:
        return min(seconds("from fastmlp import Network, Trainer") for _ in range(5))

    track_package.unit = track_trainer.unit = "s"


class FirstFit:
    """Seconds of imports and a first fit."""

    params = (DTYPES,)
    param_names = ("dtype",)
    timeout = 600

    def setup_cache(self) -> dict[str, tuple[float, float]]:
        found = {}
        for dtype in DTYPES:
            with tempfile.TemporaryDirectory() as cache:
                script = FIRST_FIT.format(dtype=dtype)
                cold = seconds(script, NUMBA_CACHE_DIR=cache)
                cached = min(seconds(script, NUMBA_CACHE_DIR=cache) for _ in range(3))
                found[dtype] = cold, cached
        return found

    def track_cold(self, found: dict[str, tuple[float, float]], dtype: str) -> float:
        return found[dtype][0]

    def track_cached(self, found: dict[str, tuple[float, float]], dtype: str) -> float:
        return found[dtype][1]

    track_cold.unit = track_cached.unit = "s"
