"""The package as it is installed: its names, what importing it costs, and its first page."""

from __future__ import annotations

import doctest
import importlib
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import fastmlp

ROOT = Path(__file__).parent.parent

NAMES = [
    "SGD",
    "Adam",
    "AdamW",
    "DataError",
    "DivergenceError",
    "FastMLPError",
    "History",
    "MLPClassifier",
    "MLPRegressor",
    "NearestMean",
    "Network",
    "Race",
    "TableClassifier",
    "TableEncoder",
    "TableRegressor",
    "Trainer",
    "__version__",
    "datasets",
    "kernels",
    "plot",
    "race",
    "reference",
]


def test_public_names_are_these() -> None:
    assert fastmlp.__all__ == NAMES
    assert dir(fastmlp) == sorted(NAMES)
    for name in NAMES:
        assert getattr(fastmlp, name) is getattr(fastmlp, name)


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'fastmlp' has no attribute 'Nothing'"):
        fastmlp.Nothing  # noqa: B018


def test_errors_are_also_the_built_in_ones() -> None:
    from fastmlp import errors

    assert issubclass(errors.InvalidValueError, ValueError)
    assert issubclass(errors.InvalidTypeError, TypeError)
    for name in errors.__all__:
        if name.endswith("Error"):
            assert issubclass(getattr(errors, name), fastmlp.FastMLPError)


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_is_quick_and_starts_nothing() -> None:
    script = """
import sys, time
start = time.perf_counter()
import fastmlp
seconds = time.perf_counter() - start
import json, threading
heavy = {"numba", "llvmlite", "sklearn", "scipy", "rich", "pooch", "matplotlib", "pandas"}
print(json.dumps([seconds, sorted(heavy & set(sys.modules)), threading.active_count()]))
"""
    found = [json.loads(run(script)) for _ in range(3)]
    assert min(seconds for seconds, _, _ in found) < 0.35
    for _, loaded, threads in found:
        assert loaded == []
        assert threads == 1


def test_training_imports_only_what_it_uses() -> None:
    script = """
import sys
import numpy as np
import fastmlp
net = fastmlp.Network([3, 2])
fastmlp.Trainer(net).fit(np.eye(3), [0, 1, 1], epochs=1)
print(sorted({"sklearn", "rich", "pooch", "matplotlib", "pandas", "pyarrow"} & set(sys.modules)))
"""
    assert run(script) == "[]\n"


def test_the_version_is_that_of_the_installed_package() -> None:
    try:
        installed = metadata.version("fastmlp")
    except metadata.PackageNotFoundError:
        pytest.skip("not installed")
    assert installed == fastmlp.__version__


MODULES = [
    "fastmlp", "fastmlp.benchmarks.contenders", "fastmlp.benchmarks.machine",
    "fastmlp.benchmarks.peak", "fastmlp.benchmarks.report", "fastmlp.benchmarks.works",
    "fastmlp.buffers", "fastmlp.errors", "fastmlp.history", "fastmlp.interrupts",
    "fastmlp.network", "fastmlp.optimizers", "fastmlp.reference", "fastmlp.threads",
    "fastmlp.training",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0
    assert results.failed == 0


def test_examples_in_the_readme() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    for number, block in enumerate(blocks):
        source = f"README.md, example {number}"
        if block.startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(block, {}, source, "README.md", 0)
            assert doctest.DocTestRunner().run(test).failed == 0
        else:
            exec(compile(block, source, "exec"), {"__name__": source})


def test_commands_of_the_readme_are_those_of_ci() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert 'pip install ".[test]" && pytest\n' in readme
    assert 'pip install ".[test]" && pytest\n' in ci
    assert "pip install . && fastmlp train\n" in readme
