"""Per-sample gradients, against central differences, the reference and the batch gradient."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
import scipy.sparse

import fastmlp
from fastmlp import gradients, reference
from fastmlp.errors import InvalidValueError

PAIRS = [
    ("cross_entropy", "softmax"),
    ("cross_entropy", "sigmoid"),
    ("squared_error", "identity"),
    ("squared_error", "sigmoid"),
    ("squared_error", "softmax"),
    ("mnist_loss", "sigmoid"),
]
SIZES = [[3, 2], [1, 1, 2], [6, 5, 4, 3], [70, 150, 33, 10]]


def problem(net: fastmlp.Network, loss: str, n: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, net.sizes[0]))
    if loss == "mnist_loss" or net.output == "sigmoid":
        return x, rng.integers(0, 2, (n, net.sizes[-1])).astype(float)
    if loss == "cross_entropy":
        return x, rng.integers(0, net.sizes[-1], n)
    return x, rng.normal(size=(n, net.sizes[-1]))


def network(sizes: list[int], output: str = "softmax", **options: Any) -> fastmlp.Network:
    net = fastmlp.Network(
        sizes,
        output=output,
        init="glorot",
        seed=1,
        **{"hidden": "tanh", "dtype": "float64"} | options,
    )
    for b in net.biases:
        b[:] = np.linspace(-0.3, 0.4, b.size)
    return net


def flat(parts: tuple[list[np.ndarray], list[np.ndarray]]) -> np.ndarray:
    """Return (n, parameters), ordered as `net.parameters()`."""
    n = len(parts[0][0])
    both = [a.reshape(n, -1) for pair in zip(*parts, strict=True) for a in pair]
    return np.concatenate(both, axis=1)


@pytest.mark.parametrize(("loss", "output"), PAIRS)
@pytest.mark.parametrize("hidden", ["identity", "sigmoid", "tanh", "relu"])
def test_each_is_the_derivative_of_its_sample_s_loss(hidden: str, loss: str, output: str) -> None:
    net = network([4, 5, 3], output, hidden=hidden)
    x, y = problem(net, loss, n=3)
    found = flat(net.per_sample_gradients(x, y, loss=loss))
    start, step = net.parameters(), 1e-6
    for place in range(net.n_parameters):
        values = []
        for sign in (1, -1):
            moved = start.copy()
            moved[place] += sign * step
            net.set_parameters(moved)
            values.append(
                [net.evaluate(x[i : i + 1], y[i : i + 1], loss)["loss"] for i in range(3)]
            )
        slope = (np.array(values[0]) - np.array(values[1])) / (2 * step)
        np.testing.assert_allclose(found[:, place], slope, rtol=0, atol=3e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 3e-5)])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_they_equal_the_reference_sample_by_sample(
    sizes: list[int], dtype: str, tolerance: float
) -> None:
    net = network(sizes, dtype=dtype)
    x, y = problem(net, "cross_entropy")
    weights, biases = net.per_sample_gradients(x, y)
    for i in range(len(x)):
        dws, dbs = reference.gradients(
            x[i : i + 1], y[i : i + 1], [w.astype(float) for w in net.weights],
            [b.astype(float) for b in net.biases], "tanh", "softmax", "cross_entropy",
        )  # fmt: skip
        for ours, theirs in zip([*weights, *biases], [*dws, *dbs], strict=True):
            assert ours[i].shape == theirs.shape
            assert ours.dtype == net.dtype
            np.testing.assert_allclose(ours[i], theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_their_mean_is_the_gradient_of_the_batch(loss: str, output: str) -> None:
    net = network([20, 12, 4], output)
    x, y = problem(net, loss, n=130)
    each, whole = net.per_sample_gradients(x, y, loss=loss), net.gradients(x, y, loss=loss)
    for ours, theirs in zip([*each[0], *each[1]], [*whole[0], *whole[1]], strict=True):
        np.testing.assert_allclose(ours.mean(axis=0), theirs, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(ours.sum(axis=0), 130 * theirs, rtol=1e-11, atol=1e-12)


def test_bytes_of_any_order_are_scaled_as_the_network_says() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 6), dtype=np.uint8)
    pixels.flags.writeable = False
    y = np.arange(9) % 3
    net = network([6, 5, 3], input_scale=1 / 255)
    expected = flat(network([6, 5, 3]).per_sample_gradients(pixels * (1 / 255), y))
    for x in (pixels, np.asfortranarray(pixels), pixels.reshape(9, 2, 3), pixels[::-1][::-1]):
        np.testing.assert_array_equal(flat(net.per_sample_gradients(x, y)), expected)


def test_threads_and_calls_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network([50, 20, 5])
    x, y = problem(net, "cross_entropy", n=33)
    alone = flat(net.per_sample_gradients(x, y))
    monkeypatch.setattr(gradients, "_SHARED", 1)
    monkeypatch.setattr(gradients, "_CALL", 8 * net.n_parameters * 10)
    monkeypatch.setattr(gradients, "available_threads", lambda: numba.config.NUMBA_NUM_THREADS)
    np.testing.assert_array_equal(flat(net.per_sample_gradients(x, y)), alone)


def test_the_network_is_as_before_and_bad_data_are_refused() -> None:
    net = network([4, 3, 2])
    before = net.buffer.copy()
    x, y = problem(net, "cross_entropy")
    net.per_sample_gradients(x, y)
    np.testing.assert_array_equal(net.buffer, before)
    with pytest.raises(InvalidValueError, match="x: expected 4 features"):
        net.per_sample_gradients(x[:, :3], y)
    with pytest.raises(InvalidValueError, match="y: expected 7 rows"):
        net.per_sample_gradients(x, y[:3])
    with pytest.raises(InvalidValueError, match="loss: expected a loss for a softmax output"):
        net.per_sample_gradients(x, y, loss="mnist_loss")


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_array", "coo_array"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_sparse_matrices_give_what_dense_ones_do(
    kind: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = fastmlp.Network([6, 4, 3], seed=0, input_scale=0.3)
    random = np.random.default_rng(0)
    x = (random.integers(0, 200, (20, 6)) * (random.random((20, 6)) < 0.3)).astype(dtype)
    y = np.arange(20) % 3
    dense = net.per_sample_gradients(x, y)
    monkeypatch.setattr(gradients, "_CALL", 7 * net.n_parameters * 4)
    sparse = net.per_sample_gradients(getattr(scipy.sparse, kind)(x), y)
    for one, other in zip(dense[0] + dense[1], sparse[0] + sparse[1], strict=True):
        np.testing.assert_array_equal(one, other)
