"""Numbers, sizes and types at the edge: finite results, or an error that says why not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import fastmlp
from fastmlp.errors import DivergenceWarning, FastMLPError

DTYPES = ["float32", "float64"]
OUTPUTS = {
    "softmax": ["cross_entropy", "squared_error"],
    "sigmoid": ["cross_entropy", "squared_error", "mnist_loss"],
    "identity": ["squared_error"],
}
PAIRS = [(output, loss) for output, losses in OUTPUTS.items() for loss in losses]


def finite(net: fastmlp.Network, x: Any, y: Any, **options: Any) -> fastmlp.History:
    """Train, and see that all that is left is finite."""
    trainer = fastmlp.Trainer(net, threads=1, **options)
    history = trainer.fit(x, y, epochs=2)
    assert np.isfinite(net.buffer).all()
    assert np.isfinite(history.loss).all()
    assert np.isfinite(net.predict_proba(x)).all()
    return history


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("size", [1e4, 1e30, 1e38])
def test_logits_beyond_measure(dtype: str, output: str, loss: str, size: float) -> None:
    net = fastmlp.Network([1, 2], output=output, init="zeros", dtype=dtype)
    net.weights[0][:] = [[size, -size]]
    x, y = np.array([[1.0], [-1.0]]), np.eye(2)
    p = net.predict_proba(x)
    if output != "identity":
        np.testing.assert_array_equal(p, np.eye(2))
    assert np.isfinite(p).all()
    if output == "identity" and size > 1e15 and dtype == "float32":
        with pytest.raises(FastMLPError, match="finite loss and gradient in float32"):
            net.evaluate(x, y, loss)  # the square is beyond float32
        with pytest.raises(fastmlp.DivergenceError):
            finite(net, x, y, loss=loss)
        return
    values = [net.evaluate(x, targets, loss)["loss"] for targets in (y, 1 - y)]
    if output != "identity":
        assert np.isfinite(values).all()
        assert values[0] <= values[1]
        finite(net, x, y, loss=loss, optimizer=fastmlp.SGD(0.1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_inputs_that_are_all_equal(dtype: str, output: str, loss: str) -> None:
    net = fastmlp.Network([3, 4, 2], output=output, dtype=dtype)
    for value in (0.0, 1.0, -7.5):
        finite(net, np.full((9, 3), value), np.eye(2)[np.arange(9) % 2], loss=loss)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", [fastmlp.SGD, fastmlp.Adam, fastmlp.AdamW])
def test_denormals(dtype: str, make: Any) -> None:
    tiny = np.nextafter(np.zeros(1, dtype), np.ones(1, dtype))[0]
    x = np.array([[tiny, -tiny, tiny * 1000]] * 6, dtype)
    net = fastmlp.Network([3, 4, 2], dtype=dtype)
    finite(net, x, np.arange(6) % 2, optimizer=make(0.1))
    for w in net.weights:
        w[:] = tiny
    finite(net, x, np.arange(6) % 2, optimizer=make(0.1))


@pytest.mark.parametrize("batch", [1, 128, None])
def test_one_sample_one_feature_one_class_in_a_batch(batch: int | None) -> None:
    finite(fastmlp.Network([5, 3, 2]), np.ones((1, 5)), [1], batch_size=batch)
    finite(fastmlp.Network([1, 2]), np.ones((7, 1)), np.arange(7) % 2, batch_size=batch)
    finite(fastmlp.Network([1, 1], output="sigmoid"), np.ones((1, 1)), [0], batch_size=batch)
    finite(fastmlp.Network([4, 6, 3]), np.eye(4), [2, 2, 2, 2], batch_size=batch)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_hundred_thousand_features(dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(8, 100_000)).astype(dtype)
    net = fastmlp.Network([100_000, 3, 2], dtype=dtype)
    finite(net, x, np.arange(8) % 2)
    exact = np.maximum(x.astype(float) @ net.weights[0] + net.biases[0], 0) @ net.weights[1]
    exact = np.exp(exact + net.biases[1])
    tolerance = 1e-3 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(
        net.predict_proba(x), exact / exact.sum(axis=1, keepdims=True), rtol=tolerance, atol=1e-6
    )


@pytest.mark.parametrize("hidden", ["relu", "tanh", "sigmoid", "identity"])
def test_a_hundred_layers(hidden: str) -> None:
    net = fastmlp.Network([4, *[5] * 99, 3], hidden=hidden, init="glorot")
    assert len(net.weights) == 100
    finite(net, np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 3)


def test_a_deep_network_that_overflows_is_refused_in_words() -> None:
    net = fastmlp.Network([4, *[5] * 99, 3], hidden="identity", init=("he", 100.0))
    with pytest.raises(FastMLPError, match="finite outputs in float32"):
        net.predict(np.ones((1, 4)))
    with pytest.raises(fastmlp.DivergenceError, match="epoch 1, step 1"):
        fastmlp.Trainer(net).fit(np.ones((1, 4)), [0])
    assert np.isfinite(net.buffer).all()


@pytest.mark.parametrize("value", [1e300, -1e39, np.finfo("f8").max])
def test_numbers_beyond_float32_are_refused_in_words(value: float) -> None:
    net = fastmlp.Network([2, 2])
    x = np.array([[1.0, value]])
    with pytest.raises(FastMLPError, match="finite outputs in float32"):
        net.predict(x)
    with pytest.raises(fastmlp.DivergenceError):
        fastmlp.Trainer(net).fit(x, [0])
    assert np.isfinite(net.buffer).all()
    finite(fastmlp.Network([2, 2], dtype="float64", input_scale=1 / abs(value)), x, [0])


HUGE = np.array([[1.0, 1e300]])
OVERFLOWS: list[tuple[Any, dict[str, Any], str]] = [
    ("softmax", {"x": HUGE, "y": [0]}, "x: expected numbers with finite outputs"),
    ("softmax", {"x": scipy.sparse.csr_matrix(HUGE), "y": [0]}, "x: expected numbers with finite"),
    ("identity", {"x": np.eye(2), "y": np.full((2, 2), 1e30)}, "x, y: expected .* finite loss and"),
    ("softmax", {"x": np.eye(2), "y": [0, 1], "sample_weight": np.full(2, 1.7e308)},
     "sample_weight: expected numbers with a finite sum"),
]  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("output", "data", "message"), OVERFLOWS)
@pytest.mark.parametrize(
    "call", ["evaluate", "loss_and_gradient", "gradients", "per_sample_gradients"]
)
def test_results_beyond_float32_are_errors(
    output: str, data: dict[str, Any], message: str, call: str
) -> None:
    if call == "per_sample_gradients" and not message.startswith("x:"):
        return  # it takes no weights, and does not return the loss
    net = fastmlp.Network([2, 2], output=output)
    with pytest.raises(FastMLPError, match="^" + message):
        getattr(net, call)(**data)


@pytest.mark.filterwarnings("error")
def test_a_gradient_may_overflow_where_the_loss_does_not() -> None:
    net = fastmlp.Network([2, 2], init="zeros", output="identity")
    x, y = np.full((1, 2), 1e30), np.full((1, 2), 1e10)
    assert net.evaluate(x, y)["loss"] == pytest.approx(2e20)
    for call in (net.gradients, net.loss_and_gradient, net.per_sample_gradients):
        with pytest.raises(FastMLPError, match=r"^x, y: expected numbers with a finite loss and g"):
            call(x, y)
    with pytest.raises(FastMLPError, match=r"^x, y, l2: expected"):
        net.gradients(x, y, l2=0.5)


def test_validation_data_beyond_float32_are_a_warning_and_no_end() -> None:
    net = fastmlp.Network([2, 2], output="identity")
    trainer = fastmlp.Trainer(net)
    held_out = (np.eye(2), np.full((2, 2), 1e30))
    with pytest.warns(DivergenceWarning, match="^validation: .* not finite in epoch 1") as caught:
        history = trainer.fit(np.eye(2), np.eye(2), epochs=3, validation=held_out, record="step")
    assert len(caught) == 1
    assert len(history) == 3
    assert np.isinf(history.validation_loss).all()
    assert np.isfinite(history.loss).all()


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_infinite_in_float32_are_refused_and_change_nothing() -> None:
    net = fastmlp.Network([2, 3, 2], seed=0)
    before = net.parameters()
    gradients = net.gradients(np.eye(2), [0, 1])
    gradients[0][1] = np.full((3, 2), 1e300)
    beyond = np.zeros(len(before))
    beyond[-1] = -1e300
    for call, name in (
        (lambda: net.set_parameters(beyond), "parameters"),
        (lambda: net.set_augmented_weights([np.ones((3, 3)), np.full((4, 2), 1e300)]), "matrices"),
        (lambda: fastmlp.SGD(0.1).step(net, gradients), "gradients"),
    ):
        with pytest.raises(FastMLPError, match=rf"^{name}.*: expected .*finite in float32, got "):
            call()
        np.testing.assert_array_equal(net.parameters(), before)
    fastmlp.Network([2, 2], dtype="float64", init=("he", 1e300))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("init", ["he", "glorot", "normal"])
def test_weights_at_the_start_are_finite(dtype: str, init: str) -> None:
    with pytest.raises(FastMLPError, match=f"^init scale: expected .* finite weights in {dtype}"):
        fastmlp.Network([3, 9], init=(init, 1.7e308), dtype=dtype)
    assert np.isfinite(fastmlp.Network([9, 9], init=(init, 1e30), dtype=dtype).buffer).all()
    with pytest.raises(FastMLPError, match=r"^input_scale: expected .* finite in float32"):
        fastmlp.Network([9, 9], input_scale=1e300)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-38, 1e-20, 1e20, 1e37])
def test_inputs_of_any_size_train_or_say_why_not(dtype: str, scale: float) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)) * scale, rng.integers(0, 2, 50)
    net = fastmlp.Network([3, 4, 2], dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DivergenceWarning)
        try:
            fastmlp.Trainer(net).fit(x, y, epochs=5)
        except (fastmlp.DivergenceError, DivergenceWarning) as error:
            said = str(error)
        else:
            said = "input_scale"
    assert "input_scale" in said
    assert np.isfinite(net.buffer).all()


CONVERTED = {
    "float16": "float32", "int8": "float32", "int16": "float32", "uint16": "float32",
    "bool": "float32", "int32": "float64", "int64": "float64", "uint32": "float64",
    "uint64": "float64", "longdouble": "float64", ">f4": "float32", ">f8": "float64",
}  # fmt: skip


@pytest.mark.parametrize(("given", "kept"), CONVERTED.items())
def test_other_numbers_are_converted_without_loss(given: str, kept: str) -> None:
    x = (np.random.default_rng(0).normal(size=(30, 4)) * 3).astype(given)
    y = np.arange(30) % 3
    nets = [fastmlp.Network([4, 5, 3], seed=1, dtype="float64") for _ in range(2)]
    for net, data in zip(nets, (x, x.astype(kept)), strict=True):
        finite(net, data, y, batch_size=8)
    np.testing.assert_array_equal(nets[0].buffer, nets[1].buffer)
