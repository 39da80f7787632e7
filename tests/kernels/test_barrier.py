"""The barrier inside parallel loops: nobody goes on alone, nobody waits for who is not there."""

from __future__ import annotations

import threading
import time

import numba
import numpy as np
import pytest

import fastmlp
from fastmlp.buffers import aligned_zeros
from fastmlp.kernels import step
from fastmlp.kernels.barrier import CELLS, all_present, wait_for_all

jit = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="compiled loops only")


@numba.njit(nogil=True)
def rounds(
    barrier: np.ndarray, parts: int, part: int, marks: np.ndarray, behind: np.ndarray
) -> bool:
    """Write a mark a round, and count where another part's was not there after the barrier."""
    if not all_present(barrier, parts):
        return False
    goal = parts
    for i in range(marks.shape[0]):
        marks[i, part] = i + 1
        goal += parts
        wait_for_all(barrier, goal)
        for other in range(parts):
            behind[part] += marks[i, other] != i + 1
    return True


def meet(parts: int) -> bool:
    """Let as many threads do rounds; return whether they came together. All must agree on that."""
    barrier, marks = aligned_zeros(CELLS, np.int64), np.zeros((500, parts), np.int64)
    behind, came = np.zeros(parts, np.int64), [False] * parts

    def go(part: int) -> None:
        came[part] = rounds(barrier, parts, part, marks, behind)

    threads = [threading.Thread(target=go, args=(part,)) for part in range(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(came)) == 1
    assert behind.tolist() == [0] * parts
    assert (marks == np.arange(1, 501)[:, np.newaxis] * came[0]).all()
    return came[0]


@jit
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_what_others_wrote_before_the_barrier_is_seen_after_it(parts: int) -> None:
    meet(1)  # compiles
    assert any(meet(parts) for _ in range(100))  # Python may start a thread too late for the others


@jit
def test_a_part_that_stays_away_is_given_up_soon_and_by_all() -> None:
    barrier, marks = aligned_zeros(CELLS, np.int64), np.zeros((3, 2), np.int64)
    behind = np.zeros(2, np.int64)
    meet(1)  # compiles
    start = time.perf_counter()
    assert not rounds(barrier, 2, 0, marks, behind)
    assert time.perf_counter() - start < 5
    assert not rounds(barrier, 2, 1, marks, behind)  # too late
    assert not marks.any()


@pytest.mark.parametrize("zero_skipping", [False, True])
def test_without_a_thread_for_each_part_the_same_is_trained_by_one(
    monkeypatch: pytest.MonkeyPatch, zero_skipping: bool
) -> None:
    """As inside another parallel region, where the layer has one thread for both parts."""
    rng = np.random.default_rng(0)
    x = rng.random((300, 120), np.float32) * (rng.random((300, 120)) < 0.3)
    y = rng.integers(0, 10, 300)

    def trained(threads: int) -> fastmlp.Network:
        net = fastmlp.Network([120, 200, 10], seed=0)
        fastmlp.Trainer(
            net, batch_size=64, threads=threads, zero_skipping=zero_skipping, seed=0
        ).fit(x, y, epochs=2)
        return net

    expected = trained(1).parameters()
    monkeypatch.setattr(step, "train_parallel", step.train)
    np.testing.assert_array_equal(trained(2).parameters(), expected)
