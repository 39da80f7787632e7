"""The same bits from the same seed, on any number of threads and however the work is cut."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fastmlp
from fastmlp import buffers, passes
from fastmlp.kernels import step
from fastmlp.kernels.target import BLOCK_ROWS

OPTIMIZERS = {
    "sgd": lambda: fastmlp.SGD(0.05),
    "momentum": lambda: fastmlp.SGD(0.02, momentum=0.9),
    "adam": lambda: fastmlp.Adam(0.003),
}
BATCHES = [32, 300, None]
N = 700


def data(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, 150)).astype(dtype), rng.integers(0, 10, N)


def fingerprint(
    optimizer: str, batch: int | None, dtype: str, threads: int | None, l2: float = 0.01
) -> str:
    """Train for three epochs; return a digest of parameters, losses and predictions."""
    x, y = data(dtype)
    net = fastmlp.Network([150, 96, 33, 10], seed=3, dtype=dtype)
    trainer = fastmlp.Trainer(
        net, optimizer=OPTIMIZERS[optimizer](), batch_size=batch, seed=4, l2=l2, threads=threads
    )
    history = trainer.fit(x, y, epochs=3, record="step", validation=(x[:200], y[:200]))
    digest = hashlib.sha256(net.buffer.tobytes())
    digest.update(np.array([history.loss, history.accuracy, history.validation_loss]).tobytes())
    digest.update(net.predict_proba(x).tobytes())
    digest.update(net.loss_and_gradient(x, y)[1].tobytes())
    return digest.hexdigest()


CASES = [(o, b, d) for o in OPTIMIZERS for b in BATCHES for d in ("float32", "float64")]


@pytest.fixture(scope="module")
def on_one_thread() -> dict[tuple[Any, ...], str]:
    return {case: fingerprint(*case, threads=1) for case in CASES}


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_two_threads_give_the_bits_of_one(
    case: tuple[Any, ...],
    on_one_thread: dict[tuple[Any, ...], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    parallel = step.train_parallel

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return parallel(*arguments)

    monkeypatch.setattr(step, "train_parallel", counted)
    assert fingerprint(*case, threads=2) == on_one_thread[case]
    assert calls
    monkeypatch.undo()
    assert fingerprint(*case, threads=None) == on_one_thread[case]


SCRIPT = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("same", sys.argv[1])
same = importlib.util.module_from_spec(spec)
spec.loader.exec_module(same)
import numba
assert numba.config.NUMBA_NUM_THREADS == 3
threads = json.loads(sys.argv[2])
print(json.dumps([same.fingerprint(*case, threads=t) for case in same.CASES for t in threads]))
"""


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_three_threads_give_the_bits_of_one(
    layer: str, on_one_thread: dict[tuple[Any, ...], str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, __file__, "[2, 3]"],
        env=os.environ | {"NUMBA_NUM_THREADS": "3", "NUMBA_THREADING_LAYER": layer},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == [on_one_thread[case] for case in CASES for _ in range(2)]


def test_different_cases_differ(on_one_thread: dict[tuple[Any, ...], str]) -> None:
    assert len(set(on_one_thread.values())) == len(CASES)


@pytest.mark.parametrize(("seconds", "first"), [(0.0, 0.0), (1e-4, 0.0), (0.0, 1e6), (10.0, 1e12)])
def test_chunks_do_not_matter(
    seconds: float,
    first: float,
    monkeypatch: pytest.MonkeyPatch,
    on_one_thread: dict[tuple[Any, ...], str],
) -> None:
    monkeypatch.setattr(passes, "_CHUNK_SECONDS", seconds)
    monkeypatch.setattr(passes, "_FIRST_CHUNK", first)
    for case in CASES:
        if case[2] == "float32":
            assert fingerprint(*case, threads=1) == on_one_thread[case]


def test_the_threads_that_blocks_are_cut_for_do_not_matter(
    monkeypatch: pytest.MonkeyPatch, on_one_thread: dict[tuple[Any, ...], str]
) -> None:
    """Blocks grow with the threads: a machine with eight of them gets the same bits."""
    cut_for_8 = buffers.block_rows(N, 8, BLOCK_ROWS)
    assert cut_for_8 != buffers.block_rows(N, 1, BLOCK_ROWS)
    monkeypatch.setattr(passes, "block_rows", lambda *_: cut_for_8)
    for case in (("sgd", None, "float32"), ("adam", 300, "float64")):
        assert fingerprint(*case, threads=1) == on_one_thread[case]


def test_weights_of_one_are_no_weights() -> None:
    x, y = data("float32")
    nets = [fastmlp.Network([150, 20, 10], seed=3) for _ in range(2)]
    for net, weight in zip(nets, (None, np.ones(N)), strict=True):
        fastmlp.Trainer(net).fit(x, y, epochs=2, sample_weight=weight)
    np.testing.assert_array_equal(nets[0].buffer, nets[1].buffer)
