"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import fastmlp
from fastmlp.kernels import target
from fastmlp.threads import threading_layer

__all__ = ["describe_machine"]


def _processor() -> str:
    """Return the processor's own name where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def describe_machine() -> dict[str, object]:
    """Return processor, instruction set, cores, threading layer, system and compiler.

    Examples
    --------
    >>> describe_machine()["cores"] >= 1
    True
    """
    found = target.describe()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cpu": found["cpu"],
        "instruction_set": found["instruction_set"],
        "tile": found["tile"],
        "cores": cores,
        "threading_layer": threading_layer(),
        "system": platform.system(),
        "python": platform.python_version(),
        "numba": found["numba"],
        "llvm": found["llvm"],
        "fastmlp": fastmlp.__version__,
    }
