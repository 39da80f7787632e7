"""The suite for asv: it runs offline, in the environment at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_asv_runs_in_this_environment(tmp_path: Path) -> None:
    pytest.importorskip("asv", reason="asv is not installed")
    # asv takes PYTHONPATH away from its processes and gives them this one.
    environment = os.environ | {"HOME": str(tmp_path), "ASV_PYTHONPATH": str(ROOT)}
    machine = [sys.executable, "-m", "asv", "machine", "--yes"]
    subprocess.run(machine, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60)
    chosen = r"bench_train.Rate.track_gflops\('64-100-10', 128, 'float32', 1\)|bench_start.Import"
    done = subprocess.run(
        [sys.executable, "-m", "asv", "run", "--quick", "--python=same", "--show-stderr",
         "--bench", chosen],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout, done.stdout
    assert "track_gflops" in done.stdout
    assert "track_package" in done.stdout


def test_the_suite_and_its_files_are_where_asv_looks() -> None:
    settings = json.loads((ROOT / "asv.conf.json").read_text("utf-8"))
    folder = ROOT / settings["benchmark_dir"]
    names = [path.stem for path in folder.glob("bench_*.py")]
    assert sorted(names) == ["bench_kernels", "bench_start", "bench_train"]
    for key in ("env_dir", "results_dir", "html_dir"):
        assert settings[key].startswith(".asv/")
