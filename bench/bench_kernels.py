"""Every public kernel, from the registry, beside its reference in NumPy."""

from __future__ import annotations

from bench.common import LAYER, best_seconds, product_operations
from fastmlp.registry import REGISTRY

DTYPES = ["float32", "float64"]
PRODUCTS = [name for name in REGISTRY if product_operations(name, LAYER)]


class Kernel:
    """Seconds of one call; the first, which compiles, is in the setup."""

    params = (list(REGISTRY), DTYPES)
    param_names = ("kernel", "dtype")
    timeout = 300

    def setup(self, name: str, dtype: str) -> None:
        self.entry = REGISTRY[name]
        self.arguments = self.entry.arguments(LAYER, dtype)
        self.entry.kernel(*self.arguments)

    def time_kernel(self, name: str, dtype: str) -> None:
        self.entry.kernel(*self.arguments)

    def time_reference(self, name: str, dtype: str) -> None:
        self.entry.expected(self.arguments)


class Product:
    """Rate of the kernels that are products of matrices."""

    params = (PRODUCTS, DTYPES)
    param_names = ("kernel", "dtype")
    timeout = 300

    def setup(self, name: str, dtype: str) -> None:
        self.entry = REGISTRY[name]
        self.arguments = self.entry.arguments(LAYER, dtype)
        self.entry.kernel(*self.arguments)
        self.entry.parallel(*self.arguments)

    def _rate(self, name: str, kernel: object) -> float:
        seconds = best_seconds(lambda: kernel(*self.arguments))
        return product_operations(name, LAYER) / seconds / 1e9

    def track_gflops(self, name: str, dtype: str) -> float:
        return self._rate(name, self.entry.kernel)

    def track_gflops_parallel(self, name: str, dtype: str) -> float:
        return self._rate(name, self.entry.parallel)

    track_gflops.unit = track_gflops_parallel.unit = "GFLOP/s"
