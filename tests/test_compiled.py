"""Networks in compiled code, and predictions of a few samples."""

from __future__ import annotations

import threading
from typing import Any

import numba
import numpy as np
import pytest

import fastmlp
from fastmlp import kernels
from fastmlp.errors import InvalidValueError


def network(sizes: list[int], dtype: str = "float32", **options: Any) -> fastmlp.Network:
    return fastmlp.Network(sizes, seed=3, dtype=dtype, input_scale=0.5, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "sizes", [[3, 2], [1, 1, 2], [20, 7, 5], [100, 200, 30, 10], [784, 200, 10]], ids=str
)
def test_few_samples_get_the_bits_they_have_among_many(sizes: list[int], dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(100, sizes[0])) * 30
    x[np.abs(x) < 10] = 0
    net = network(sizes, dtype, hidden="tanh")
    together = net.predict_proba(x)
    for rows in (1, 2, 4, 16, 64):
        for kind in (np.float32, np.float64):
            part = net.predict_proba(x[:rows].astype(kind))
            np.testing.assert_array_equal(part, net.predict_proba(x.astype(kind))[:rows])
    np.testing.assert_array_equal(net.predict_proba(x[5:6]), together[5:6])
    np.testing.assert_array_equal(net.predict(x[5:6]), net.predict(x)[5:6])


def test_saturated_outputs_are_the_same_alone_and_among_many() -> None:
    """Tiny probabilities are flushed to zero alike."""
    net = network([1, 3])
    net.weights[0][:] = [[0.0, 95.0, 200.0]]
    x = np.linspace(0.9, 1.1, 100)[:, np.newaxis]
    together = net.predict_proba(x)
    for i in range(100):
        np.testing.assert_array_equal(net.predict_proba(x[i : i + 1]), together[i : i + 1])


@numba.njit
def outputs_of(compiled: Any, x: Any, out: Any) -> None:
    kernels.predict(compiled, x, out)


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_compiled_code_gets_the_network_s_outputs(output: str) -> None:
    net = network([6, 9, 4], output=output)
    x = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    expected = net.predict_proba(x)
    compiled = net.compiled()
    out = np.full((5, 4), np.nan, "float32")
    outputs_of(compiled, x, out)
    np.testing.assert_array_equal(out, expected)
    outputs_of(compiled, x[2], out[0])
    np.testing.assert_array_equal(out[0], expected[2])
    net.weights[0][:] *= 2
    outputs_of(compiled, x, out)
    np.testing.assert_array_equal(out, net.predict_proba(x))


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_another_network_needs_no_compilation() -> None:
    x = np.zeros((1, 4), "float32")
    for sizes in ([4, 2], [4, 8, 2], [4, 8, 8, 8, 3]):
        net = network(sizes)
        outputs_of(net.compiled(), x, np.zeros((1, sizes[-1]), "float32"))
    compiled = [s for s in outputs_of.signatures if s[0].instance_class is kernels.CompiledNetwork]
    assert len([s for s in compiled if s[1].ndim == 2]) == 1


def test_sizes_are_checked_in_compiled_code_too() -> None:
    compiled = network([4, 2]).compiled()
    zeros = np.zeros
    for x, out in ((zeros((1, 5)), zeros((1, 2))), (zeros((1, 4)), zeros((1, 3)))):
        with pytest.raises(kernels.KernelShapeError):
            outputs_of(compiled, x.astype("float32"), out.astype("float32"))
    with pytest.raises(kernels.KernelShapeError, match="out: expected 2 rows, got 1"):
        outputs_of(compiled, zeros((2, 4), "float32"), zeros((1, 2), "float32"))


def test_one_sample_has_one_row_of_outputs_and_many_have_many() -> None:
    compiled = network([4, 2]).compiled()
    for x, out in (((4,), (4, 2)), ((3, 4), (2,)), ((1, 3, 4), (1, 3, 2))):
        outputs = np.full(out, np.nan, "float32")
        with pytest.raises(kernels.KernelShapeError, match=r"(x|out): expected .* dimensions, got"):
            outputs_of(compiled, np.zeros(x, "float32"), outputs)
        assert np.isnan(outputs).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_few_samples_that_are_not_finite_are_refused(bad: float) -> None:
    x = np.zeros((2, 4))
    x[1, 2] = bad
    with pytest.raises(InvalidValueError, match=r"x: expected finite numbers, got .* at \[1, 2\]"):
        network([4, 3]).predict_proba(x)


def test_few_samples_in_many_threads() -> None:
    net = network([50, 40, 3])
    x = np.random.default_rng(0).normal(size=(80, 50))
    expected, found = net.predict_proba(x), np.zeros((80, 3), "float32")

    def work(first: int) -> None:
        for _ in range(20):
            for i in range(first, 80, 8):
                found[i] = net.predict_proba(x[i : i + 1])[0]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found, expected)
