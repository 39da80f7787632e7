"""The command line: its words, its answers to mistakes, and what needs no training."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastmlp.cli import main
from fastmlp.cli.parser import build_parser

COMMAND = [sys.executable, "-m", "fastmlp"]


def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `fastmlp` with these words; its kernels come from the cache that all tests share."""
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )


def succeed(*words: str | Path) -> subprocess.CompletedProcess[str]:
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    "command", ["train", "evaluate", "predict", "info", "bench", "warmup", "cache"]
)
def test_help_names_the_command_and_imports_nothing_heavy(command: str) -> None:
    assert re.search(rf"^ +{command} ", succeed("--help").stdout, re.MULTILINE)
    code = (
        "import sys, fastmlp.cli\n"
        f"assert fastmlp.cli.main([{command!r}, '--help']) == 0\n"
        "print(sorted({'numpy', 'numba', 'rich', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert f"usage: fastmlp {command}" in done.stdout


def test_train_help_tells_the_epochs_of_digits() -> None:
    done = succeed("train", "--help")
    assert "(default: 10, 60 for digits;" in " ".join(done.stdout.split())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import fastmlp

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fastmlp {fastmlp.__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "COMMAND"),
        ("tarin", "'tarin'"),
        ("train --epoch 3", "--epoch"),
        ("train --epochs 0", "--epochs: expected a positive integer, got '0'"),
        ("train --epochs many", "--epochs: expected a positive integer, got 'many'"),
        ("train --batch-size -1", "--batch-size: expected a positive integer or full, got '-1'"),
        ("train --hidden 20,-5", "--hidden: expected positive integers with commas"),
        ("train --learning-rate nan", "--learning-rate: expected a positive number, got 'nan'"),
        ("train --momentum 1", "--momentum: expected a number from 0 to below 1, got '1'"),
        ("train --optimizer adam --momentum 0.5", "--momentum: expected --optimizer sgd"),
        ("train --l2 -1", "--l2: expected a number from 0 up, got '-1'"),
        ("train --max-seconds 0", "--max-seconds: expected a positive number, got '0'"),
        ("train --seed -1", "--seed: expected an integer from 0"),
        ("train --threads 0", "--threads: expected a positive integer, got '0'"),
        ("train --activation swish", "--activation: expected names among identity, sigmoid"),
        ("train --optimizer rmsprop", "--optimizer: invalid choice: 'rmsprop'"),
        ("train --output identity", "--output: expected softmax or sigmoid"),
        ("train nothing.npz", "nothing.npz"),
        ("train --out missing/model", "missing/model"),
        ("train --history missing/h.csv", "missing/h.csv"),
        ("train --plot missing/p.png", "missing/p.png"),
        ("train --plot p.doc", "expected a name ending in .png, .svg, .pdf, got p.doc"),
        ("train --out same --history same", "--history: expected a file other than that of --out"),
        ("evaluate missing.safetensors digits", "missing.safetensors"),
        ("evaluate", "MODEL, DATA"),
        ("predict missing.safetensors x.npy", "missing.safetensors"),
        ("predict missing.safetensors x.npy --out p.txt", ".npy or .csv, got p.txt"),
    ],
)
def test_a_mistake_is_answered_with_one_line(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """In this process, for speed; the exit status of a process is tested below."""
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("fastmlp: error: ")
    assert said in err
    assert not list(tmp_path.iterdir())


def test_a_mistake_ends_the_process_with_status_2() -> None:
    done = run("train", "--epochs", "0")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "--epochs: expected a positive integer" in done.stderr


CONTRACT = (
    "train mnist --hidden 200,100 --activation relu --loss cross_entropy --optimizer adam "
    "--learning-rate 1e-3 --batch-size 128 --epochs 10 --dtype float32 --seed 0 --threads 2 "
    "--max-seconds 5 --out m --history h.csv --plot p.png --json"
)


def test_the_parser_reads_what_the_contract_lists() -> None:
    read = build_parser().parse_args(CONTRACT.split())
    assert read.data == "mnist"
    assert read.hidden == [200, 100]
    assert read.batch_size == 128
    assert read.learning_rate == 1e-3
    read = build_parser().parse_args(["train", "--hidden", "none", "--batch-size", "full"])
    assert read.data == "digits"
    assert read.hidden == []
    assert read.batch_size is None


def test_cache_shows_and_clears_the_compiled_kernels(tmp_path: Path) -> None:
    folder = tmp_path / "fastmlp-kernels" / "0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "updates.sgd_update-140.py311.0123456789abcdef.nbc").write_bytes(b"machine code")
    shown = run("cache", NUMBA_CACHE_DIR=str(tmp_path))
    assert shown.stdout.startswith("1 files, 0.0 MB in ")
    cleared = run("cache", "--clear", NUMBA_CACHE_DIR=str(tmp_path))
    assert cleared.returncode == 0
    assert cleared.stdout.startswith("deleted 1 files from ")
    assert not list(tmp_path.rglob("*.nbc"))


def test_info_tells_machine_threads_cache_and_versions() -> None:
    lines = succeed("info").stdout
    for name in ("cpu lanes float32", "cpu tile", "threading layer", "threading good"):
        assert f"\n{name}: " in "\n" + lines
    facts = json.loads(succeed("info", "--json").stdout)
    assert facts["cpu"]["lanes_float32"] == 2 * facts["cpu"]["lanes_float64"]
    assert facts["threading"]["threads"] >= 1
    assert facts["threading"]["good"] in (True, False)
    assert facts["cache"]["folder"] is None or Path(facts["cache"]["folder"]).is_dir()
    assert facts["versions"]["numpy"] == np.__version__
