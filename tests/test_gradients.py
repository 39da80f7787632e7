"""Gradients of whole networks, against central differences and against the NumPy reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastmlp
from fastmlp import reference
from fastmlp.kernels.target import BLOCK_ROWS, PANEL_BYTES

HIDDEN = ["identity", "sigmoid", "tanh", "relu"]
PAIRS = [
    ("cross_entropy", "softmax"),
    ("cross_entropy", "sigmoid"),
    ("squared_error", "identity"),
    ("squared_error", "sigmoid"),
    ("squared_error", "softmax"),
    ("mnist_loss", "sigmoid"),
]
DOUBLES = PANEL_BYTES // 8
# No hidden layer and three of them; one unit; levels (a column of ones included) that end one
# short of a panel or a vector, just at it, and one past it.
SIZES = [
    [3, 2],
    [1, 1, 2],
    [DOUBLES - 1, 7, 3],
    [DOUBLES, 8, 9],
    [DOUBLES + 1, DOUBLES - 1, 24],
    [5, DOUBLES, DOUBLES + 1, 2],
    [2 * DOUBLES + 1, 25, 23, 17, 10],
]


def problem(
    sizes: list[int], output: str, loss: str, n: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return data and targets that fit the loss: classes where they can be, else numbers."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, sizes[0]))
    if loss == "mnist_loss" or (loss, output) == ("cross_entropy", "sigmoid"):
        return x, rng.integers(0, 2, (n, sizes[-1])).astype(float)
    if loss == "cross_entropy":
        return x, rng.integers(0, sizes[-1], n)
    return x, rng.normal(size=(n, sizes[-1])) + 0.5


def network(sizes: list[int], hidden: str, output: str, dtype: str = "float64") -> fastmlp.Network:
    """Return a network whose biases are not zero: each parameter then matters."""
    net = fastmlp.Network(sizes, hidden=hidden, output=output, init="glorot", seed=1, dtype=dtype)
    for b in net.biases:
        b[:] = np.linspace(-0.3, 0.4, b.size)
    return net


def some_coordinates(net: fastmlp.Network) -> np.ndarray:
    """Return places in `parameters()`: of each array the ends and some between."""
    rng = np.random.default_rng(2)
    places, at = [], 0
    for w, b in zip(net.weights, net.biases, strict=True):
        for array in (w, b):
            ends = [0, array.shape[-1] - 1, array.size - array.shape[-1], array.size - 1]
            places.append(at + np.unique([*ends, *rng.integers(0, array.size, 8)]))
            at += array.size
    return np.concatenate(places)


def assert_matches_differences(net: fastmlp.Network, x: Any, y: Any, **options: Any) -> None:
    value, gradient = net.loss_and_gradient(x, y, **options)
    start = net.parameters()
    step = 1e-6
    losses = []
    places = some_coordinates(net)
    for place in places:
        for sign in (1, -1):
            moved = start.copy()
            moved[place] += sign * step
            net.set_parameters(moved)
            losses.append(net.loss_and_gradient(x, y, **options)[0])
    net.set_parameters(start)
    up, down = np.array(losses).reshape(-1, 2).T
    scale = max(1.0, np.abs(gradient).max(), abs(value))
    np.testing.assert_allclose(
        gradient[places], (up - down) / (2 * step), rtol=0, atol=3e-9 * scale
    )


@pytest.mark.parametrize(("loss", "output"), PAIRS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_gradient_is_the_derivative_of_the_loss(hidden: str, loss: str, output: str) -> None:
    sizes = [6, 5, 4, 3]
    x, y = problem(sizes, output, loss)
    weight = np.array([1.0, 0.5, 2.0, 0.0, 3.0])
    assert_matches_differences(
        network(sizes, hidden, output), x, y, loss=loss, sample_weight=weight, l2=0.7
    )


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_gradient_is_the_derivative_at_every_size(sizes: list[int]) -> None:
    x, y = problem(sizes, "softmax", "cross_entropy")
    net = network(sizes, "tanh", "softmax")
    assert_matches_differences(net, x, y, loss="cross_entropy", l2=0.1)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 3e-5)])
@pytest.mark.parametrize(("loss", "output"), PAIRS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_loss_and_gradients_equal_the_reference(
    sizes: list[int], loss: str, output: str, dtype: str, tolerance: float
) -> None:
    x, y = problem(sizes, output, loss, n=9)
    if dtype == "float32":
        x = x.astype("float32")
    net = network(sizes, "tanh", output, dtype)
    weight = np.linspace(0.1, 2.0, len(x))
    value, dws, dbs = reference.loss_and_gradients(
        x.astype("float64"), y, [w.astype("float64") for w in net.weights],
        [b.astype("float64") for b in net.biases], "tanh", output, loss, weight, 0.3,
    )  # fmt: skip
    found, _ = net.loss_and_gradient(x, y, loss=loss, sample_weight=weight, l2=0.3)
    assert found == pytest.approx(value, rel=tolerance)
    gradients = net.gradients(x, y, loss=loss, sample_weight=weight, l2=0.3)
    for ours, theirs in zip([*gradients[0], *gradients[1]], [*dws, *dbs], strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == net.dtype
        scale = max(1e-3, float(np.abs(theirs).max()))
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("n", [1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 44])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_gradient_of_many_samples_equals_the_reference(hidden: str, n: int) -> None:
    sizes = [20, 30, 6]
    x, y = problem(sizes, "softmax", "cross_entropy", n)
    net = network(sizes, hidden, "softmax")
    dws, dbs = reference.gradients(
        x, y, net.weights, net.biases, hidden, "softmax", "cross_entropy", l2=0.5
    )
    gradients = net.gradients(x, y, l2=0.5)
    for ours, theirs in zip([*gradients[0], *gradients[1]], [*dws, *dbs], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-14)


def test_flat_gradient_is_ordered_as_the_parameters() -> None:
    net = network([4, 3, 2], "relu", "softmax")
    x, y = problem(net.sizes, "softmax", "cross_entropy")
    _, flat = net.loss_and_gradient(x, y)
    dws, dbs = net.gradients(x, y)
    parts = [dws[0].ravel(), dbs[0], dws[1].ravel(), dbs[1]]
    np.testing.assert_array_equal(flat, np.concatenate(parts))


def test_gradients_leave_the_network_as_it_was() -> None:
    net = network([4, 3, 2], "relu", "softmax")
    x, y = problem(net.sizes, "softmax", "cross_entropy")
    before = net.buffer.copy()
    net.gradients(x, y, l2=1.0)
    np.testing.assert_array_equal(net.buffer, before)


def test_integer_weights_count_as_repetitions() -> None:
    net = network([4, 6, 3], "tanh", "softmax")
    x, y = problem(net.sizes, "softmax", "cross_entropy", n=8)
    weight = np.array([1, 2, 0, 3, 1, 0, 5, 1])
    value, gradient = net.loss_and_gradient(x, y, sample_weight=weight, l2=0.5)
    repeated = np.repeat(np.arange(8), weight)
    expected, expected_gradient = net.loss_and_gradient(x[repeated], y[repeated], l2=0.5)
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-12, atol=1e-15)


def test_input_scale_is_part_of_the_network() -> None:
    x, y = problem([4, 6, 3], "softmax", "cross_entropy")
    scaled = fastmlp.Network([4, 6, 3], seed=3, dtype="float64", input_scale=0.25)
    plain = fastmlp.Network([4, 6, 3], seed=3, dtype="float64")
    for ours, theirs in zip(
        scaled.loss_and_gradient(x, y), plain.loss_and_gradient(x * 0.25, y), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_one_hot_rows_are_classes() -> None:
    net = network([4, 6, 3], "tanh", "softmax")
    x, y = problem(net.sizes, "softmax", "cross_entropy")
    _, expected = net.loss_and_gradient(x, y)
    for form in (np.eye(3)[y], np.eye(3, dtype="uint8")[y], y[:, None], y.astype(float), list(y)):
        np.testing.assert_array_equal(net.loss_and_gradient(x, form)[1], expected)


@pytest.mark.parametrize(
    "optimizer",
    [
        fastmlp.SGD(0.1),
        fastmlp.SGD(0.1, momentum=0.9),
        fastmlp.SGD(0.1, momentum=0.9, nesterov=True),
        fastmlp.Adam(0.01),
        fastmlp.AdamW(0.01, weight_decay=0.1),
    ],
    ids=lambda optimizer: repr(optimizer),
)
def test_steps_by_hand_do_what_the_trainer_does(optimizer: Any) -> None:
    x, y = problem([5, 7, 3], "softmax", "cross_entropy", n=12)
    by_hand, trained = (network([5, 7, 3], "tanh", "softmax") for _ in range(2))
    for _ in range(4):
        optimizer.step(by_hand, by_hand.gradients(x, y, l2=0.2))
    trainer = fastmlp.Trainer(trained, optimizer=optimizer, batch_size=None, shuffle=False, l2=0.2)
    trainer.fit(x, y, epochs=4)
    np.testing.assert_allclose(by_hand.parameters(), trained.parameters(), rtol=1e-12, atol=1e-14)
    assert not by_hand.buffer[~true_elements(by_hand)].any()


def true_elements(net: fastmlp.Network) -> np.ndarray:
    """Return where in the buffer parameters stand; the rest is padding."""
    mask = np.zeros(net.buffer.size, bool)
    probe = fastmlp.Network(net.sizes, net.hidden, net.output, dtype=net.dtype)
    probe.set_parameters(np.ones(probe.n_parameters))
    mask[:] = probe.buffer != 0
    return mask
