"""How kernels are compiled: no references are counted, and none is lost."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import numba
import numpy as np
import pytest

import fastmlp
from fastmlp import kernels
from fastmlp.kernels.samples import samples_part
from fastmlp.kernels.weights import weights_part

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="machine code only")


@numba.njit
def outer(x: Any, w: Any, b: Any, out: Any) -> None:
    for _ in range(3):
        kernels.dense(x[1:], w, b, out[1:])


@pytest.mark.parametrize("call", [kernels.dense, kernels.dense_parallel, outer])
def test_arrays_are_referred_to_as_before_and_freed(call: Any) -> None:
    shapes = ((9, 5), (5, 4), (4,), (9, 4))
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    call(*arrays)
    before = [sys.getrefcount(array) for array in arrays]
    for _ in range(100):
        call(*arrays)
    assert [sys.getrefcount(array) for array in arrays] == before
    alive = [weakref.ref(array) for array in arrays]
    del arrays
    gc.collect()
    assert [ref() for ref in alive] == [None] * 4


@pytest.mark.parametrize("unit", [samples_part, weights_part])
def test_the_halves_of_a_step_count_no_references(unit: Any) -> None:
    x, y = np.eye(8, dtype=np.float32), np.arange(8) % 2
    fastmlp.Trainer(fastmlp.Network([8, 4, 2], seed=0), batch_size=4, threads=1).fit(x, y, epochs=1)
    stored = [path.read_bytes() for path in unit.dispatcher._cache._cache_file.paths()]
    assert stored
    assert not any(b"NRT_incref" in code for code in stored)
