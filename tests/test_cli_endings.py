"""Commands that do not end as they should: full disks, Ctrl-C, divergence, closed streams."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastmlp

COMMAND = [sys.executable, "-m", "fastmlp"]
FULL = Path("/dev/full")  # as a disk is that has no room left

needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
posix = pytest.mark.skipif(os.name != "posix", reason="signals and streams as POSIX has them")


def run(*words: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL, **options,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


def start(*words: str | Path) -> subprocess.Popen[str]:
    """Start a training and return when it is past its first epoch."""
    process = subprocess.Popen(
        [*COMMAND, "train", "--epochs", "10000000", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline().startswith("epoch 1/")
    return process


def rows(path: Path) -> int:
    with path.open(newline="") as file:
        return len(list(csv.DictReader(file)))


# --- files that cannot be written -----------------------------------------------------------------


@needs_full
def test_a_file_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    history = tmp_path / "h.csv"
    words = ("--epochs", "3", "--out", FULL, "--history", history, "--json", "--quiet")
    done = run("train", *words)
    assert done.returncode == 2
    assert done.stderr == f"fastmlp: error: cannot write {FULL}: no space left on device\n"
    assert rows(history) == 3
    lines = done.stdout.splitlines()
    assert lines[0].startswith("held-out accuracy 0.")
    assert lines[-2] == f"history saved to {history}"
    result = json.loads(lines[-1])
    assert result["model"] is None
    assert result["history"] == str(history)
    assert result["epochs"] == 3


@needs_full
def test_a_race_is_told_though_its_history_cannot_be_written() -> None:
    words = ("--batch-sizes", "64", "--max-seconds", "0.1", "--history", FULL, "--json", "--quiet")
    done = run("race", "digits", *words)
    assert done.returncode == 2
    assert done.stderr == f"fastmlp: error: cannot write {FULL}: no space left on device\n"
    assert json.loads(done.stdout.splitlines()[-1])["history"] is None


@needs_full
@posix
def test_after_ctrl_c_too(tmp_path: Path) -> None:
    history = tmp_path / "h.csv"
    process = start("--out", FULL, "--history", history)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.splitlines()[-2:] == [
        f"fastmlp: interrupted; history saved to {history}",
        f"fastmlp: error: cannot write {FULL}: no space left on device",
    ]
    assert rows(history) >= 1


# --- interrupted before there is anything to save -------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_an_end_before_the_first_step_leaves_the_files_of_before(
    tmp_path: Path, number: int, status: int, word: str
) -> None:
    """The signal comes at the call that compiles, on an empty cache, for seconds."""
    out, history = tmp_path / "m", tmp_path / "h.csv"
    for path in (out, history):
        path.write_text("of the training before")
    code = (
        "import os, signal, sys, fastmlp.cli, fastmlp.passes as passes\n"
        "advance = passes.TrainingPass.advance\n"
        "def ended(run, goal, *rest):\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    return advance(run, goal, *rest)\n"
        "passes.TrainingPass.advance = ended\n"
        "sys.exit(fastmlp.cli.main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "--out", str(out), "--history", str(history)],
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == status
    assert done.stdout == ""
    said = f"fastmlp: {word} before the first step; not written: {out}, {history}\n"
    assert done.stderr == said
    for path in (out, history):
        assert path.read_text() == "of the training before"


# --- divergence -----------------------------------------------------------------------------------


def test_a_divergence_saves_the_last_finite_parameters(tmp_path: Path) -> None:
    x = 100 * np.random.default_rng(0).normal(size=(400, 3))
    data, out, history = tmp_path / "x.npz", tmp_path / "m", tmp_path / "h.csv"
    np.savez(data, x=x, y=x @ [1.0, 2.0, 3.0])
    words = ("train", data, "--optimizer", "sgd", "--learning-rate", "10", "--quiet")
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fastmlp: error: training diverged in epoch 1, step 3: ")
    assert "kept" not in done.stderr
    assert "saved" not in done.stderr
    kept = run(*words, "--out", out, "--history", history)
    assert (kept.returncode, kept.stdout) == (2, "")
    assert kept.stderr == (
        f"{done.stderr.rstrip()}; the last finite parameters are kept; "
        f"model saved to {out}; history saved to {history}\n"
    )
    assert np.isfinite(fastmlp.Network.load(out).buffer).all()
    assert rows(history) == 1


def test_a_divergence_in_the_first_step_leaves_the_files_of_before(tmp_path: Path) -> None:
    data, out = tmp_path / "x.npz", tmp_path / "m"
    np.savez(data, x=np.full((40, 3), 1e38), y=np.linspace(0.0, 1e30, 40))
    out.write_text("of the training before")
    done = run("train", data, "--out", out, "--quiet")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"; not written: {out}\n")
    assert "kept" not in done.stderr
    assert out.read_text() == "of the training before"


# --- standard streams -----------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("words", "closed", "status"),
    [
        ("info", ">&-", 0),
        ("--help", ">&-", 0),
        pytest.param("train --epochs 1", ">&-", 0, marks=pytest.mark.slow),
        pytest.param("train --epochs 1", "2>&-", 0, marks=pytest.mark.slow),
        ("train --epochs 1 --quiet", "<&- >&- 2>&-", 0),
        ("train --epochs 0", "2>&-", 2),
        pytest.param("train --epochs 0", "2>/dev/full", 2, marks=needs_full),
    ],
)
def test_a_closed_stream_is_no_error(words: str, closed: str, status: int, tmp_path: Path) -> None:
    out = f"--out {tmp_path / 'm'}" if "train" in words else ""
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m fastmlp {words} {out} {closed}', sys.executable],
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr
    assert (tmp_path / "m").exists() == ("epochs 1" in words)


def test_a_class_whose_name_the_stream_cannot_write(tmp_path: Path) -> None:
    model, samples, label = tmp_path / "m", tmp_path / "x.npy", "\xc4"
    net = fastmlp.Network([2, 2], init="zeros", classes=[label, "B"])
    net.save(model)
    np.save(samples, np.zeros((1, 2)))
    done = run("predict", model, samples, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "\\xc4\n", "")
    assert run("predict", model, samples, "--out", tmp_path / "p.csv").returncode == 0
    assert (tmp_path / "p.csv").read_text("utf-8") == f"{label}\n"
