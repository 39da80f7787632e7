"""Compiled kernels on disk: used again, and never after any kernel source was edited."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import fastmlp

# `sgd_update` stands in updates.py; how far a block reaches stands in public.py.
PROGRAM = """
import numpy as np
from fastmlp import kernels
w = np.zeros(6)
kernels.sgd_update(w, np.full(6, -1.0), 1.0)
print(w.tolist(), sum(kernels.sgd_update.stats.cache_hits.values()))
"""
UPDATED, LEFT = 1.0, 0.0


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="needs the compiler")
def test_no_stale_machine_code_after_an_edit_of_another_file(tmp_path):
    package = tmp_path / "fastmlp"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(fastmlp.__file__).parent, package, ignore=ignored)
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environment.pop("FASTMLP_CACHE", None)

    def run():
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split("\n")[0]

    everywhere = [UPDATED] * 6
    assert run() == f"{everywhere} 0"
    assert run() == f"{everywhere} 1"  # from the cache
    source = package / "kernels" / "public.py"
    before = source.read_text("utf-8")
    after = before.replace("min(array.size, (block + 1) * size)", "min(array.size, 2)")
    assert after != before
    source.write_text(after, "utf-8")
    assert run() == f"{[UPDATED] * 2 + [LEFT] * 4} 0"
    source.write_text(before, "utf-8")
    assert run() == f"{everywhere} 1"  # what was compiled for these sources is still there
