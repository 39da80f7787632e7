"""Bad input: one line that names argument, expected and got, and nothing was changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import fastmlp
from fastmlp.targets import as_targets
from fastmlp.validation import (
    as_sample_weight,
    as_samples,
    check_finite,
    check_integer,
    check_number,
)

X = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
Y = np.arange(12) % 3


def in_short(value: object) -> str:
    """Return a test's name for a value: the same in every process."""
    return str(value)[:40].split(" at 0x")[0]


def spoiled(value: float, at: tuple[int, int] = (7, 2), dtype: str = "float32") -> np.ndarray:
    x = X.astype(dtype)
    x[at] = value
    return x


def network(**options: Any) -> fastmlp.Network:
    return fastmlp.Network([4, 5, 3], seed=0, **options)


# What is passed instead of a good (x, y), and what the error says.
BAD_DATA: dict[str, tuple[Any, Any, str]] = {
    "narrow": (X[:, :3], Y, r"x: expected 4 features a sample, got shape \(12, 3\)"),
    "wide": (np.ones((12, 5)), Y, r"x: expected 4 features a sample, got shape \(12, 5\)"),
    "images": (
        np.ones((12, 2, 3), "uint8"),
        Y,
        r"x: expected 4 features a sample, got shape \(12, 2, 3\)",
    ),
    "one sample": (X[0], Y[:1], r"x: expected a 2-D array .*, got 1 dimension"),
    "a number": (3.0, Y, r"x: expected a 2-D array .*, got 0 dimension"),
    "nothing": (None, Y, "x: expected .*, got "),
    "empty": (X[:0], Y[:0], "x: expected at least one sample, got none"),
    "text": ([["a"] * 4] * 12, Y, "x: expected an array of numbers, got "),
    "objects": (np.full((12, 4), object()), Y, "x: expected an array of numbers, got "),
    "complex": (X.astype(complex), Y, "x: expected an array of numbers, got dtype complex128"),
    "ragged": ([[1, 2, 3, 4], [1]], Y[:2], "x: expected an array of numbers, got "),
    "NaN": (spoiled(np.nan), Y, r"x: expected finite numbers, got nan at \[7, 2\]"),
    "infinity": (spoiled(np.inf), Y, r"x: expected finite numbers, got inf at \[7, 2\]"),
    "-infinity": (
        spoiled(-np.inf, (0, 3), "float64"),
        Y,
        r"x: expected finite numbers, got -inf at \[0, 3\]",
    ),
    "both infinities": (
        np.where(np.eye(12, 4) == 1, np.inf, spoiled(-np.inf)),
        Y,
        r"x: expected finite numbers, got inf at \[0, 0\]",
    ),
    "NaN in CSR": (
        scipy.sparse.csr_matrix(spoiled(np.nan)),
        Y,
        r"x: expected finite numbers, got nan at \[7, 2\]",
    ),
    "short y": (X, Y[:11], "y: expected 12 rows, as many as x, got 11"),
    "long y": (X[:11], Y, "y: expected 11 rows, as many as x, got 12"),
    "label too large": (X, np.where(Y == 2, 3, Y), r"y: expected classes from 0 to 2, got 3 at"),
    "negative label": (X, Y - 1, r"y: expected classes from 0 to 2, got -1 at \[0\]"),
    "half a class": (X, Y / 2, r"y: expected classes from 0 to 2, got 0.5 at \[1\]"),
    "NaN label": (X, np.where(Y == 2, np.nan, Y), r"y: expected finite numbers, got nan at \[2\]"),
    "words": (X, np.array(["a", "b", "c"] * 4), "y: expected numbers: .*, got dtype <U1"),
    "columns": (X, np.ones((12, 2)), r"y: expected shape .*\(n, 3\), got shape \(12, 2\)"),
    "cube": (X, np.ones((12, 3, 1)), r"y: expected shape .*, got shape \(12, 3, 1\)"),
    "no y": (X, None, "y: expected numbers: .*, got dtype object"),
    "shares outside [0, 1]": (X, np.full((12, 3), 2.0), "y: expected targets from 0 to 1 .*, got "),
    "infinite targets": (X, np.full((12, 3), np.inf), r"y: expected finite numbers, got inf at"),
}


def calls(net: fastmlp.Network, trainer: fastmlp.Trainer) -> dict[str, Any]:
    return {
        "fit": trainer.fit,
        "evaluate": net.evaluate,
        "gradients": net.gradients,
        "loss_and_gradient": net.loss_and_gradient,
    }


@pytest.mark.parametrize("call", ["fit", "evaluate", "gradients", "loss_and_gradient"])
@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_are_refused(case: str, call: str) -> None:
    x, y, message = BAD_DATA[case]
    net = network()
    trainer = fastmlp.Trainer(net)
    before = net.buffer.copy()
    with pytest.raises(fastmlp.FastMLPError, match="^" + message) as caught:
        calls(net, trainer)[call](x, y)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError | TypeError)
    np.testing.assert_array_equal(net.buffer, before)
    assert len(trainer.history) == 0
    trainer.fit(X, Y, epochs=1)  # as if nothing had been


@pytest.mark.parametrize("case", [name for name in BAD_DATA if BAD_DATA[name][2][0] == "x"])
def test_bad_data_are_not_predicted(case: str) -> None:
    x, _, message = BAD_DATA[case]
    for predict in (network().predict, network().predict_proba):
        with pytest.raises(fastmlp.FastMLPError, match="^" + message):
            predict(x)


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_validation_data_are_refused(case: str) -> None:
    x, y, message = BAD_DATA[case]
    net = network()
    before = net.buffer.copy()
    with pytest.raises(fastmlp.FastMLPError, match="^validation " + message):
        fastmlp.Trainer(net).fit(X, Y, validation=(x, y))
    np.testing.assert_array_equal(net.buffer, before)


BAD_NETWORKS: list[tuple[dict[str, Any], str]] = [
    ({"sizes": [4]}, r"sizes: expected at least two integers.*, got \[4\]"),
    ({"sizes": []}, "sizes: expected at least two integers"),
    ({"sizes": [4, 0, 3]}, r"sizes\[1\]: expected an integer of at least 1, got 0"),
    ({"sizes": [4, -5, 3]}, r"sizes\[1\]: expected an integer of at least 1, got -5"),
    ({"sizes": [4, 2.5, 3]}, r"sizes\[1\]: expected an integer of at least 1, got float"),
    ({"sizes": [True, 3]}, r"sizes\[0\]: expected an integer of at least 1, got bool"),
    ({"sizes": "4-3"}, "sizes: expected a sequence .*, got str"),
    ({"sizes": 4}, "sizes: expected a sequence .*, got int"),
    ({"sizes": [4, 1]}, "sizes: expected at least 2 outputs with softmax, got 1"),
    ({"hidden": "swish"}, "hidden: expected one of identity, sigmoid, .*, softplus, got 'swish'"),
    ({"hidden": None}, "hidden: expected one of .*, got None"),
    ({"hidden": "softmax"}, "hidden: expected one of .*, got 'softmax'"),
    ({"output": "relu"}, "output: expected one of identity, sigmoid, softmax, got 'relu'"),
    ({"init": "ones"}, "init: expected one of normal, zeros, glorot, he, got 'ones'"),
    ({"init": ("he", -1)}, "init scale: expected a finite number of at least 0, got -1"),
    ({"init": ("he", 1, 2)}, "init: expected one of "),
    ({"seed": -1}, "seed: expected an integer of at least 0 or None, got -1"),
    ({"seed": 0.5}, "seed: expected an integer of at least 0 or None, got float"),
    ({"dtype": "float16"}, "dtype: expected float32 or float64, got float16"),
    ({"dtype": "int32"}, "dtype: expected float32 or float64, got int32"),
    ({"dtype": "quick"}, "dtype: expected float32 or float64, got 'quick'"),
    ({"input_scale": 0}, "input_scale: expected a finite number greater than 0, got 0"),
    ({"input_scale": float("nan")}, "input_scale: expected a finite number .*, got nan"),
    ({"classes": ["a", "b"]}, r"classes: expected 3 names, got shape \(2,\)"),
]


@pytest.mark.parametrize(("options", "message"), BAD_NETWORKS, ids=in_short)
def test_bad_networks_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(fastmlp.FastMLPError, match="^" + message) as caught:
        fastmlp.Network(**({"sizes": [4, 5, 3]} | options))
    assert "\n" not in str(caught.value)


BAD_TRAINERS: list[tuple[dict[str, Any], str]] = [
    ({"network": "net"}, "network: expected a fastmlp.Network, got str"),
    ({"loss": "hinge"}, "loss: expected one of cross_entropy, .*, got 'hinge'"),
    ({"loss": "mnist_loss"}, "loss: expected a loss for a softmax output, got mnist_loss"),
    ({"optimizer": "adam"}, "optimizer: expected SGD, Adam or AdamW, got str"),
    ({"optimizer": fastmlp.Adam}, "optimizer: expected SGD, Adam or AdamW, got type"),
    ({"batch_size": 0}, "batch_size: expected an integer of at least 1 or None, got 0"),
    ({"batch_size": -3}, "batch_size: expected an integer of at least 1 or None, got -3"),
    ({"batch_size": 32.0}, "batch_size: expected an integer of at least 1 or None, got float"),
    ({"seed": -1}, "seed: expected an integer of at least 0 or None, got -1"),
    ({"l2": -0.1}, "l2: expected a finite number of at least 0, got -0.1"),
    ({"l2": "much"}, "l2: expected a finite number of at least 0, got str"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), BAD_TRAINERS, ids=in_short)
def test_bad_trainers_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(fastmlp.FastMLPError, match="^" + message):
        fastmlp.Trainer(**({"network": network()} | options))


BAD_FITS: list[tuple[dict[str, Any], str]] = [
    ({"epochs": -1}, "epochs: expected an integer of at least 0, got -1"),
    ({"epochs": 1.5}, "epochs: expected an integer of at least 0, got float"),
    ({"max_seconds": -1}, "max_seconds: expected a finite number of at least 0, got -1"),
    ({"max_seconds": "long"}, "max_seconds: expected a finite number of at least 0, got str"),
    ({"record": "hour"}, "record: expected 'epoch' or 'step', got 'hour'"),
    ({"callbacks": [print]}, "callbacks: expected objects with one of .*, got builtin_function"),
    ({"callbacks": [object()]}, "callbacks: expected objects with one of .*, got object"),
    ({"validation": X}, r"validation: expected None or a pair \(x, y\), got ndarray"),
    ({"validation": (X,)}, r"validation: expected None or a pair \(x, y\), got tuple"),
    ({"sample_weight": np.ones(11)}, r"sample_weight: expected shape \(12,\), got shape \(11,\)"),
    ({"sample_weight": np.ones((12, 1))}, r"sample_weight: expected shape \(12,\), got shape"),
    ({"sample_weight": -np.ones(12)}, "sample_weight: expected no negative number .*, got "),
    ({"sample_weight": np.zeros(12)}, "sample_weight: expected .* one that is positive, got "),
    ({"sample_weight": np.full(12, np.nan)}, r"sample_weight: expected finite numbers, got nan at"),
    ({"sample_weight": "all"}, r"sample_weight: expected numbers of shape \(12,\), got"),
]


@pytest.mark.parametrize(("options", "message"), BAD_FITS, ids=in_short)
def test_bad_fits_are_refused(options: dict[str, Any], message: str) -> None:
    net = network()
    trainer = fastmlp.Trainer(net)
    before = net.buffer.copy()
    with pytest.raises(fastmlp.FastMLPError, match="^" + message) as caught:
        trainer.fit(X, Y, **options)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(net.buffer, before)
    assert len(trainer.history) == 0


def test_callbacks_that_are_no_list_are_refused() -> None:
    class One:
        def on_epoch_end(self, trainer: Any, history: Any) -> None: ...

    with pytest.raises(TypeError):
        fastmlp.Trainer(network()).fit(X, Y, callbacks=One())


def test_targets_that_do_not_suit_the_loss() -> None:
    two = fastmlp.Network([4, 2], output="sigmoid")
    with pytest.raises(fastmlp.FastMLPError, match="y: expected targets of 0 or 1 for mnist_loss"):
        two.evaluate(X, np.full((12, 2), 0.5), loss="mnist_loss")
    numbers = fastmlp.Network([4, 2], output="identity")
    with pytest.raises(fastmlp.FastMLPError, match=r"y: expected shape \(n, 2\) for 2 outputs"):
        numbers.evaluate(X, np.zeros(12))
    single = fastmlp.Network([4, 1], output="sigmoid")
    with pytest.raises(fastmlp.FastMLPError, match="y: expected targets from 0 to 1"):
        single.evaluate(X, Y)


def test_parameters_of_another_shape_are_refused() -> None:
    net = network()
    before = net.buffer.copy()
    with pytest.raises(fastmlp.FastMLPError, match=r"parameters: expected shape \(43,\), got"):
        net.set_parameters(np.zeros(42))
    with pytest.raises(fastmlp.FastMLPError, match="matrices: expected 2 of them, got 1"):
        net.set_augmented_weights([np.zeros((5, 5))])
    good, bad = np.zeros((5, 5)), np.zeros((5, 3))
    with pytest.raises(fastmlp.FastMLPError, match=r"matrices\[1\]: expected shape \(6, 3\), got"):
        net.set_augmented_weights([good, bad])
    np.testing.assert_array_equal(net.buffer, before)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\xff" * 64])
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(fastmlp.DataError, match=r"bad\.safetensors") as caught:
        fastmlp.Network.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(fastmlp.DataError, match=r"none\.safetensors"):
        fastmlp.Network.load(tmp_path / "none.safetensors")


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "no folder" / "net.safetensors"
    with pytest.raises(fastmlp.FastMLPError, match="no folder") as caught:
        network().save(target)
    assert "\n" not in str(caught.value)
    assert not target.parent.exists()


# --- the checks themselves ------------------------------------------------------------------------


def test_finite_numbers_whose_sum_overflows_are_finite() -> None:
    check_finite("x", np.full((3, 2), np.finfo("float64").max))


def test_the_first_bad_number_is_named_in_large_data() -> None:
    x = np.zeros((3000, 500), "float32")  # looked at in parts
    x[2999, 499] = np.inf
    with pytest.raises(fastmlp.FastMLPError, match=r"inf at \[2999, 499\]"):
        check_finite("x", x)
    x[2200, 3] = np.nan
    with pytest.raises(fastmlp.FastMLPError, match=r"nan at \[2200, 3\]"):
        check_finite("x", x)


def test_integers_and_numbers() -> None:
    assert check_integer("n", np.int32(3), 1) == 3
    assert type(check_integer("n", np.int32(3), 1)) is int
    assert check_integer("n", None, 1, none=True) is None
    assert check_number("p", np.float32(0.5), below=1) == 0.5
    for bad in (1, 1.5):
        with pytest.raises(fastmlp.FastMLPError, match="below 1, got"):
            check_number("p", bad, below=1)


def test_samples_keep_the_memory_alive() -> None:
    samples = as_samples(X.tolist(), 4)
    view = samples.owner
    assert samples.n == 12
    np.testing.assert_array_equal(view, X)
    assert samples.x.nbytes == view.nbytes
    assert not samples.x.flags.writeable


def test_targets_are_classes_or_numbers() -> None:
    for y in (Y, np.eye(3)[Y], Y[:, None], Y.astype("uint8"), Y.tolist()):
        found = as_targets(y, 12, 3, "softmax", "cross_entropy", "float32")
        assert found.coded
        np.testing.assert_array_equal(found.labels, Y)
    shares = np.full((12, 3), 1 / 3)
    found = as_targets(shares, 12, 3, "softmax", "cross_entropy", "float32")
    assert not found.coded
    assert found.values.dtype == np.float32
    assert not as_targets(Y, 12, 1, "identity", "squared_error", "float32").coded


def test_no_weights_are_an_empty_array() -> None:
    assert as_sample_weight(None, 12).shape == (0,)
    np.testing.assert_array_equal(as_sample_weight([1] * 12, 12), np.ones(12))


class Unreadable:
    """As a tensor in bfloat16: its library refuses, in its own words."""

    shape, ndim = (2, 2), 2

    def __len__(self) -> int:
        return 2

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("Got unsupported ScalarType BFloat16")


@pytest.mark.parametrize("bad", [Unreadable(), np.ma.masked_equal([[0.0, 1.0], [2.0, 3.0]], 3.0)])
def test_masks_and_tensors_that_cannot_be_read_are_refused_by_name(bad: Any) -> None:
    net, x, y = fastmlp.Network([2, 2]), np.eye(2), [0, 1]
    weight = bad if isinstance(bad, Unreadable) else bad[1]
    trainer = fastmlp.Trainer(net)
    for name, call in {
        "x": lambda: net.predict(bad),
        "x ": lambda: trainer.fit(bad, y),
        "y": lambda: trainer.fit(x, bad),
        "sample_weight": lambda: trainer.fit(x, y, sample_weight=weight),
        "validation x": lambda: trainer.fit(x, y, validation=(bad, y)),
        "validation y": lambda: trainer.fit(x, y, validation=(x, bad)),
        "y ": lambda: net.gradients(x, bad),
        "weights[0]": lambda: net.weights.__setitem__(0, bad),
    }.items():
        with pytest.raises(fastmlp.FastMLPError, match=rf"^{re.escape(name.strip())}: expected"):
            call()
