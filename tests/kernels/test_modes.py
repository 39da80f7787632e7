"""Numba's switches: kernels and trainings without the compiler, with bounds checks, to debug."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
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


def run_script(words, variable="", cache=None):
    """Run Python with one of Numba's switches on; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:Could not find source", *words],
        env=os.environ
        | {"NUMBA_NUM_THREADS": "2", "PYTHONPATH": str(HERE.parent.parent)}
        | ({"NUMBA_CACHE_DIR": str(cache)} if cache else {})
        | dict([variable.split("=")] if variable else []),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def numbers(folder, *words, variable="", cache=None):
    """Return what `every_way.py` finds with a switch on."""
    run_script([HERE / "every_way.py", folder / "found.npz", *words], variable, cache)
    with np.load(folder / "found.npz") as found:
        return dict(found)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return numbers(tmp_path_factory.mktemp("expected"))


def test_training_without_the_compiler_gives_the_same_numbers_to_rounding(tmp_path, expected):
    """Multiply-adds are rounded twice there, and sums have another order."""
    found = numbers(tmp_path, variable="NUMBA_DISABLE_JIT=1")
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "variable",
    ["NUMBA_BOUNDSCHECK=1", "NUMBA_DEBUGINFO=1", "NUMBA_ENABLE_PROFILING=1", "NUMBA_OPT=0"],
)
def test_switches_that_leave_the_arithmetic_leave_the_bits(tmp_path, expected, variable):
    """Whether kernels were compiled by this process, by others in another order, or both."""
    numbers(tmp_path, "train", variable=variable, cache=tmp_path)
    for _ in range(2):
        found = numbers(tmp_path, variable=variable, cache=tmp_path)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.slow
def test_the_parts_of_two_threads_stay_in_their_bounds(tmp_path, expected):
    """An error in one part would leave the other waiting: then this ends after some minutes."""
    found = numbers(tmp_path, "parts", variable="NUMBA_BOUNDSCHECK=1")
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


PLANTED = """
import numpy as np, fastmlp
from fastmlp.kernels import losses, updates
from fastmlp.passes import Rule, TrainingPass
from fastmlp.targets import Targets
from fastmlp.validation import as_samples

net = fastmlp.Network([4, 6, 3], seed=0)
targets = Targets(np.array([0, 99]), np.zeros((1, 3), "f"), True)  # there is no class 99
run = TrainingPass(
    net, as_samples(np.eye(2, 4), 4, "x"), targets, np.zeros(0), losses.CROSS_ENTROPY,
    Rule(updates.SGD), 2, threads=2,
)
run.begin(np.arange(2))
try:
    run.advance(2)
except IndexError as error:
    print(error)
"""


@pytest.mark.slow
def test_an_index_out_of_bounds_in_a_training_step_is_reported():
    said = run_script(["-c", PLANTED], "NUMBA_BOUNDSCHECK=1")
    assert said.strip() == "index is out of bounds"
