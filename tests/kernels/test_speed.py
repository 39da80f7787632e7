"""How fast the public kernels are, from the registry: `pytest -m speed`, with pytest-benchmark."""

from __future__ import annotations

import pytest

from fastmlp.registry import REGISTRY, Size

pytestmark = pytest.mark.speed
pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")

SIZE = Size(rows=128, inputs=784, outputs=200)


@pytest.mark.parametrize("implementation", ["fastmlp", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", REGISTRY)
def test_kernel(benchmark, name, dtype, implementation):
    entry = REGISTRY[name]
    arguments = entry.arguments(SIZE, dtype)
    benchmark.group = f"{name} {dtype}"
    if implementation == "fastmlp":
        benchmark.pedantic(entry.kernel, arguments, rounds=20, warmup_rounds=2)
    else:
        benchmark.pedantic(entry.expected, (arguments,), rounds=20, warmup_rounds=2)
