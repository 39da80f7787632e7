"""Scripts in processes of their own, with a time limit: what kills them kills no test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

# Python 3.12 and later warn of every fork of a process with threads; these tests are about that.
STRICT = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]

PRELUDE = """
import json, os, signal, sys, threading, time, warnings
import numpy as np
import fastmlp

rng = np.random.default_rng(0)
x = rng.normal(size=(1000, 200)).astype("float32")
y = rng.integers(0, 10, 1000)

def network(seed=0):
    return fastmlp.Network([200, 100, 10], seed=seed)

def trained(net, threads=2, epochs=3):
    trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(0.1), batch_size=256, threads=threads)
    trainer.fit(x, y, epochs=epochs)
    return net
"""


@pytest.fixture
def script() -> Callable[..., str]:
    """Return a function that runs a script, sees it end well, and returns what it printed."""

    def run(text: str, *arguments: str, timeout: float = 150, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, *STRICT, "-c", PRELUDE + text, *arguments],
            env=os.environ | {"NUMBA_NUM_THREADS": "2"} | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"exit {done.returncode}: {done.stderr}"
        return done.stdout

    return run
