"""The kernels' tests again without the compiler, and with bounds checks compiled in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

HERE = Path(__file__).parent
KERNELS, PRODUCT = HERE / "test_kernels.py", HERE / "test_product.py"

pytestmark = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT or numba.config.BOUNDSCHECK), reason="in such a run already"
)


def run_tests(files, variable, selection, marks="not slow"):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, files)]
    done = subprocess.run(
        [*command, "-k", selection, "-m", marks],
        env=os.environ | {variable: "1"},
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


def test_without_the_compiler():
    run_tests([KERNELS, PRODUCT], "NUMBA_DISABLE_JIT", "")


def test_with_bounds_checks():
    """Sizes around every boundary; one kernel of each way to walk arrays."""
    names = ("sigmoid_backward", "cross_entropy_backward", "dense_backward_input")
    chosen = " or ".join(f"reference[{name}-float32]" for name in names)
    run_tests([KERNELS], "NUMBA_BOUNDSCHECK", chosen)


@pytest.mark.slow
def test_all_with_bounds_checks():
    run_tests([KERNELS], "NUMBA_BOUNDSCHECK", "reference or layout", "slow or not slow")
