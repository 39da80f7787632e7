"""How many threads a piece of work gets, and what Numba's threading layer is.

Who may use the threads at a time is decided in `fastmlp.kernels.pool`.
"""

from __future__ import annotations

import importlib
import operator
import os
import warnings
from typing import Any

import numba
from numba.np.ufunc import parallel

from fastmlp.errors import invalid, invalid_type, shown
from fastmlp.kernels import pool
from fastmlp.kernels.cache import is_compiled
from fastmlp.kernels.pool import granted

__all__ = [
    "Pace",
    "available_threads",
    "check_threads",
    "describe",
    "granted",
    "threading_layer",
    "wanted",
]

# Floating-point operations between two barriers below which one thread is as fast.
_WORTHWHILE = 1e6

# Operations in all below which more threads save less time than it takes to load the parallel
# kernel, and to compile it where that was never done.
_WORTH_LOADING = 2e9
_WORTH_COMPILING = 2e10

_ADVICE = {
    "omp": "OpenMP: a good choice.",
    "tbb": "TBB: a good choice.",
    "workqueue": (
        "workqueue: slow to start threads. Install OpenMP (Debian: libgomp1; macOS: libomp) for "
        "more speed."
    ),
    "none": (
        "none: the layer that NUMBA_THREADING_LAYER asks for cannot be loaded. All is done by one "
        "thread."
    ),
}

_missed = 0.0  # operations done by one thread since more would have had to be compiled


def _loads(backend: str) -> bool:
    """Return whether Numba could load a threading layer here; nothing is started."""
    try:
        if backend == "tbb":
            parallel._check_tbb_version_compatible()
        pool = "" if backend == "workqueue" else "pool"
        importlib.import_module(f"numba.np.ufunc.{backend}{pool}")
    except ImportError:
        return False
    return True


def threading_layer() -> str:
    """Return the layer that Numba uses, or would choose: "tbb", "omp", "workqueue"; or "none".

    Examples
    --------
    >>> threading_layer() in ("tbb", "omp", "workqueue", "none")
    True
    """
    try:
        return str(numba.threading_layer())
    except ValueError:  # not started yet
        pass
    if pool.is_unavailable():
        return "none"
    asked = str(numba.config.THREADING_LAYER).lower()
    order = [str(name) for name in numba.config.THREADING_LAYER_PRIORITY]
    chosen = {
        "safe": ["tbb"],
        "threadsafe": ["tbb", "omp"],
        "forksafe": ["tbb", "workqueue"],
        "default": order,
    }.get(asked, [asked] if asked in order else [])
    return next((name for name in chosen if _loads(name)), "none")


def available_threads() -> int:
    """Return how many threads work may use that was not told how many.

    That is Numba's limit, NUMBA_NUM_THREADS; or less, where this Python thread has lowered it by
    `numba.set_num_threads`, or OMP_NUM_THREADS is set; 1 where Numba has no threading layer.
    """
    if pool.is_unavailable():
        return 1
    limit = int(numba.config.NUMBA_NUM_THREADS)
    if getattr(parallel, "_is_initialized", False):  # else asking would start the threads
        limit = min(limit, int(numba.get_num_threads()))
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if text.isdigit() and int(text) > 0:
        limit = min(limit, int(text))
    return limit


def check_threads(threads: int | None) -> int | None:
    """Return a valid number of threads; more than there are is clamped, with one warning."""
    if threads is None:
        return None
    try:
        count = operator.index(threads)
    except TypeError:
        raise invalid_type("threads", "None or a positive integer", threads) from None
    if isinstance(threads, bool):
        raise invalid_type("threads", "None or a positive integer", threads)
    if count < 1:
        raise invalid("threads", "None or a positive integer", count)
    limit = int(numba.config.NUMBA_NUM_THREADS)
    if count > limit:
        warnings.warn(
            f"threads: {shown(count)} asked for, {limit} available; using {limit} "
            "(NUMBA_NUM_THREADS sets the limit)",
            stacklevel=3,
        )
    return min(count, limit)


def wanted(threads: int | None, operations: float, total: float, kernel: Any) -> int:
    """Return how many threads to use for `total` work, `operations` of it between barriers.

    `kernel` is the parallel one. Where it would have to be compiled first, small works are done by
    one thread, until together they were so many that compiling would have paid: two threads would
    have saved half.
    """
    global _missed
    if pool.is_serial():
        return 1
    if threads is not None:
        return threads
    if total < _WORTH_LOADING or operations < _WORTHWHILE:
        return 1
    if max(total, _missed / 2) < _WORTH_COMPILING and not is_compiled(kernel):
        _missed += total
        return 1
    return available_threads()


class Pace:
    """Chooses between several threads and one, by how fast each was lately.

    Where another program holds a core, threads that wait for each other in every step can be many
    times slower than one alone. Results do not depend on the number of threads, so it may change
    at any time.
    """

    # Operations a second below which several threads are suspected to stand in each other's way.
    _SUSPICIOUS = 1e10
    # Seconds after which one thread is tried anyway; until then it need not even be compiled.
    _PATIENCE = 0.3
    # Several threads that are so much faster than one was are not in doubt.
    _CLEAR = 1.25
    # Seconds after which what was seen of the slower way is looked at again.
    _STALE = 0.5

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.trying = threads > 1  # whether the next piece of work is only to see the speed
        self._next = threads
        self._speeds: dict[int, float] = {}
        self._seen: dict[int, float] = {}  # when: seconds of work before
        self._seconds = 0.0

    def choose(self) -> int:
        """Return how many threads to use next."""
        return self._next

    def saw(self, threads: int, operations: float, seconds: float) -> None:
        """Remember what was done with so many threads, in what time; decide what is next."""
        if self.threads == 1:
            return
        self._seconds += seconds
        self._speeds[threads] = operations / max(seconds, 1e-9)
        self._seen[threads] = self._seconds
        many, one = self._speeds.get(self.threads), self._speeds.get(1)
        self.trying = False
        if many is None:  # the pool was in use elsewhere
            self._next = self.threads
        elif one is None:
            self.trying = many < self._SUSPICIOUS or self._seconds > self._PATIENCE
            self._next = 1 if self.trying else self.threads
        else:
            faster, slower = (1, self.threads) if one > many else (self.threads, 1)
            in_doubt = many < self._CLEAR * one
            self.trying = in_doubt and self._seconds - self._seen[slower] > self._STALE
            self._next = slower if self.trying else faster


def describe() -> dict[str, object]:
    """Return the threading layer, whether it is a good one, what to do if not, and the threads."""
    layer = threading_layer()
    return {
        "layer": layer,
        "good": layer in ("tbb", "omp"),
        "advice": _ADVICE.get(layer, layer),
        "threads": 1 if layer == "none" else available_threads(),
    }
