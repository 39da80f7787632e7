"""Every CPU that Numba can compile for: results, the width of the vectors, and no spills.

Numba reads the CPU once, so each runs in processes of its own. What this machine cannot execute is
left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
import pytest

HERE = Path(__file__).parent
TESTS = HERE.parent

# Name: what it must be able to do to run here, features to leave out, and its instruction set.
# LLVM takes all features that belong to the name, but for those that not every AVX-512 CPU has.
AVX2, AVX512 = {"avx2", "fma"}, {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
CPUS = {
    "x86-64": (set(), "", "generic"),
    "haswell": (AVX2, "", "AVX2"),
    "skylake-avx512": (AVX512, "", "AVX-512"),
    "icelake-server": (AVX512 | {"avx512vbmi2", "avx512vnni"}, "", "AVX-512"),
    "znver4": (AVX512 | {"avx512vbmi2", "avx512vnni"}, "-sse4a,-avx512bf16", "AVX-512"),
}
REGISTER = {"generic": "xmm", "AVX2": "ymm", "AVX-512": "zmm"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(numba.config.DISABLE_JIT or numba.config.CPU_NAME), reason="in such a run already"
    ),
]


def run(cpu: str, *words: str | Path, timeout: float = 600) -> str:
    """Run Python with these words, compiled for a CPU; return what it prints."""
    needs, features, _ = CPUS[cpu]
    host = llvm.get_host_cpu_features()
    missing = sorted(name for name in needs if not host.get(name))
    if missing:
        pytest.skip(f"this machine has no {', '.join(missing)}")
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env=os.environ
        | {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
        | {"PYTHONPATH": str(TESTS.parent)},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cpu", CPUS)
def test_hot_loops_are_whole_tiles_in_registers(cpu: str, dtype: str) -> None:
    found: dict[str, Any] = json.loads(run(cpu, HERE / "strip_assembly.py", dtype))
    host, strips = found["host"], found["strips"]
    assert host["name"] == CPUS[cpu][2]
    width = max(int(name.split(".")[2].rstrip("m")) for name in strips)
    assert width >= host["tile_vectors"], strips.keys()
    for name, loop in strips.items():
        vectors = name.split(".")[2]
        if vectors.endswith("m"):
            continue  # masked tails
        rows = host["tile_rows"] // (2 if int(vectors) > host["tile_vectors"] else 1)
        # A whole tile a step of k; LLVM may have unrolled the loop.
        assert loop["multiplies"] > 0, name
        assert loop["multiplies"] % (rows * int(vectors)) == 0, name
        assert loop["registers"] == [REGISTER[host["name"]]], name
        assert loop["spilled"] == [], name


@pytest.mark.parametrize("cpu", CPUS)
def test_kernels_gradients_and_training(cpu: str) -> None:
    chosen = (
        "equals_its_reference and (dense_sigmoid or adam_update or cross_entropy_backward)"
        " or modes_and_edges or exponent or derivative_of_the_loss and sigmoid or steps_by_hand"
        " or bits_that_are_stored"
    )
    names = ["test_kernels.py", "test_product.py", "test_exp.py"]
    files = [*(HERE / name for name in names), TESTS / "test_gradients.py"]
    files.append(TESTS / "reliability" / "test_digests.py")
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", "-k", chosen]
    assert " passed" in run(cpu, *words, *files)
