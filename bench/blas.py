"""The dense product beside NumPy's BLAS, compiled for a CPU: `python -m bench.blas haswell`.

Prints medians of GFLOP/s on one thread, and their ratio, for `kernels.dense` and `numpy.dot`: the
BLAS restricted to its kernels for that CPU, then as it chooses. The two take turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median

# What OpenBLAS calls the CPU that LLVM calls so.
CORE_TYPES = {
    "haswell": "Haswell", "skylake-avx512": "SkylakeX", "icelake-server": "SkylakeX",
    "znver4": "Zen", "x86-64": "Nehalem",
}  # fmt: skip
SIZES = [(128, 784, 200), (60000, 784, 200), (1024, 1024, 1024)]


def measure(seconds: float = 3.0) -> None:
    """Print one line a size and dtype."""
    import numpy as np

    from fastmlp import kernels
    from fastmlp.buffers import aligned_zeros
    from fastmlp.kernels.target import HOST

    random = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        for rows, depth, columns in SIZES:
            arrays = []
            for shape in ((rows, depth), (depth, columns), (rows, columns)):
                array = aligned_zeros(shape[0] * shape[1], dtype).reshape(shape)
                array[:] = random.standard_normal(shape)
                arrays.append(array)
            x, w, out = arrays
            b = np.zeros(columns, dtype)
            calls = {
                "fastmlp": lambda x=x, w=w, b=b, out=out: kernels.dense(x, w, b, out),
                "numpy": lambda x=x, w=w, out=out: np.dot(x, w, out=out),
            }
            operations = 2.0 * rows * depth * columns
            repeats = max(1, int(5e8 / operations))
            rates: dict[str, list[float]] = {name: [] for name in calls}
            end = time.perf_counter() + seconds / 2 / len(SIZES)
            while time.perf_counter() < end or len(rates["numpy"]) < 3:
                for name, call in calls.items():
                    call()
                    start = time.perf_counter()
                    for _ in range(repeats):
                        call()
                    elapsed = time.perf_counter() - start
                    rates[name].append(operations * repeats / elapsed / 1e9)
            own, theirs = median(rates["fastmlp"]), median(rates["numpy"])
            print(
                f"  {dtype} {rows} x {depth} x {columns}: {HOST.name} tile {own:.0f}, "
                f"BLAS {theirs:.0f} GFLOP/s, ratio {own / theirs:.2f}",
                flush=True,
            )


def main(cpu: str) -> None:
    """Run a process for each choice of the BLAS's kernels."""
    environment = os.environ | {
        "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    for core_type in (CORE_TYPES.get(cpu, ""), ""):
        print(f"{cpu}, OpenBLAS's kernels: {core_type or 'its own choice'}", flush=True)
        choice = {"OPENBLAS_CORETYPE": core_type} if core_type else {}
        subprocess.run(
            [sys.executable, "-m", "bench.blas", "--measure"], env=environment | choice, check=True
        )


if __name__ == "__main__":
    if sys.argv[1:] == ["--measure"]:
        measure()
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "haswell")
