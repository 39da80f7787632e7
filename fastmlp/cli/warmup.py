"""`fastmlp warmup`: compile the common kernels into the cache, before they are needed."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace

__all__ = ["warmup"]


def warmup(arguments: Namespace) -> int:
    """Compile, tell each step on standard error, and print a summary."""
    from fastmlp.kernels.cache import cache_folder
    from fastmlp.warmup import warmup as steps_of

    start = time.perf_counter()
    steps = []
    for step in steps_of(arguments.dtype or ("float32", "float64")):
        steps.append(step)
        threads = f"{step.threads} thread{'s' * (step.threads > 1)}"
        how = f"{step.compiled} functions compiled" if step.compiled else "in the cache"
        print(
            f"{step.name}, {step.dtype}, {threads}: {how}, {step.seconds:.1f} s",
            file=sys.stderr,
            flush=True,
        )
    seconds = time.perf_counter() - start
    folder = cache_folder()
    compiled = sum(step.compiled for step in steps)
    if arguments.json:
        found = {
            "seconds": seconds, "compiled": compiled, "cache": folder and str(folder),
            "steps": [step._asdict() for step in steps],
        }  # fmt: skip
        print(json.dumps(found))
    else:
        where = "not kept: no folder can be written" if folder is None else f"kept in {folder}"
        print(f"{compiled} functions compiled in {seconds:.1f} s, {where}")
    return 0
