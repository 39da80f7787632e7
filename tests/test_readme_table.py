"""The README's table of speeds: written by a script from measured results, never by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fastmlp.benchmarks.results import summarize, write_results

ROOT = Path(__file__).parent.parent

RAW = {
    "machine": {
        "processor": "A processor", "cpu": "znver9", "instruction_set": "AVX-512", "cores": 2,
        "system": "Linux", "threading_layer": "omp", "python": "3.11", "numba": "0.68",
    },
    "facts": {}, "threads": 1, "rounds": 1, "quick": False, "idle": {},
    "contenders": {"fastmlp": "fastmlp", "numpy": "NumPy"},
    "works": [
        {
            "name": "b128", "title": "784-200-10", "unit": "epoch", "operations": 1e9,
            "dtype": "float32", "reference": 0.5, "seconds": {"fastmlp": [1.0], "numpy": [3.0]},
            "deviations": {"fastmlp": 0.0, "numpy": 0.0}, "failures": {},
            "peak_gflops": {"1": [10.0]},
        }
    ],
}  # fmt: skip


def rewrite(results: Path, readme: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.readme_table", str(results), str(readme)],
        capture_output=True, text=True, timeout=60, cwd=ROOT,
    )  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    results, readme = tmp_path / "results.json", tmp_path / "README.md"
    write_results(results, summarize(RAW))
    readme.write_text((ROOT / "README.md").read_text("utf-8"), "utf-8")
    return results, readme


def test_the_table_replaces_what_stood_there_and_nothing_else(files: tuple[Path, Path]) -> None:
    results, readme = files
    before = readme.read_text("utf-8")
    assert rewrite(results, readme).returncode == 0
    first = readme.read_text("utf-8")
    assert "| 784-200-10 | 1.00 s / epoch | 3.00× |" in first
    assert rewrite(results, readme).returncode == 0
    assert readme.read_text("utf-8") == first
    marks = [line for line in before.splitlines() if "readme_table.py: " in line]
    for text in (before, first):
        assert [line for line in text.splitlines() if line in marks] == marks
    assert before.split(marks[0])[0] == first.split(marks[0])[0]
    assert before.split(marks[1])[1] == first.split(marks[1])[1]


def test_small_works_and_other_files_are_refused(files: tuple[Path, Path]) -> None:
    results, readme = files
    before = readme.read_bytes()
    content = json.loads(results.read_text("utf-8"))
    results.write_text(json.dumps(content | {"quick": True}))
    done = rewrite(results, readme)
    assert (done.returncode, "expected a whole run" in done.stderr) == (2, True)
    results.write_text("[]")
    assert rewrite(results, readme).returncode == 2
    assert readme.read_bytes() == before
