"""Compile what most programs use, before they need it: into the cache that all share.

What is compiled is found out by using it: small trainings and predictions through the public
interface, with every variant of the kernels that a training may choose.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba.core import event

from fastmlp.network import Network
from fastmlp.optimizers import SGD
from fastmlp.passes import forward
from fastmlp.threads import available_threads
from fastmlp.training import Trainer
from fastmlp.validation import as_samples

__all__ = ["Step", "warmup"]


class Step(NamedTuple):
    """One thing that was made ready.

    Attributes
    ----------
    name, dtype : str
    threads : int
    seconds : float
        Spent on it.
    compiled : int
        Functions that were compiled; 0 where all came from the cache.
    """

    name: str
    dtype: str
    threads: int
    seconds: float
    compiled: int


class _Compilations(event.Listener):
    """Counts the functions that Numba compiles while it listens."""

    def __init__(self) -> None:
        self.count = 0

    def on_start(self, event: Any) -> None:
        """Count one more."""
        self.count += 1

    def on_end(self, event: Any) -> None:
        """Do nothing."""


def _train(dtype: str, threads: int) -> None:
    net = Network([16, 16, 4], dtype=dtype)
    x, y = np.eye(16, dtype=dtype), np.arange(16) % 4
    Trainer(net, optimizer=SGD(0.1), batch_size=8, threads=threads).fit(x, y, epochs=1)


def _infer(dtype: str, threads: int) -> None:
    net = Network([16, 16, 4], dtype=dtype)
    samples = as_samples(np.ones((512, 16), dtype), 16)  # several blocks: one is for one thread
    forward(net, samples, threads=threads)
    net.predict(np.ones((1, 16), dtype))  # few samples have a kernel of their own


_USES: dict[str, Callable[[str, int], None]] = {"training": _train, "inference": _infer}


def warmup(dtypes: Sequence[str] = ("float32", "float64")) -> Iterator[Step]:
    """Compile the kernels of training and inference, on one thread and on several.

    Parameters
    ----------
    dtypes : sequence of {"float32", "float64"}

    Yields
    ------
    Step
        As each is ready. A second run finds all in the cache.

    Examples
    --------
    >>> [step.name for step in warmup(["float32"])][:2]
    ['training', 'inference']
    """
    for dtype in dtypes:
        for threads in sorted({1, available_threads()}):
            for name, use in _USES.items():
                listener = _Compilations()
                start = time.perf_counter()
                with event.install_listener("numba:compile", listener):
                    use(dtype, threads)
                yield Step(name, dtype, threads, time.perf_counter() - start, listener.count)
