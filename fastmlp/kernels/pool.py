"""The pool of threads that all parallel kernels of a process share, and who may use it.

One run in a process uses the parallel kernels at a time; another that starts meanwhile, in a second
Python thread, runs its serial twin, which gives the same bits. That rules out what the layers do
when entered twice: Numba's own `workqueue` aborts the process, OpenMP takes more threads than there
are cores. After a fork of a process whose thread pool was running, the child is serial: GNU OpenMP
would kill it. All is serial where the layer that was asked for cannot be loaded, and where bounds
are checked: Numba loses what a parallel loop raises, and who waits for that part waits for ever.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any

import numba
from numba.extending import typeof_impl
from numba.np.ufunc import parallel

__all__ = ["GuardedTwin", "granted", "is_serial", "is_unavailable"]

_pool = threading.Lock()
_forked = False
_unavailable = False  # whether Numba could load no threading layer


def _after_fork() -> None:
    """Give the child a free lock; make it serial if the parent's thread pool was running."""
    global _pool, _forked
    _pool = threading.Lock()
    _forked = _forked or getattr(parallel, "_is_initialized", True)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def is_serial() -> bool:
    """Return whether all is done by one thread, for one of the reasons above."""
    return _forked or _unavailable or bool(numba.config.BOUNDSCHECK)


def is_unavailable() -> bool:
    """Return whether Numba was found to have no threading layer."""
    return _unavailable


def _started() -> int:
    """Start Numba's threads if need be, and return their count; 0, with a warning, if it cannot."""
    global _unavailable
    try:
        return int(numba.get_num_threads())
    except ValueError as error:
        _unavailable = True
        reason = " ".join(str(error).split())
        warnings.warn(
            f"threads: Numba has no threading layer ({reason}); all is done by one thread. "
            "NUMBA_THREADING_LAYER chooses it",
            stacklevel=2,
        )
        return 0


@contextmanager
def granted(threads: int | None = None) -> Iterator[int]:
    """Hold the thread pool for a call of a parallel kernel; yields how many threads it may use.

    That is 1 where the pool is in use by another Python thread, or cannot be started; the serial
    twin must be called then. None asks for as many as Numba is set to use; its setting is left as
    it was found.
    """
    few = threads is not None and threads < 2
    if few or is_serial() or not _pool.acquire(blocking=False):
        yield 1
        return
    held = _pool
    try:
        before = _started()
        if before == 0:
            yield 1
            return
        wanted = before if threads is None else threads
        numba.set_num_threads(wanted)
        try:
            yield wanted
        finally:
            numba.set_num_threads(before)
    finally:
        held.release()


class GuardedTwin:
    """A parallel kernel that, called from Python, is the serial one where the pool is not free.

    To compiled code it is the parallel kernel itself.
    """

    def __init__(self, serial: Any, compiled: Any) -> None:
        self.serial, self.compiled = serial, compiled
        update_wrapper(self, compiled.py_func)

    def __call__(self, *arguments: Any, **named: Any) -> None:
        """Run the kernel on as many threads as are free."""
        with granted() as threads:
            kernel = self.compiled if threads > 1 else self.serial
            kernel(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        """Return what the compiled kernel has: its signatures, its statistics."""
        return getattr(self.compiled, name)

    def __reduce__(self) -> str:
        """Pickle it by its name."""
        return str(self.compiled.py_func.__qualname__)

    def __repr__(self) -> str:
        return repr(self.compiled)


@typeof_impl.register(GuardedTwin)
def _type_of_twin(twin: GuardedTwin, context: Any) -> Any:
    """Tell Numba that a twin in compiled code is its parallel kernel."""
    return typeof_impl(twin.compiled, context)
