"""Schedules: a learning rate for each step, from where the step stands in the whole training."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCHEDULES", "scheduled_rates"]

# One cycle (Smith and Topin 2018), with PyTorch's numbers: the share of steps that warm up, and
# how far below its maximum the learning rate begins and ends.
_WARM_UP, _BEGIN, _END = 0.3, 1 / 25, 1 / 250_000


def cosine(progress: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return factors from 1 to 0 along half a cosine (Loshchilov and Hutter 2017)."""
    return 0.5 * (1.0 + np.cos(math.pi * np.clip(progress, 0.0, 1.0)))


def one_cycle(progress: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return factors that rise to 1 and fall to nearly 0, each along half a cosine.

    Examples
    --------
    >>> one_cycle(np.array([0.0, 0.3, 1.0])).round(6).tolist()
    [0.04, 1.0, 4e-06]
    """
    rise = _BEGIN + (1.0 - _BEGIN) * (1.0 - cosine(progress / _WARM_UP))
    fall = _END + (1.0 - _END) * cosine((progress - _WARM_UP) / (1.0 - _WARM_UP))
    return np.where(progress < _WARM_UP, rise, fall)


SCHEDULES = {"cosine": cosine, "one_cycle": one_cycle}


def scheduled_rates(
    name: str | None, learning_rate: float, first: int, steps: int, total: int
) -> NDArray[np.float64] | None:
    """Return the learning rates of steps [first, first + steps) of `total`; None: no schedule.

    Examples
    --------
    >>> scheduled_rates("cosine", 0.1, 0, 3, 3).tolist()
    [0.1, 0.05, 0.0]
    """
    if name not in SCHEDULES:
        return None
    progress = np.arange(first, first + steps) / max(total - 1, 1)
    return learning_rate * SCHEDULES[name](progress)
