"""The first seconds of a program: import, first fit with an empty cache, first fit with a full."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from bench.common import DTYPES

FIRST_FIT = """
import time
start = time.perf_counter()
import numpy as np
import fastmlp
x, y = np.random.default_rng(0).random((256, 784), np.float32), np.arange(256) % 10
net = fastmlp.Network([784, 200, 10], dtype={dtype!r})
fastmlp.Trainer(net).fit(x, y, epochs=1)
print(time.perf_counter() - start)
"""


def first_fit(dtype: str, cache: str) -> float:
    """Return the seconds of import and first fit in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_FIT.format(dtype=dtype)],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


class Import:
    """Seconds of `import fastmlp` and of what a training imports, in new processes."""

    timeout = 60

    def timeraw_package(self) -> str:
        return "import fastmlp"

    def timeraw_trainer(self) -> str:
        return "from fastmlp import Network, Trainer"


class FirstFit:
    """Seconds from the start of Python code to the end of the first fit."""

    params = (DTYPES,)
    param_names = ("dtype",)
    timeout = 600

    def setup_cache(self) -> dict[str, tuple[float, float]]:
        found = {}
        for dtype in DTYPES:
            with tempfile.TemporaryDirectory() as cache:
                cold = first_fit(dtype, cache)
                found[dtype] = cold, min(first_fit(dtype, cache) for _ in range(3))
        return found

    def track_cold(self, found: dict[str, tuple[float, float]], dtype: str) -> float:
        return found[dtype][0]

    def track_cached(self, found: dict[str, tuple[float, float]], dtype: str) -> float:
        return found[dtype][1]

    track_cold.unit = track_cached.unit = "s"
