"""The reference against hand-computed values, finite differences, a traced Adam and scikit-learn.

Numbers without another source are worked out by hand in the comment beside them.
"""

from __future__ import annotations

import doctest
import warnings
from itertools import pairwise

import numpy as np
import pytest

from fastmlp import reference

HIDDEN = ("identity", "sigmoid", "tanh", "relu")
PAIRS = (
    ("softmax", "cross_entropy"),
    ("sigmoid", "cross_entropy"),
    ("identity", "squared_error"),
    ("sigmoid", "squared_error"),
    ("softmax", "squared_error"),
    ("sigmoid", "mnist_loss"),
)
ACTIVATIONS = (*HIDDEN, "softmax")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def network(sizes, rng, dtype=np.float64):
    weights = [(rng.standard_normal(s) / 2).astype(dtype) for s in pairwise(sizes)]
    biases = [(rng.standard_normal(n) / 2).astype(dtype) for n in sizes[1:]]
    return weights, biases


def targets_for(output, loss, n, outputs, rng):
    if (output, loss) == ("softmax", "cross_entropy"):
        return rng.integers(0, outputs, n)
    if loss == "squared_error" and output == "identity":
        return rng.standard_normal((n, outputs))
    return rng.integers(0, 2, (n, outputs))


def central_difference(function, array, h=1e-5):
    """Return d function / d array, entry by entry; of error O(h²) + O(1e-16 / h), about 1e-10."""
    derivative = np.empty_like(array)
    for i in np.ndindex(array.shape):
        kept = array[i]
        array[i] = kept + h
        above = function()
        array[i] = kept - h
        below = function()
        array[i] = kept
        derivative[i] = (above - below) / (2 * h)
    return derivative


def test_examples_in_docstrings():
    result = doctest.testmod(reference)
    assert result.attempted > 0
    assert result.failed == 0


# --- activations ----------------------------------------------------------------------------------


def test_activations_by_hand():
    x = np.array([[-1.0, 0.0, 1.0]])
    e = 2.718281828459045  # Euler's number
    np.testing.assert_allclose(reference.exp(x), [[1 / e, 1, e]], rtol=1e-15)
    np.testing.assert_array_equal(reference.identity(x), x)
    np.testing.assert_allclose(reference.sigmoid(x), [[1 / (1 + e), 0.5, e / (1 + e)]], rtol=1e-15)
    t = (e**2 - 1) / (e**2 + 1)
    np.testing.assert_allclose(reference.tanh(x), [[-t, 0, t]], rtol=1e-15)
    np.testing.assert_array_equal(reference.relu(x), [[0, 0, 1]])
    # e^0 : e^log2 : e^log5 = 1 : 2 : 5
    np.testing.assert_allclose(
        reference.softmax(np.log([[1.0, 2.0, 5.0], [5.0, 1.0, 2.0]])),
        [[1 / 8, 2 / 8, 5 / 8], [5 / 8, 1 / 8, 2 / 8]],
        rtol=1e-15,
    )


def test_activations_do_not_overflow():
    x = np.array([[-1e3, 0.0, 1e3]])  # warnings are errors here
    np.testing.assert_array_equal(reference.exp(x), [[0, 1, np.inf]])
    np.testing.assert_array_equal(reference.sigmoid(x), [[0, 0.5, 1]])
    np.testing.assert_array_equal(reference.tanh(x), [[-1, 0, 1]])
    np.testing.assert_array_equal(reference.softmax(x), [[0, 0, 1]])
    np.testing.assert_array_equal(reference.softmax(x - 1e3), [[0, 0, 1]])


def test_sigmoid_keeps_its_relative_accuracy_in_the_tail():
    # 1 / (1 + e^700) = e^-700 (1 - e^-700 + ...) = 9.859676543759770e-305
    np.testing.assert_allclose(
        reference.sigmoid(np.array([-700.0])), [9.859676543759770e-305], rtol=1e-14
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_goes_in_and_comes_out(name):
    assert np.isnan(getattr(reference, name)(np.array([[np.nan, 1.0]]))[0, 0])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_derivatives(name, rng):
    x, delta = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    activation = getattr(reference, name)
    expected = central_difference(lambda: float((activation(x) * delta).sum()), x)
    backward = getattr(reference, f"{name}_backward")(activation(x), delta)
    np.testing.assert_allclose(backward, expected, rtol=1e-7, atol=1e-8)


def test_activation_derivatives_by_hand():
    a, delta = np.array([[0.25, 0.75]]), np.array([[2.0, -4.0]])
    np.testing.assert_array_equal(reference.identity_backward(a, delta), [[2, -4]])
    np.testing.assert_array_equal(reference.sigmoid_backward(a, delta), [[0.375, -0.75]])
    np.testing.assert_array_equal(reference.tanh_backward(a, delta), [[1.875, -1.75]])
    np.testing.assert_array_equal(
        reference.relu_backward(np.array([[0.0, 0.75]]), delta), [[0, -4]]
    )
    # Σ p delta = 0.5 - 3 = -2.5; p (delta + 2.5) = 0.25 · 4.5, 0.75 · -1.5
    np.testing.assert_array_equal(reference.softmax_backward(a, delta), [[1.125, -1.125]])


# --- products -------------------------------------------------------------------------------------


def test_products_by_hand():
    x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    w = np.array([[1.0, -1.0], [2.0, 0.5]])
    b = np.array([10.0, 20.0])
    delta = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    np.testing.assert_array_equal(reference.dense(x, w, b), [[15, 20], [21, 19], [27, 18]])
    np.testing.assert_array_equal(reference.dense_backward_weights(x, delta), [[6, 8], [8, 10]])
    np.testing.assert_array_equal(reference.dense_backward_biases(delta), [2, 2])
    np.testing.assert_array_equal(
        reference.dense_backward_input(delta, w), [[1, 2], [-1, 0.5], [0, 2.5]]
    )


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "softmax"])
def test_dense_with_activation_is_both_in_turn(name, rng):
    (w,), (b,) = network([4, 3], rng)
    x = rng.standard_normal((5, 4))
    np.testing.assert_array_equal(
        getattr(reference, f"dense_{name}")(x, w, b), getattr(reference, name)(x @ w + b)
    )


# --- losses ---------------------------------------------------------------------------------------


def test_losses_by_hand():
    p = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]])
    log2 = 0.6931471805599453
    labels = np.array([1, 2])
    np.testing.assert_allclose(reference.cross_entropy(p, labels), [2 * log2, 3 * log2], rtol=1e-15)
    np.testing.assert_array_equal(
        reference.cross_entropy_backward(p, labels), [[0.5, -0.75, 0.25], [0.125, 0.75, -0.875]]
    )
    q, t = np.array([[0.5, 0.25], [0.75, 0.5]]), np.array([[1.0, 0.0], [0.0, 0.5]])
    # -log 1/2 - log 3/4 and -log 1/4 - log 1/2
    np.testing.assert_allclose(
        reference.binary_cross_entropy(q, t), [np.log(8 / 3), 3 * log2], rtol=1e-15
    )
    np.testing.assert_array_equal(
        reference.binary_cross_entropy_backward(q, t), [[-0.5, 0.25], [0.75, 0]]
    )
    np.testing.assert_array_equal(reference.squared_error(q, t), [0.3125, 0.5625])
    np.testing.assert_array_equal(reference.squared_error_backward(q, t), [[-1, 0.5], [1.5, 0]])
    t = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(reference.mnist_loss(q, t), [0.375, 0.625])
    np.testing.assert_array_equal(reference.mnist_loss_backward(q, t), [[-0.5, 0.5], [0.5, -0.5]])


def test_labels_may_be_a_column():
    p = np.array([[0.5, 0.5], [0.25, 0.75]])
    column = np.array([[0], [1]])
    np.testing.assert_array_equal(reference.cross_entropy(p, column), -np.log([0.5, 0.75]))
    np.testing.assert_array_equal(
        reference.cross_entropy_backward(p, column), [[-0.5, 0.5], [0.25, -0.25]]
    )


@pytest.mark.parametrize(
    # -log of the smallest positive normal: 1022 log 2 and 126 log 2
    ("dtype", "limit"),
    [(np.float64, 708.3964185322641), (np.float32, 87.33654475055310)],
)
def test_log_of_zero_is_that_of_the_smallest_normal(dtype, limit):
    p = np.array([[0.0, 1.0]], dtype)
    rtol = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(reference.cross_entropy(p, np.array([0])), [limit], rtol=rtol)
    np.testing.assert_array_equal(reference.cross_entropy(p, np.array([1])), [0])
    np.testing.assert_allclose(reference.binary_cross_entropy(p, 1 - p), [2 * limit], rtol=rtol)
    np.testing.assert_array_equal(reference.binary_cross_entropy(p, p), [0])
    assert np.isnan(reference.cross_entropy(p * dtype(np.nan), np.array([0])))


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("size", [-1e3, 1e3])
def test_loss_and_gradients_are_finite_for_huge_logits(output, loss, size, rng):
    weights, biases = [np.array([[size, -size, 0.0]])], [np.zeros(3)]
    x, y = np.ones((2, 1)), targets_for(output, loss, 2, 3, rng)
    value, dw, db = reference.loss_and_gradients(x, y, weights, biases, "relu", output, loss)
    assert np.isfinite(value)
    assert np.isfinite(dw[0]).all()
    assert np.isfinite(db[0]).all()


# --- update rules ---------------------------------------------------------------------------------


def test_sgd_two_steps():
    w = np.array([1.0, -2.0])
    w = reference.sgd_update(w, np.array([0.5, 1.0]), 0.5)
    np.testing.assert_array_equal(w, [0.75, -2.5])
    w = reference.sgd_update(w, np.array([1.0, -1.0]), 0.5)
    np.testing.assert_array_equal(w, [0.25, -2.0])


def test_momentum_two_steps():
    w, v = np.array([1.0]), np.array([0.0])
    w, v = reference.momentum_update(w, np.array([2.0]), v, 0.25, 0.5)
    assert (w[0], v[0]) == (0.5, -0.5)  # v = -0.25 · 2
    w, v = reference.momentum_update(w, np.array([1.0]), v, 0.25, 0.5)
    assert (w[0], v[0]) == (0.0, -0.5)  # v = 0.5 · -0.5 - 0.25


def test_nesterov_two_steps():
    w, v = np.array([1.0]), np.array([0.0])
    w, v = reference.nesterov_update(w, np.array([2.0]), v, 0.25, 0.5)
    assert (w[0], v[0]) == (0.25, -0.5)  # v = -0.5, w = 1 + 0.5 · -0.5 - 0.5
    w, v = reference.nesterov_update(w, np.array([1.0]), v, 0.25, 0.5)
    assert (w[0], v[0]) == (-0.25, -0.5)  # v = -0.25 - 0.25, w = 0.25 - 0.25 - 0.25


# learning rate 0.1, β1 = β2 = 0.5, ε = 1, gradients 2 and -4, w = 1:
#   t = 1: m = 1, v = 2, rate = 0.1 √0.5 / 0.5 = 0.1 √2, w = 1 - 0.1 √2 / (√2 + 1)
#   t = 2: m = 0.5 - 2 = -1.5, v = 1 + 8 = 9, rate = 0.1 √0.75 / 0.75 = 0.2 / √3,
#          w += 0.2 / √3 · 1.5 / (3 + 1) = 0.075 / √3
ADAM_TRACE = (1 - 0.1 * 2**0.5 / (2**0.5 + 1), 0.075 / 3**0.5)


def test_adam_two_steps():
    settings = {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.5, "epsilon": 1.0}
    w, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    w, m, v = reference.adam_update(w, np.array([2.0]), m, v, 1, **settings)
    assert (m[0], v[0]) == (1, 2)
    assert w[0] == pytest.approx(ADAM_TRACE[0], rel=1e-15)
    w, m, v = reference.adam_update(w, np.array([-4.0]), m, v, 2, **settings)
    assert (m[0], v[0]) == (-1.5, 9)
    assert w[0] == pytest.approx(sum(ADAM_TRACE), rel=1e-15)


def test_adamw_two_steps():
    settings = {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.5, "epsilon": 1.0}
    settings["weight_decay"] = 0.5  # takes 0.1 · 0.5 = 5 % of the old w off each time
    w, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    w, m, v = reference.adamw_update(w, np.array([2.0]), m, v, 1, **settings)
    first = ADAM_TRACE[0] - 0.05
    assert w[0] == pytest.approx(first, rel=1e-15)
    w, m, v = reference.adamw_update(w, np.array([-4.0]), m, v, 2, **settings)
    assert (m[0], v[0]) == (-1.5, 9)
    assert w[0] == pytest.approx(0.95 * first + ADAM_TRACE[1], rel=1e-15)


def test_updates_leave_their_arguments_alone(rng):
    arrays = [rng.random(5) for _ in range(4)]
    copies = [a.copy() for a in arrays]
    reference.sgd_update(*arrays[:2], 0.1)
    reference.momentum_update(*arrays[:3], 0.1, 0.9)
    reference.nesterov_update(*arrays[:3], 0.1, 0.9)
    reference.adam_update(*arrays, 1)
    reference.adamw_update(*arrays, 1)
    np.testing.assert_array_equal(arrays, copies)


# --- the whole network ----------------------------------------------------------------------------


def test_forward_by_hand():
    weights = [np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([[2.0], [3.0]])]
    biases = [np.array([0.0, -1.0]), np.array([0.5])]
    # hidden logits 1 + 2 and -1 + 2 - 1; 3 + 0 and -3 + 0 - 1
    activations = reference.forward([[1, 2], [3, 0]], weights, biases, "relu", "identity")
    expected = [[[1, 2], [3, 0]], [[3, 0], [3, 0]], [[6.5], [6.5]]]
    for got, want in zip(activations, expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_loss_by_hand():
    weights, biases = [np.array([[2.0]])], [np.array([1.0])]
    x, y = np.array([[1.0], [2.0]]), np.array([2.0, 8.0])  # errors 3 - 2 and 5 - 8
    arguments = (x, y, weights, biases, "relu", "identity", "squared_error")
    assert reference.loss(*arguments) == 5.0  # (1 + 9) / 2
    assert reference.loss(*arguments, sample_weight=[3, 1]) == 3.0  # (3 + 9) / 4
    assert reference.loss(*arguments, l2=0.5) == 5.5  # + 0.5 / 2 · 4 / 2
    assert reference.loss(*arguments, sample_weight=[3, 1], l2=0.5) == 3.25  # + 0.5 / 2 · 4 / 4
    dw, db = reference.gradients(*arguments, sample_weight=[3, 1], l2=0.5)
    # (3 · 2 · 1 · 1 + 1 · 2 · -3 · 2) / 4 + 0.5 · 2 / 4 and (3 · 2 · 1 + 1 · 2 · -3) / 4
    assert (dw[0][0, 0], db[0][0]) == (-1.25, 0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_gradients_are_those_of_the_loss(hidden, output, loss, l2, weighted, rng):
    n, sizes = 5, [4, 5, 3, 3]
    weights, biases = network(sizes, rng)
    x, y = rng.standard_normal((n, sizes[0])), targets_for(output, loss, n, sizes[-1], rng)
    s = rng.random(n) if weighted else None
    arguments = (x, y, weights, biases, hidden, output, loss, s, l2)
    value, dw, db = reference.loss_and_gradients(*arguments)
    assert value == reference.loss(*arguments)
    for parameters, got in zip([*weights, *biases], [*dw, *db], strict=True):
        expected = central_difference(lambda: reference.loss(*arguments), parameters)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)


def test_weighting_a_sample_twice_is_having_it_twice(rng):
    weights, biases = network([3, 4, 2], rng)
    x, y = rng.standard_normal((3, 3)), np.array([0, 1, 1])
    rest = (weights, biases, "tanh", "softmax", "cross_entropy")
    once = reference.loss_and_gradients(x, y, *rest, sample_weight=[1, 2, 0], l2=0.1)
    rows = [0, 1, 1]
    twice = reference.loss_and_gradients(x[rows], y[rows], *rest, l2=0.1)
    assert once[0] == pytest.approx(twice[0], rel=1e-14)
    for a, b in zip(once[1] + once[2], twice[1] + twice[2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("x_dtype", [np.uint8, np.float64])
def test_float32_network_computes_in_float32(output, loss, x_dtype, rng):
    weights, biases = network([4, 3, 2], rng, np.float32)
    x, y = rng.integers(0, 3, (6, 4)).astype(x_dtype), targets_for(output, loss, 6, 2, rng)
    arguments = (x, y, weights, biases, "sigmoid", output, loss)
    s = np.linspace(0.5, 1, 6)
    value, dw, db = reference.loss_and_gradients(*arguments, sample_weight=s, l2=0.1)
    activations = reference.forward(x, weights, biases, "sigmoid", output)
    assert {a.dtype for a in [*activations, *dw, *db]} == {np.dtype(np.float32)}

    wide = [w.astype(np.float64) for w in weights], [b.astype(np.float64) for b in biases]
    exact = reference.loss_and_gradients(x, y, *wide, "sigmoid", output, loss, s, 0.1)
    assert value == pytest.approx(exact[0], rel=1e-5)
    for a, b in zip([*dw, *db], exact[1] + exact[2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("output", "loss"), [("relu", "cross_entropy"), ("softmax", "mnist_loss"), ("sigmoid", "hinge")]
)
def test_pairs_that_make_no_sense_are_refused(output, loss, rng):
    weights, biases = network([2, 2], rng)
    with pytest.raises(ValueError, match=f"got {loss} of {output}"):
        reference.loss(np.ones((1, 2)), np.array([0]), weights, biases, "relu", output, loss)


# --- training -------------------------------------------------------------------------------------


def test_train_by_hand():
    # one weight, no input to the bias: w = 0, samples (1, 1) and (2, 0), one a step, rate 1/4
    x, y = np.array([[1.0], [2.0]]), np.array([1.0, 0.0])
    weights, biases, losses = reference.train(
        x, y, [np.zeros((1, 1))], [np.zeros(1)], "relu", "identity", "squared_error",
        {"name": "sgd", "learning_rate": 0.25}, 1, [0, 1], epochs=1,
    )  # fmt: skip
    # step 1: error -1, loss 1, dw = db = -2, so w = b = 0.5
    # step 2: output 1.5, loss 2.25, dw = 2 · 1.5 · 2 = 6, db = 3, so w = -1, b = -0.25
    np.testing.assert_array_equal(losses, [1, 2.25])
    assert (weights[0][0, 0], biases[0][0]) == (-1, -0.25)


OPTIMIZERS = (
    {"name": "sgd", "learning_rate": 0.1},
    {"name": "momentum", "learning_rate": 0.1, "momentum": 0.9},
    {"name": "nesterov", "learning_rate": 0.1, "momentum": 0.9},
    {"name": "adam", "learning_rate": 0.02},
    {"name": "adamw", "learning_rate": 0.02, "weight_decay": 0.1},
)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: o["name"])
def test_train_lowers_the_loss_and_keeps_the_start(optimizer, rng):
    weights, biases = network([3, 8, 2], rng)
    start = [p.copy() for p in [*weights, *biases]]
    x = rng.standard_normal((30, 3))
    y = (x[:, 0] > x[:, 1]).astype(int)
    rest = ("tanh", "softmax", "cross_entropy")
    new_weights, new_biases, losses = reference.train(
        x, y, weights, biases, *rest, optimizer, 8, np.arange(30), epochs=20
    )
    assert losses.shape == (20 * 4,)  # three batches of 8 and one of 6
    assert losses[0] == reference.loss(x[:8], y[:8], weights, biases, *rest)
    before = reference.loss(x, y, weights, biases, *rest)
    assert reference.loss(x, y, new_weights, new_biases, *rest) < before / 2
    for p, kept in zip([*weights, *biases], start, strict=True):
        np.testing.assert_array_equal(p, kept)


def test_train_takes_an_order_for_each_epoch(rng):
    weights, biases = network([3, 2], rng)
    x, y = rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    rest = ("relu", "identity", "squared_error", {"name": "sgd", "learning_rate": 0.05}, 3)
    orders = np.array([[2, 0, 3, 1], [1, 3, 0, 2]])
    s = rng.random(4)
    whole = reference.train(x, y, weights, biases, *rest, orders, 2, l2=0.1, sample_weight=s)
    for order in orders:
        weights, biases, losses = reference.train(
            x[order], y[order], weights, biases, *rest, np.arange(4), 1, 0.1, s[order]
        )
    np.testing.assert_array_equal(whole[0][0], weights[0])
    np.testing.assert_array_equal(whole[1][0], biases[0])
    np.testing.assert_array_equal(whole[2][2:], losses)


def test_without_a_batch_size_a_step_takes_every_row(rng):
    weights, biases = network([3, 2], rng)
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    rest = (weights, biases, "relu", "identity", "squared_error")
    optimizer = {"name": "sgd", "learning_rate": 0.05}
    new, _, losses = reference.train(x, y, *rest, optimizer, None, np.arange(7), epochs=1)
    value, dw, _ = reference.loss_and_gradients(x, y, *rest)
    np.testing.assert_array_equal(losses, [value])
    np.testing.assert_array_equal(new[0], weights[0] - 0.05 * dw[0])


def test_adamw_decays_weights_and_not_biases(rng):
    weights, biases = network([3, 4, 2], rng)
    x, y = rng.standard_normal((5, 3)), rng.integers(0, 2, 5)
    rest = ("relu", "softmax", "cross_entropy")

    def one_step(optimizer):
        return reference.train(x, y, weights, biases, *rest, optimizer, 5, np.arange(5), epochs=1)

    plain = one_step({"name": "adam", "learning_rate": 0.1})
    decayed = one_step({"name": "adamw", "learning_rate": 0.1, "weight_decay": 0.5})
    for w, a, b in zip(weights, plain[0], decayed[0], strict=True):
        np.testing.assert_allclose(b, a - 0.05 * w, rtol=1e-14, atol=1e-16)
    for a, b in zip(plain[1], decayed[1], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("solver", "ours"),
    [
        ({"solver": "adam"}, {"name": "adam"}),
        ({"solver": "sgd", "momentum": 0.0}, {"name": "sgd"}),
        ({"solver": "sgd", "nesterovs_momentum": False}, {"name": "momentum", "momentum": 0.9}),
        ({"solver": "sgd", "nesterovs_momentum": True}, {"name": "nesterov", "momentum": 0.9}),
    ],
    ids=["adam", "sgd", "momentum", "nesterov"],
)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_training_follows_scikit_learn(activation, classes, solver, ours, rng):
    from sklearn.neural_network import MLPClassifier

    x = rng.standard_normal((50, 6))
    y = np.arange(50) % classes
    settings = {
        "hidden_layer_sizes": (7, 5), "activation": activation, "alpha": 0.3, "batch_size": 16,
        "shuffle": False, "random_state": 0, **solver,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations")
        # A learning rate that changes nothing shows the weights which the same seed starts from.
        start = MLPClassifier(**settings, learning_rate_init=1e-300, max_iter=1).fit(x, y)
        peer = MLPClassifier(**settings, learning_rate_init=0.05, max_iter=3).fit(x, y)
    weights, biases, losses = reference.train(
        x, y, start.coefs_, start.intercepts_,
        {"logistic": "sigmoid"}.get(activation, activation),
        "sigmoid" if classes == 2 else "softmax", "cross_entropy",
        ours | {"learning_rate": 0.05}, 16, np.arange(50), epochs=3, l2=0.3,
    )  # fmt: skip
    for got, want in zip(weights + biases, peer.coefs_ + peer.intercepts_, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    per_epoch = losses.reshape(3, 4) @ [16 / 50, 16 / 50, 16 / 50, 2 / 50]
    np.testing.assert_allclose(per_epoch, peer.loss_curve_, rtol=1e-12)
