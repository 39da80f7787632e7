"""Every public function × every wrong argument: an error of ours that names it, and no change."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import fastmlp
import fastmlp.plot
from fastmlp.errors import FastMLPError
from fastmlp.files import load_file, load_inputs, load_named
from fastmlp.idx import read_idx, write_idx
from fastmlp.validation import check_integer, check_number

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4)).astype("float32")
Y = np.arange(12) % 3


def spoiled(value: Any, like: np.ndarray = X) -> np.ndarray:
    array = like.astype("float64")
    array.flat[5] = value
    return array


NOTHING: list[Any] = ["word", b"bytes", object(), {"a": 1}, {1, 2}, lambda: None]
MATRICES: list[Any] = [
    *NOTHING, None, 3, 1.5, [], [[]], [[1, 2], [3]], [["a", "b", "c", "d"]], X[0], X[:, :3], X[:0],
    np.zeros((0, 4)), np.zeros((12, 0)), np.zeros((3, 4), complex), np.zeros((3, 4), "M8[s]"),
    np.zeros((3, 4), "f4,f4"), np.full((3, 4), "a"), np.full((3, 4), None),
    np.full((3, 4), 10**400), spoiled(np.nan), spoiled(np.inf), spoiled(-np.inf),
    scipy.sparse.csr_matrix(X[:, :3]), scipy.sparse.csr_matrix(spoiled(np.nan)),
]  # fmt: skip
LABELS: list[Any] = [
    *NOTHING, None, 3, [], Y[:5], np.append(Y, 0), Y - 1, Y + 1, Y + 0.5, Y.astype(str),
    10**300 * (Y + 1.0), [10**400] * 12, np.full(12, None), np.zeros((12, 2)), np.zeros((12, 3, 1)),
    np.zeros((12, 0)), Y.astype(complex), spoiled(np.nan, Y), spoiled(np.inf, Y), [[1], [2, 3]] * 6,
    np.datetime64("2020") + Y,
]  # fmt: skip
WEIGHTS: list[Any] = [
    *NOTHING, 3, [], np.ones(11), np.ones((12, 1)), np.zeros(12), -np.ones(12), np.full(12, "a"),
    np.full(12, 1.7e308), spoiled(np.nan, Y), spoiled(np.inf, Y), np.ones(12, complex),
    [[1], [2, 3]] * 6,
]  # fmt: skip
COUNTS: list[Any] = [
    *NOTHING, 1.5, "3", np.nan, np.inf, -1, True, [3], np.arange(3), np.array(1.0), 1j,
    np.float32(2), datetime.date.today(), Fraction(3, 2), 1 << 64, 10**400,
    -(10**5000),
]  # fmt: skip
POSITIVE = [*COUNTS, 0]
NUMBERS: list[Any] = [
    *NOTHING, "3", np.nan, np.inf, -np.inf, -1, True, 10**400, [3], np.ones(2), np.ones((1, 1)), 1j,
    np.complex64(1), np.datetime64("2020"), np.array("a"),
]  # fmt: skip
WORDS: list[Any] = [
    "", "Relu", "word", b"relu", 0, 1.5, True, [], ["relu"], [10**5000], object(), "relu\n",
]  # fmt: skip
FLAGS: list[Any] = [
    *NOTHING, "yes", "false", 0, 1, 1.0, [], [True], np.ones(2, bool), np.array(True),
]  # fmt: skip
PATHS: list[Any] = [3, 1.5, object(), b"bytes", "", "no/such/folder/file", "\0", "a\0b", [], {}]


class Stop:
    def on_epoch_end(self, *_: Any) -> bool:
        return True


def network(output: str = "softmax") -> fastmlp.Network:
    return fastmlp.Network([4, 3, 3], output=output, seed=0)


def fit(**arguments: Any) -> Any:
    return fastmlp.Trainer(network(), threads=1).fit(**({"x": X, "y": Y, "epochs": 1} | arguments))


def trainer(**arguments: Any) -> Any:
    return fastmlp.Trainer(**({"network": network()} | arguments))


def net(**arguments: Any) -> Any:
    return fastmlp.Network(**({"sizes": [4, 3, 3]} | arguments))


def method(name: str, **whole: Any) -> Callable[..., Any]:
    return lambda **arguments: getattr(network(), name)(**(whole | arguments))


def step(**arguments: Any) -> Any:
    ours = network()
    return fastmlp.SGD(0.1).step(**({"net": ours, "gradients": ours.gradients(X, Y)} | arguments))


def gradients(place: int, value: Any) -> Any:
    parts = [list(part) for part in network().gradients(X, Y)]
    parts[place][0] = value
    return tuple(parts)


def race(**arguments: Any) -> Any:
    whole = {"network": network(), "x": X, "y": Y, "batch_sizes": (4,), "max_seconds": 0.01}
    return fastmlp.race(**(whole | arguments))


def drawn(name: str, **whole: Any) -> Callable[..., Any]:
    """Return one of the functions that draw, with right arguments."""
    function = getattr(fastmlp.plot, name)
    return lambda **arguments: function(**({"path": "picture.svg"} | whole | arguments))


def recorded() -> fastmlp.History:
    history = fastmlp.History()
    history.record(epochs=1, steps=4, seconds=0.1, loss=0.25)
    return history


def raced() -> fastmlp.Race:
    result = fastmlp.Race()
    result.histories["full"] = recorded()
    return result


DATA = {"x": X, "y": Y}
plot_history = drawn("plot_history", epochs=[1, 2], loss=[0.5, 0.25])
plot_curves = drawn("plot_curves", curves={"a": ([0, 1], [2, 3])}, x="t (s)", y="v (m/s)")
plot_images = drawn("plot_images", images=np.zeros((2, 3, 3)))
plot_values = drawn("plot_values", image=np.zeros((3, 3)))
NOT_NUMBERS: list[Any] = [
    *NOTHING, None, ["a", "b"], [[1], [2, 3]], [1j, 2], [None, 1.0], [10**400, 1],
    np.zeros(2, "M8[s]"),
]  # fmt: skip
COLUMN = [*NOT_NUMBERS, 3, [[1.0, 2.0]], [1.0], [1.0, 2.0, 3.0]]
PICTURES: list[Any] = [3, None, 1.5, b"", b"a.png", object(), [], {}, "", "a.doc", "\0.png"]
evaluate, gradient = method("evaluate", **DATA), method("gradients", **DATA)
# (function, argument, wrong values, its name in the message if another)
TABLE: list[tuple[Callable[..., Any], str, list[Any], str]] = [
    (net, "sizes", [*NOTHING, None, 3, [], [4], [4, 0], [4, -3, 3], [4, 1.5, 3], ["4", 3],
                    [4, np.nan], [4, 10**30], [4, -(10**5000)],
                    [10**9, 10**9], [1 << 62, 2], [10**400, 2], [4, 1],
                    [[4, 3], 3], np.array([4.0, 3.0])], "sizes"),
    (net, "hidden", [
        *(word for word in WORDS if word != ["relu"]), None, ["relu", "relu"], ["word"]], "hidden"),
    (net, "output", [*WORDS, None, "relu"], "output"),
    (net, "init", [
        *WORDS, None, ("he",), ("he", -1), ("he", np.nan), ("he", "x"), ("word", 1),
        ("glorot", 1e300), ("normal", 1e300), ("he", 10**5000)], "init"),
    (net, "seed", [value for value in COUNTS if value is not None], "seed"),
    (net, "dtype", [*NOTHING, 3, "float16", "int32", complex, "f4,f4", [1], "float32 "], "dtype"),
    (net, "input_scale", [*NUMBERS, None, 0, 1e300], "input_scale"),
    (net, "classes", [["a"], "abc", [["a", "b", "c"]], [[1], [2, 3]], 3, [1.0, np.nan, 2.0],
        [b"a", b"b", b"c"], [None, "a", "b"], np.arange(3) * 1j,
        np.datetime64("2020") + Y[:3]], "classes"),
    (method("predict"), "x", MATRICES, "x"),
    (method("predict_proba"), "x", MATRICES, "x"),
    (evaluate, "x", MATRICES, "x|y"),
    (evaluate, "y", LABELS, "y"),
    (evaluate, "loss", [*WORDS, "mnist_loss"], "loss"),
    (evaluate, "sample_weight", WEIGHTS, "sample_weight"),
    (gradient, "x", MATRICES, "x|y"),
    (gradient, "y", LABELS, "y"),
    (gradient, "l2", [*NUMBERS, None], "l2"),
    (method("loss_and_gradient", **DATA), "y", LABELS, "y"),
    (method("per_sample_gradients", **DATA), "x", MATRICES, "x|y"),
    (method("per_sample_gradients", **DATA), "y", LABELS, "y"),
    (method("set_parameters"), "parameters", [
        *NOTHING, None, 3, [], np.ones(5), np.full(27, np.nan), np.full(27, np.inf),
        np.full(27, 1e300), np.full(27, "a"), np.ones(27, complex), [[1], [2, 3]]], "parameters"),
    (method("set_augmented_weights"), "matrices", [
        *NOTHING, None, 3, [], [np.ones((5, 3))], [np.ones((5, 3)), np.ones((3, 3))],
        [np.ones((5, 3)), np.full((4, 3), np.nan)], [np.ones((5, 3)), "word"],
        [np.ones((5, 3)), np.full((4, 3), -1e39)]], "matrices"),
    (step, "net", [*NOTHING, None, 3], "net"),
    (step, "gradients", [
        *NOTHING, None, 3, [], ([], []), gradients(0, X), gradients(0, np.full((4, 3), np.nan)),
        gradients(1, np.full(3, np.inf)), gradients(1, "word"), gradients(1, np.full(3, 1e300)),
        gradients(0, None)], "gradients"),
    (trainer, "network", [*NOTHING, None, 3], "network"),
    (trainer, "loss", [*WORDS, "mnist_loss"], "loss"),
    (trainer, "optimizer", [*NOTHING, 3, fastmlp.SGD], "optimizer"),
    (trainer, "batch_size", POSITIVE, "batch_size"),
    (trainer, "seed", COUNTS, "seed"),
    (trainer, "l2", [*NUMBERS, None], "l2"),
    (trainer, "threads", [*COUNTS[:-3], 0, -(10**5000)], "threads"),
    (trainer, "zero_skipping", FLAGS, "zero_skipping"),
    (trainer, "shuffle", [*FLAGS, None], "shuffle"),
    (trainer, "drop_last", [*FLAGS, None], "drop_last"),
    (trainer, "checkpoint", [3, object(), b"bytes", []], "checkpoint"),
    (trainer, "every", [*NUMBERS, None], "every"),
    (trainer, "schedule", [*WORDS, "One_cycle"], "schedule"),
    (trainer, "patience", POSITIVE, "patience"),
    (trainer, "min_delta", [*NUMBERS, None], "min_delta"),
    (trainer, "restore_best", [*FLAGS, None], "restore_best"),
    (trainer, "monitor", [*WORDS, None], "monitor"),
    (fit, "x", MATRICES, "x|y"),
    (fit, "y", LABELS, "y"),
    (fit, "epochs", [*COUNTS, None], "epochs"),
    (fit, "validation", [
        *NOTHING, 3, (X,), (X, Y, Y), (X[:, :3], Y), (X, Y - 1), (None, None)], "validation"),
    (fit, "sample_weight", WEIGHTS, "sample_weight"),
    (fit, "max_seconds", [value for value in NUMBERS if value is not None], "max_seconds"),
    (fit, "callbacks", [3, object(), [object()], "word", None, 1.5, [Stop]], "callbacks"),
    (fit, "record", [*WORDS, None, np.array(["epoch", "step"]), [10**5000]], "record"),
    (fastmlp.SGD, "learning_rate", [*NUMBERS, None, 0], "learning_rate"),
    (fastmlp.SGD, "nesterov", [*FLAGS, None, True], "nesterov"),
    (fastmlp.SGD, "momentum", [*NUMBERS, None, 1.0], "momentum"),
    (fastmlp.Adam, "learning_rate", [*NUMBERS, None, 0], "learning_rate"),
    (fastmlp.Adam, "beta_1", [*NUMBERS, None, 1], "beta_1"),
    (fastmlp.Adam, "beta_2", [*NUMBERS, None, 1], "beta_2"),
    (fastmlp.Adam, "epsilon", [*NUMBERS, None, 0, 1e-50], "epsilon"),
    (fastmlp.AdamW, "weight_decay", [*NUMBERS, None], "weight_decay"),
    (method("save"), "path", PATHS, ""),
    (fastmlp.Network.load, "path", PATHS, ""),
    (lambda path: trainer().save_checkpoint(path), "path", PATHS, ""),
    (lambda path: trainer().resume(path), "path", [
        3, 1.5, object(), b"bytes", "\0", [], {}, None], ""),
    (fastmlp.History().to_csv, "path", PATHS, ""),
    (load_file, "path", PATHS, ""),
    (load_inputs, "path", PATHS, ""),
    (load_named, "name", [*PATHS, "minst"], ""),
    (read_idx, "path", PATHS, ""),
    (lambda path: write_idx(path, X), "path", PATHS, ""),
    (lambda array: write_idx("unused", array), "array", [
        *NOTHING, None, 3, [[1], [2, 3]], X.astype("f2"), Y.astype(complex), np.array(1.0)],
        "array"),
    (fastmlp.datasets.load_digits, "seed", COUNTS, "seed"),
    (fastmlp.datasets.load_image_folder, "path", [3, None, 1.5, object(), b"bytes", [], "\0"],
     "path"),
    (fastmlp.datasets.load_image_folder, "path", ["no/such/folder"], ""),
    (fastmlp.datasets.hold_out, "labels", [
        *NOTHING, None, 3, [[1, 2]], [[1], [2, 3]], [None, 1], np.zeros(3, complex)], "labels"),
    (lambda seed: fastmlp.datasets.hold_out(Y, seed=seed), "seed", COUNTS, "seed"),
    (race, "network", [*NOTHING, None, 3], "network"),
    (race, "x", MATRICES, "x|y"),
    (race, "y", LABELS, "y"),
    (race, "batch_sizes", [
        3, None, 1.5, "32", b"32", object(), np.array(3), [], [0], [-1], [1.5], ["4"], [True],
        [4, 4], {"a": 1}, lambda: None], "batch_sizes"),
    (race, "max_seconds", [*NUMBERS, None, 0], "max_seconds"),
    (race, "loss", [*WORDS, "mnist_loss"], "loss"),
    (race, "optimizer", [*NOTHING, 3, fastmlp.SGD], "optimizer"),
    (race, "clock", [*WORDS, None], "clock"),
    (race, "points", [*POSITIVE, None], "points"),
    (race, "watch", [3, "word", [], object()], "watch"),
    (lambda path: recorded().plot(path), "path", PICTURES, "path|plot"),
    (lambda path: raced().plot(path), "path", PICTURES, "path|plot"),
    (plot_history, "path", PICTURES, "path|plot"),
    (plot_history, "epochs", [*COLUMN, [np.nan, 1], [np.inf, 1], [-1, 0]], "epochs|loss"),
    (plot_history, "loss", COLUMN, "loss"),
    (plot_history, "validation_loss", COLUMN, "validation_loss"),
    (plot_history, "accuracy", COLUMN, "accuracy"),
    (plot_history, "validation_accuracy", COLUMN, "validation_accuracy"),
    (plot_curves, "path", PICTURES, "path|plot"),
    (plot_curves, "curves", [
        *NOTHING[:3], *NOTHING[4:], None, 3, {}, {"a": 3}, {"a": "word"}, {"a": ([1], [1], [1])},
        {3: ([1], [1])}, {"a": ([1, 2], [1])}, {"a": ([1], ["b"])}, {"a": ([[1]], [1])},
        {"a": (None, [1])}, {str(i): ([1], [1]) for i in range(7)}], "curves"),
    (plot_curves, "x", [3, None, b"t", []], "x"),
    (plot_curves, "y", [3, None, b"v", []], "y"),
    (plot_curves, "points", [3, None, "a", b"a", [3]], "points"),
    (plot_images, "path", PICTURES, "path|plot"),
    (plot_images, "images", [
        *NOT_NUMBERS, 3, X, np.zeros((0, 3, 3)), np.full((2, 3, 3), np.nan)], "images"),
    (plot_images, "titles", [3, None, "ab", b"ab", ["a"], ["a", 3]], "titles"),
    (plot_images, "columns", [-1, 0, 1.5, "2", True, [2], 10**9, 10**400], "columns"),
    (plot_images, "scale", [3, None, b"s", []], "scale"),
    (plot_values, "path", PICTURES, "path|plot"),
    (plot_values, "image", [*NOT_NUMBERS, 3, Y, np.zeros((0, 3)), np.zeros((33, 3))], "image"),
]  # fmt: skip

CASES = [
    pytest.param(function, argument, value, name, id=f"{number}-{argument}-{place}")
    for number, (function, argument, values, name) in enumerate(TABLE)
    for place, value in enumerate(values)
]


@pytest.mark.parametrize(("function", "argument", "value", "name"), CASES)
def test_a_wrong_argument_is_named(
    function: Callable[..., Any],
    argument: str,
    value: Any,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FastMLPError) as caught:
        function(**{argument: value})
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000
    assert isinstance(caught.value, ValueError | TypeError | OSError)
    if name:
        assert message.startswith(tuple(name.split("|"))), message
        assert "expected" in message
        assert "got" in message
    assert not list(tmp_path.iterdir())


def test_a_refused_argument_changes_nothing() -> None:
    ours = network()
    before = ours.parameters()
    training = fastmlp.Trainer(ours)
    for arguments in ({"x": X[:, :3]}, {"y": Y - 1}, {"epochs": -1}, {"validation": 3}):
        with pytest.raises(FastMLPError):
            training.fit(**({"x": X, "y": Y} | arguments))
    for values in (np.full(27, np.nan), np.ones(5)):
        with pytest.raises(FastMLPError):
            ours.set_parameters(values)
    with pytest.raises(FastMLPError):
        ours.set_augmented_weights([np.ones((5, 3)), np.full((4, 3), np.inf)])
    np.testing.assert_array_equal(ours.parameters(), before)
    assert len(training.history) == 0


def test_numpys_booleans_are_booleans() -> None:
    for value in (np.False_, np.True_):
        ours = trainer(zero_skipping=value, shuffle=value, drop_last=value)
        assert [ours.zero_skipping, ours.shuffle, ours.drop_last] == [bool(value)] * 3
        assert type(ours.zero_skipping) is bool
        assert fastmlp.SGD(0.1, 0.5, value).nesterov is bool(value)


def test_threads_beyond_measure_are_clamped_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"^threads: an int of too many digits to show asked for"):
        trainer(threads=10**5000)


ANYTHING = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.complex_numbers() | st.lists(st.integers()) | st.dictionaries(st.text(), st.integers())
    | st.decimals() | st.fractions() | st.dates() | st.sampled_from([int, np.int8(3)])
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(value=ANYTHING)
def test_numbers_are_what_they_seem_or_refused(value: Any) -> None:
    for check in (check_integer, check_number):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                number = check("argument", value, 0)
            except FastMLPError as error:
                said = str(error)
            else:
                said = ""
                assert 0 <= number == float(value)
        assert said == "" or said.startswith("argument: expected ")


@settings(max_examples=200, deadline=None)
@given(x=ANYTHING, y=ANYTHING)
def test_no_data_are_a_surprise(x: Any, y: Any) -> None:
    with pytest.raises(FastMLPError):
        fit(x=x, y=Y)
    with pytest.raises(FastMLPError):
        fit(x=X, y=y)
