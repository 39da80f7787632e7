"""Every public kernel, from the registry, beside its reference in NumPy."""

from __future__ import annotations

from bench.common import (
    DTYPES,
    IMPLEMENTATIONS,
    LAYER,
    THREADS,
    best_seconds,
    peak,
    product_operations,
)
from fastmlp.registry import REGISTRY
from fastmlp.threads import granted

PRODUCTS = [name for name in REGISTRY if product_operations(name, LAYER)]


class Kernel:
    """Seconds of one call on one thread; the first, which compiles, is in the setup."""

    params = (list(REGISTRY), DTYPES, IMPLEMENTATIONS)
    param_names = ("kernel", "dtype", "implementation")
    timeout = 300

    def setup(self, name: str, dtype: str, implementation: str) -> None:
        entry = REGISTRY[name]
        arguments = entry.arguments(LAYER, dtype)
        if implementation == "fastmlp":
            self.call = lambda: entry.kernel(*arguments)
        else:
            self.call = lambda: entry.expected(arguments)
        self.call()

    def time_kernel(self, name: str, dtype: str, implementation: str) -> None:
        self.call()


class Product:
    """Rate of the kernels that are products of matrices."""

    params = (PRODUCTS, DTYPES, THREADS)
    param_names = ("kernel", "dtype", "threads")
    timeout = 300

    def setup(self, name: str, dtype: str, threads: int) -> None:
        entry = REGISTRY[name]
        self.arguments = entry.arguments(LAYER, dtype)
        self.kernel = entry.parallel.compiled if threads > 1 else entry.kernel
        self.kernel(*self.arguments)

    def track_gflops(self, name: str, dtype: str, threads: int) -> float:
        with granted(threads):
            seconds = best_seconds(lambda: self.kernel(*self.arguments))
        return product_operations(name, LAYER) / seconds / 1e9

    def track_fraction_of_peak(self, name: str, dtype: str, threads: int) -> float:
        return self.track_gflops(name, dtype, threads) / peak(threads, dtype)

    track_gflops.unit = "GFLOP/s"
    track_fraction_of_peak.unit = "of the multiply-add peak"
