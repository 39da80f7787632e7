"""`fastmlp bench`: equal work, its arithmetic, and the whole command on small works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastmlp.benchmarks.contenders import CONTENDERS, create, installed
from fastmlp.benchmarks.peak import peak_gflops
from fastmlp.benchmarks.problem import Problem
from fastmlp.benchmarks.report import markdown, overview, overview_markdown
from fastmlp.benchmarks.results import read_results, scaling, summarize, write_results
from fastmlp.benchmarks.rounds import ContenderError, Process, run_works
from fastmlp.benchmarks.works import WORKS, find_works
from fastmlp.cli import main
from fastmlp.errors import DataError, InvalidValueError


def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fastmlp", "bench", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )


# Two works, two rounds: fastmlp took 1 and 2 s, scikit-learn 4 and 6 s, one thread 1.5 and 4 s.
RAW: dict[str, Any] = {
    "machine": {
        "processor": "A processor", "cpu": "znver9", "instruction_set": "AVX-512", "cores": 2,
        "system": "Linux", "threading_layer": "omp", "python": "3.11", "numba": "0.68",
    },
    "facts": {"numpy": "2.4"}, "threads": 2, "rounds": 2, "quick": False, "idle": {},
    "contenders": {
        "fastmlp": "fastmlp", "fastmlp-1": "fastmlp, 1 thread", "scikit-learn": "scikit-learn",
    },
    "works": [
        {
            "name": "b128", "title": "784-200-10", "unit": "epoch", "operations": 3e9,
            "dtype": "float32", "reference": 0.5,
            "seconds": {"fastmlp": [1.0, 2.0], "fastmlp-1": [1.5, 4.0], "scikit-learn": [4.0, 6.0]},
            "deviations": {"fastmlp": 0.0, "fastmlp-1": 0.0, "scikit-learn": 1e-6},
            "failures": {}, "peak_gflops": {"1": [10.0, 10.0], "2": [20.0, 20.0]},
        },
        {
            "name": "b32", "title": "784-200-10, batch 32", "unit": "epoch", "operations": 3e9,
            "dtype": "float32", "reference": 0.5, "seconds": {"fastmlp": [1.0, 1.0]},
            "deviations": {"fastmlp": 0.0}, "failures": {"scikit-learn": "scikit-learn: gone"},
            "peak_gflops": {"1": [10.0, 10.0], "2": [20.0, 20.0]},
        },
    ],
}  # fmt: skip


def test_an_epoch_of_the_central_work_is_38_billion_operations() -> None:
    # 60000 rows, 2 operations, 3 products of 784·200 + 200·10 weights but for one of 784·200.
    assert WORKS["b128"].operations == 2 * 60000 * (3 * (784 * 200 + 2000) - 784 * 200)
    assert WORKS["predict"].operations == 2 * 60000 * (784 * 200 + 2000)
    assert WORKS["row256"].operations == 2 * (80 * 256 + 256 * 256 + 2560)


def test_the_works_are_those_that_were_promised() -> None:
    table = {(w.sizes, w.batch, w.optimizer, w.dtype, w.task) for w in WORKS.values()}
    for batch in (128, 32, 1, None):
        assert ((784, 200, 10), batch, "sgd", "float32", "train") in table
    for dtype in ("float32", "float64"):
        assert ((784, 100, 10), 200, "adam", dtype, "train") in table
    assert ((784, 1024, 1024, 10), 256, "sgd", "float32", "train") in table
    assert any(w.sizes == (3072, 2048, 10) for w in WORKS.values())
    assert WORKS["table"].rows == 200000
    assert [w.name for w in WORKS.values() if w.scaling] == ["b128"]
    assert all(w.epochs == (20 if w.batch is None else 5) for w in WORKS.values())


def test_ratios_are_medians_over_rounds() -> None:
    first, second = summarize(RAW)["works"]
    row = first["summary"]["scikit-learn"]
    assert (row["median"], row["low"], row["high"]) == (5.0, 4.0, 6.0)
    assert (row["ratio"], row["ratio_low"], row["ratio_high"]) == (3.5, 3.0, 4.0)
    assert row["gflops"] == pytest.approx(0.6)
    assert row["of_peak"] == pytest.approx(0.6 / 20)
    assert first["summary"]["fastmlp-1"]["of_peak"] == pytest.approx(3 / 2.75 / 10)
    assert scaling(first, 2) == {"fastmlp": 1.75}
    assert scaling(second, 2) == {}


def test_the_overview_has_what_was_measured_and_gaps_elsewhere() -> None:
    results = summarize(RAW)
    assert overview(results) == [
        ["work", "fastmlp", "scikit-learn"],
        ["784-200-10", "1.50 s / epoch", "3.50×"],
        ["784-200-10, batch 32", "1.00 s / epoch", "–"],
    ]
    text = overview_markdown(results)
    assert "| 784-200-10 | 1.50 s / epoch | 3.50× |" in text
    assert "1 → 2 threads: fastmlp 1.75×" in text
    assert "10 GFLOP/s on 1 thread, 20 GFLOP/s on 2 threads" in text
    assert "- scikit-learn: gone" in markdown(results)


def test_results_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results = summarize(RAW)
    write_results(path, results)
    assert read_results(path) == results
    path.write_text('{"format": 0}')
    with pytest.raises(DataError, match="expected results of fastmlp bench"):
        read_results(path)
    with pytest.raises(DataError, match=r"nothing\.json"):
        read_results(tmp_path / "nothing.json")


def test_every_contender_does_the_same_work() -> None:
    """Two fits in a row from the same start, and the outputs, all equal to the reference's."""
    work = find_works(["b128"], quick=True)[0]
    problem = Problem(work)
    judge = create("numpy", problem)
    judge.reset()
    judge.fit()
    expected = problem.loss(*judge.parameters())
    assert expected < problem.loss(problem.weights, problem.biases)
    for name in installed([n for n in CONTENDERS if CONTENDERS[n].needs in ("fastmlp", "sklearn")]):
        contender = create(name, problem)
        for _ in range(2):
            contender.reset()
            contender.fit()
            assert problem.loss(*contender.parameters()) == pytest.approx(expected, rel=1e-3), name
        contender.reset()
        rows = Problem(find_works(["row200"], quick=True)[0])
        other = create(name, rows)
        other.reset()
        assert rows.error(np.asarray(other.outputs())) < 1e-5


def test_the_peak_grows_with_the_vectors() -> None:
    single, double = (
        max(peak_gflops(1, dtype, 0.02) for _ in range(3)) for dtype in ("float32", "float64")
    )
    assert 1.3 < single / double < 3.0


def test_a_contender_that_does_other_work_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastmlp.benchmarks import rounds

    real = Process.receive

    def receive(self: Process) -> dict[str, Any]:
        answer = real(self)
        if self.name == "fastmlp" and "result" in answer:
            answer["result"] *= 1.002
        return answer

    monkeypatch.setattr(rounds.Process, "receive", receive)
    raw = run_works(
        find_works(["b128"], True), ["fastmlp", "numpy"], 1, 1, True, lambda line: None
    )  # fmt: skip
    assert list(raw["works"][0]["seconds"]) == ["numpy"]
    assert "fastmlp: did other work" in raw["works"][0]["failures"]["fastmlp"]


def test_a_process_that_ends_is_an_error() -> None:
    with Process("nobody", 1) as process, pytest.raises(ContenderError, match="KeyError"):
        process.ask(do="prepare", work="b128", quick=True)
    with Process("numpy", 1) as process:
        process._process.kill()
        with pytest.raises(ContenderError, match="the process ended"):
            process.ask(do="machine")


def test_the_command_writes_what_it_shows(tmp_path: Path) -> None:
    output, text = tmp_path / "results.json", tmp_path / "results.md"
    words = ("--quick", "--contenders", "fastmlp,fastmlp-dense,numpy,scikit-learn")
    done = run(*words, "--works", "b128,row200", "--output", output, "--markdown", text)
    assert done.returncode == 0, done.stderr
    results = read_results(output)
    assert [work["name"] for work in results["works"]] == ["b128", "row200"]
    for work in results["works"]:
        assert work["failures"] == {}
        assert set(work["seconds"]) == {"fastmlp", "fastmlp-dense", "numpy", "scikit-learn"}
        assert all(len(times) == 3 for times in work["seconds"].values())
        assert max(work["deviations"].values()) < 1e-3
    # Those who wait leave the cores to those who work.
    assert max(results["idle"].values()) < 0.5
    for shown in (done.stdout, text.read_text("utf-8")):
        assert "scikit-learn" in shown
        assert "measured peak of fused multiply-adds" in shown


def test_json_is_all_there_is_on_standard_output() -> None:
    done = run("--quick", "--works", "row256", "--contenders", "numpy", "--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rounds"] == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--works", "b129"], "works: expected names among b128"),
        (["--contenders", "tensorflow"], "contenders: expected names among fastmlp"),
        (["--output", "no/such/folder/x.json"], "cannot write"),
    ],
)
def test_mistakes_are_told_at_once(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *words]) == 2
    assert complaint in capsys.readouterr().err


def test_peers_that_are_missing_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "jax" else real(name)
    )
    assert "jax" not in installed()
    with pytest.raises(InvalidValueError, match="jax, which needs jax"):
        installed(["jax"])


def test_without_mnist_the_command_says_where_to_put_it(tmp_path: Path) -> None:
    done = run("--works", "b128", FASTMLP_DATA=str(tmp_path), XDG_CACHE_HOME=str(tmp_path),
               https_proxy="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")  # fmt: skip
    assert done.returncode == 2
    assert "put the four mnist files into one of these folders" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CONTENDERS if name.startswith(("torch", "jax"))])
def test_other_peers_do_the_same_work(name: str) -> None:
    if name not in installed():
        pytest.skip(f"{CONTENDERS[name].needs} is not installed")
    works = find_works(["b128", "adam", "adam64", "table", "full", "b1", "row256", "predict"], True)
    raw = run_works(works, [name], 1, 2, True, lambda line: None)
    for work in raw["works"]:
        assert work["failures"] == {}
        assert list(work["seconds"]) == [name]


@pytest.mark.slow
def test_all_works_in_small() -> None:
    names = installed(["fastmlp", "fastmlp-dense", "fastmlp-1", "scikit-learn", "numpy"])
    raw = run_works(find_works(list(WORKS), True), names, 1, 2, True, lambda line: None)
    for work in raw["works"]:
        assert work["failures"] == {}, work["name"]
