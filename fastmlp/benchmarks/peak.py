"""The floating-point peak of this machine, measured: what every rate is a fraction of."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import DTypeLike

from fastmlp.kernels.peak import chains, chains_parallel, row_elements
from fastmlp.threads import granted

__all__ = ["peak_gflops"]


def peak_gflops(threads: int = 1, dtype: DTypeLike = "float32", seconds: float = 0.1) -> float:
    """Return the highest rate of fused multiply-adds seen, in 10⁹ operations a second.

    Parameters
    ----------
    threads : int
        Threads that compute at once.
    dtype : {"float32", "float64"}
    seconds : float
        How long to look.

    Notes
    -----
    Nothing is read from memory, so no program does more. Clocks change from minute to minute:
    compare only with what was measured just before or after.

    Examples
    --------
    >>> peak_gflops(seconds=0.01) > 0.1
    True
    """
    real = np.dtype(dtype)
    rows = np.ones((threads, row_elements(real.itemsize)), real)
    repeats, best = 1000, 0.0
    with granted(threads) as parts:
        run = chains_parallel if parts > 1 else chains
        run(rows, 0.5, 1)
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            run(rows, 0.5, repeats)
            elapsed = time.perf_counter() - start
            best = max(best, 2.0 * rows.size * repeats / elapsed / 1e9)
            if elapsed < 0.005:
                repeats *= 2
    return best
