"""Networks: their parameters in memory, what they predict, and how they are copied and kept."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import fastmlp
from fastmlp import kernels, reference
from fastmlp.buffers import Workspace, aligned_zeros
from fastmlp.kernels import step
from fastmlp.kernels.samples import samples_part
from fastmlp.kernels.target import BLOCK_ROWS, PANEL_BYTES, TILE_ROWS

FLOATS, DOUBLES = PANEL_BYTES // 4, PANEL_BYTES // 8
SIZES = [
    [1, 2],
    [3, 1, 2],
    [FLOATS - 1, 16, 15],
    [FLOATS, 17, 47],
    [FLOATS + 1, FLOATS - 1, 48],
    [DOUBLES - 1, DOUBLES, DOUBLES + 1, 49],
    [2 * FLOATS + 1, 7, 5, 3, 2],
]


def network(sizes: list[int] | None = None, **options: Any) -> fastmlp.Network:
    """Return a network whose biases are not zero."""
    net = fastmlp.Network(sizes or [6, 5, 4, 3], **({"seed": 1, "hidden": "tanh"} | options))
    for b in net.biases:
        b[:] = np.linspace(-0.5, 0.5, b.size)
    return net


def samples(n: int, features: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, features)).astype(dtype)


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_weights_and_biases_are_views_of_one_aligned_buffer(sizes: list[int], dtype: str) -> None:
    net = network(sizes, dtype=dtype)
    assert net.buffer.ctypes.data % 64 == 0
    assert net.buffer.dtype == dtype
    pairs = list(itertools.pairwise(sizes))
    assert [w.shape for w in net.weights] == pairs
    assert [b.shape for b in net.biases] == [(n,) for _, n in pairs]
    assert net.n_parameters == sum(i * o + o for i, o in pairs)
    for array in (*net.weights, *net.biases):
        assert np.shares_memory(array, net.buffer)
        assert array.ctypes.data % array.itemsize == 0
    for w in net.weights:
        assert w.ctypes.data % 64 == 0
        assert w.strides[0] % 16 == 0
    net.set_parameters(np.zeros(net.n_parameters))
    assert not net.buffer.any()
    for k, array in enumerate((*net.weights, *net.biases), start=1):
        array[:] = k
    counts = np.bincount(net.buffer.astype(int))[1:]
    assert counts.tolist() == [array.size for array in (*net.weights, *net.biases)]


def test_a_written_weight_changes_the_prediction() -> None:
    net = fastmlp.Network([2, 3], init="zeros")
    net.weights[0][1, 2] = 5.0
    net.biases[0][0] = 1.0
    logits = np.log(net.predict_proba([[0.0, 1.0]]))
    np.testing.assert_allclose(logits - logits[0, 1], [[1, 0, 5]], atol=1e-5)


def test_an_array_assigned_to_a_layer_is_written_into_it() -> None:
    net, x = fastmlp.Network([4, 3, 2], output="identity", init="zeros"), np.eye(4)[:1]
    views = [*net.weights, *net.biases]
    net.weights[0] = np.ones((4, 3))
    net.weights[-1] = [[1, 2]] * 3
    net.biases[1] += 1  # Python assigns the sum, which is the view itself
    assert net.predict(x).tolist() == [[4.0, 7.0]]
    net.biases = [np.full(3, 1.0), np.zeros(2)]
    assert net.predict(x).tolist() == [[6.0, 12.0]]
    net.weights[:] = [np.full((4, 3), 2.0), np.ones((3, 2))]
    assert net.predict(x).tolist() == [[9.0, 9.0]]
    assert all(one is other for one, other in zip(views, net.weights + net.biases, strict=True))


def test_what_does_not_fit_a_layer_is_refused_and_changes_none() -> None:
    net = fastmlp.Network([4, 3, 2])
    before = net.parameters()
    with pytest.raises(fastmlp.FastMLPError, match=r"^weights\[1\]: expected shape \(3, 2\), got"):
        net.weights[-1] = np.ones(2)
    with pytest.raises(fastmlp.FastMLPError, match=r"^weights\[0\]: expected finite numbers"):
        net.weights[0] = np.full((4, 3), np.nan)
    with pytest.raises(fastmlp.FastMLPError, match=r"^biases\[1\]: expected shape"):
        net.biases = [np.ones(3), np.ones(3)]
    with pytest.raises(fastmlp.FastMLPError, match=r"^weights: expected 2 arrays, got 1"):
        net.weights = [np.ones((4, 3))]
    np.testing.assert_array_equal(net.parameters(), before)


def test_layers_given_as_what_others_become_are_read_before_they_are_written() -> None:
    net = fastmlp.Network([3, 3, 3], seed=0)
    first, second = (w.copy() for w in net.weights)
    net.weights[:2] = net.weights[1::-1]
    np.testing.assert_array_equal(net.weights[0], second)
    np.testing.assert_array_equal(net.weights[1], first)
    net.weights = net.weights[::-1]
    np.testing.assert_array_equal(net.weights[0], first)


def test_weights_are_a_sequence_that_keeps_its_layers() -> None:
    net = fastmlp.Network([4, 3, 2], seed=0)
    assert isinstance(net.weights, Sequence)
    assert len(net.weights) == len(list(net.weights)) == 2
    assert net.weights[1] is net.weights[1:][0] is (net.weights + net.biases)[1]
    assert not {"append", "pop", "insert", "__delitem__", "sort"} & set(dir(net.weights))
    for copied in (copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))):
        twin = copied(net.weights)
        twin[0] = np.zeros((4, 3))
        assert net.weights[0].any()
    assert copy.copy(net.weights)[0] is net.weights[0]
    assert repr(net.weights) == repr(list(net.weights))


@pytest.mark.parametrize("size", [1, 15, 16, 17, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_memory_is_aligned_to_64_bytes(size: int, dtype: str) -> None:
    for _ in range(5):
        array = aligned_zeros(size, dtype)
        assert array.shape == (size,)
        assert array.ctypes.data % 64 == 0
        assert not array.any()


@pytest.mark.parametrize("rows", [1, TILE_ROWS, TILE_ROWS + 1, 300])
def test_workspaces_are_aligned_and_borrowed_again(rows: int) -> None:
    net = network()
    space = net.borrow_workspace(rows)
    assert isinstance(space, Workspace)
    assert space.capacity >= rows
    assert space.activations.ctypes.data % 64 == 0
    assert space.deltas.ctypes.data % 64 == 0
    assert net.borrow_workspace(rows) is not space
    net.return_workspace(space)
    assert net.borrow_workspace(rows) is space


def test_states_of_optimizers_are_aligned() -> None:
    net = network()
    state = fastmlp.Adam().state(net)
    for buffer in (state.first, state.second):
        assert buffer.ctypes.data % 64 == 0
        assert buffer.size == net.buffer.size


def test_initialisers() -> None:
    sizes = [400, 300, 10]
    for init, spread in [
        ("he", np.sqrt(2 / 400)),
        ("glorot", np.sqrt(2 / 700)),
        ("normal", 0.01),
        (("he", 0.5), 0.5 * np.sqrt(2 / 400)),
        (("glorot", 3), 3 * np.sqrt(2 / 700)),
        (("normal", 0.2), 0.2),
    ]:
        net = fastmlp.Network(sizes, init=init, seed=5)
        assert net.weights[0].std() == pytest.approx(spread, rel=0.02)
        assert abs(net.weights[0].mean()) < spread / 50
        assert not any(b.any() for b in net.biases)
    glorot = fastmlp.Network(sizes, init="glorot", seed=5).weights[0]
    assert np.abs(glorot).max() <= np.sqrt(6 / 700)
    assert np.abs(glorot).max() > 0.99 * np.sqrt(6 / 700)
    assert not fastmlp.Network(sizes, init="zeros").buffer.any()


def test_a_seed_gives_the_same_weights_in_both_dtypes() -> None:
    single, double = (fastmlp.Network([9, 8, 3], seed=4, dtype=d) for d in ("float32", "float64"))
    np.testing.assert_array_equal(single.parameters(), double.parameters().astype("float32"))
    other = fastmlp.Network([9, 8, 3], seed=5)
    assert not np.array_equal(single.weights[0], other.weights[0])
    unseeded = [fastmlp.Network([9, 8, 3], seed=None).parameters() for _ in range(2)]
    assert not np.array_equal(*unseeded)


def test_parameters_go_around() -> None:
    net, other = network(), network(seed=9)
    other.set_parameters(net.parameters())
    np.testing.assert_array_equal(other.buffer, net.buffer)
    augmented = net.augmented_weights()
    assert [m.shape for m in augmented] == [(7, 5), (6, 4), (5, 3)]
    np.testing.assert_array_equal(augmented[0][0], net.biases[0])
    np.testing.assert_array_equal(augmented[0][1:], net.weights[0])
    third = network(seed=9)
    third.set_augmented_weights(augmented)
    np.testing.assert_array_equal(third.buffer, net.buffer)
    augmented[0][:] = 0  # a copy
    np.testing.assert_array_equal(third.buffer, net.buffer)


# --- what it predicts -----------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 3e-6), ("float64", 1e-14)])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
@pytest.mark.parametrize("hidden", ["relu", "sigmoid", "tanh", "identity"])
def test_outputs_equal_the_reference(
    hidden: str, output: str, dtype: str, tolerance: float
) -> None:
    for sizes in SIZES:
        net = network(sizes, hidden=hidden, output=output, dtype=dtype)
        x = samples(11, sizes[0], dtype)
        expected = reference.forward(
            x.astype("float64"), [w.astype("float64") for w in net.weights],
            [b.astype("float64") for b in net.biases], hidden, output,
        )[-1]  # fmt: skip
        found = net.predict_proba(x)
        assert found.dtype == dtype
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=10 * tolerance * scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [[20, 13, 5], [FLOATS + 1, FLOATS, 10], [7, 3]], ids=str)
def test_a_row_does_not_depend_on_its_batch(sizes: list[int], dtype: str) -> None:
    net = network(sizes, dtype=dtype)
    n = 3 * BLOCK_ROWS + 5
    x = samples(n, sizes[0], dtype)
    whole = net.predict_proba(x)
    for rows in (
        [slice(i, i + 1) for i in range(0, n, 37)]
        + [slice(a, a + w) for a in (0, 1, 130) for w in (2, 3, 7, 8, 9, 127, 128, 129, 200)]
        + [slice(None, None, -1)]
    ):
        np.testing.assert_array_equal(net.predict_proba(x[rows]), whole[rows])


def test_predict_by_the_kind_of_output() -> None:
    x = samples(50, 6)
    softmax = network()
    classes = softmax.predict(x)
    assert classes.dtype == np.int64
    np.testing.assert_array_equal(classes, softmax.predict_proba(x).argmax(1))
    several = network([6, 5, 3], output="sigmoid")
    np.testing.assert_array_equal(several.predict(x), several.predict_proba(x).argmax(1))
    one = network([6, 5, 1], output="sigmoid")
    assert one.predict_proba(x).shape == (50, 1)
    np.testing.assert_array_equal(one.predict(x), one.predict_proba(x)[:, 0] >= 0.5)
    assert set(one.predict(x)) == {0, 1}
    numbers = network([6, 5, 2], output="identity")
    np.testing.assert_array_equal(numbers.predict(x), numbers.predict_proba(x))
    half = fastmlp.Network([2, 1], output="sigmoid", init="zeros")
    assert half.predict([[1.0, 2.0]]).tolist() == [1]


@pytest.mark.parametrize(
    ("output", "loss"),
    [
        ("softmax", "cross_entropy"),
        ("softmax", "squared_error"),
        ("sigmoid", "cross_entropy"),
        ("sigmoid", "mnist_loss"),
        ("identity", "squared_error"),
    ],
)
def test_evaluate_equals_the_reference(output: str, loss: str) -> None:
    net = network(output=output, dtype="float64")
    x = samples(3 * BLOCK_ROWS, 6, "float64")
    y = np.random.default_rng(0).integers(0, 3, len(x))
    weight = np.random.default_rng(1).uniform(0, 2, len(x))
    targets = y if loss == "cross_entropy" and output == "softmax" else np.eye(3)[y]
    expected = reference.loss(x, targets, net.weights, net.biases, "tanh", output, loss, weight)
    found = net.evaluate(x, np.eye(3)[y], loss, weight)
    assert found["loss"] == pytest.approx(expected, rel=1e-12)
    if output == "identity":
        assert np.isnan(found["accuracy"])
    else:
        right = net.predict(x) == y
        assert found["accuracy"] == pytest.approx(np.average(right, weights=weight), rel=1e-12)


def test_binary_classes_of_one_output() -> None:
    net = network([6, 5, 1], output="sigmoid", dtype="float64")
    x = samples(40, 6, "float64")
    y = np.arange(40) % 2
    p = net.predict_proba(x)[:, 0]
    expected = -np.where(y == 1, np.log(p), np.log(1 - p)).mean()
    for form in (y, y[:, None], y.astype(bool), y.astype("float32")):
        found = net.evaluate(x, form)
        assert found["loss"] == pytest.approx(expected, rel=1e-12)
        assert found["accuracy"] == ((p >= 0.5) == y).mean()


def test_large_logits_do_not_overflow() -> None:
    for output in ("softmax", "sigmoid"):
        net = fastmlp.Network([1, 3], output=output, init="zeros")
        net.weights[0][:] = [[1e4, -1e4, 0]]
        p = net.predict_proba([[1.0], [-1.0]])
        assert np.isfinite(p).all()
        assert np.isfinite(net.evaluate([[1.0], [-1.0]], [1, 0])["loss"])


@pytest.mark.parametrize("classes", [2, 10, 100, 1000])
def test_probabilities_sum_to_one_however_many_classes(classes: int) -> None:
    """In inference, alone and in a batch, in training, and in the public kernels."""
    net = fastmlp.Network([classes, classes], init="zeros")
    net.weights[0][:] = np.eye(classes)
    random, worst = np.random.default_rng(0), 0.0
    for size in (1, 10, 50):
        logits = random.uniform(-size, size, (64, classes)).astype("float32")
        public, dense = np.empty((2, *logits.shape), "float32")
        kernels.softmax(logits, public)
        kernels.dense_softmax(logits, net.weights[0], net.biases[0], dense)
        alone = np.concatenate([net.predict_proba(row[None]) for row in logits])
        for found in (net.predict_proba(logits), alone, public, dense):
            worst = max(worst, float(np.abs(found.sum(axis=1, dtype=float) - 1).max()))
        shares = random.dirichlet(np.ones(classes), len(logits))
        for row, share in zip(logits, shares, strict=True):
            for target in (np.zeros(1, int), share[None]):
                _, (biases,) = net.gradients(row[None], target)  # p - t
                worst = max(worst, abs(float(biases.sum(dtype=float))))
    assert worst <= 3e-7


# --- forms of data --------------------------------------------------------------------------------


def forms(tmp_path: Path) -> dict[str, Any]:
    """Return the same 130 samples of 784 pixels in all forms that are taken as they are."""
    pixels = np.random.default_rng(0).integers(0, 256, (130, 784), "uint8")
    floats = pixels.astype("float32")
    wide = np.zeros((260, 3 * 784), "float32")
    wide[1::2, 2::3] = floats
    frozen = floats.copy()
    frozen.flags.writeable = False
    floats.tofile(tmp_path / "x.bin")
    mapped = np.memmap(tmp_path / "x.bin", "float32", "r", shape=floats.shape)
    shifted = np.zeros(floats.nbytes + 1, "uint8")
    shifted[1:] = floats.view("uint8").ravel()
    return {
        "float32": floats,
        "float64": pixels.astype("float64"),
        "uint8": pixels,
        "int64": pixels.astype("int64"),
        "float16": pixels.astype("float16"),
        "big-endian": pixels.astype(">f4"),
        "fortran": np.asfortranarray(floats),
        "fortran uint8": np.asfortranarray(pixels),
        "strided": wide[1::2, 2::3],
        "backwards": np.ascontiguousarray(floats[::-1, ::-1])[::-1, ::-1],
        "read-only": frozen,
        "memmap": mapped,
        "unaligned": shifted[1:].view("float32").reshape(130, 784),
        "images": pixels.reshape(130, 28, 28),
        "list": pixels.tolist(),
        "DataFrame": pd.DataFrame(pixels),
        "CSR": scipy.sparse.csr_matrix(floats),
        "CSR array": scipy.sparse.csr_array(pixels),
    }


def test_all_forms_of_data_give_the_same_bits_and_code(tmp_path: Path) -> None:
    y = np.arange(130) % 10
    results, signatures = {}, set()
    for name, x in forms(tmp_path).items():
        net = fastmlp.Network([784, 12, 10], seed=0, input_scale=1 / 255)
        fastmlp.Trainer(net, batch_size=50, seed=0).fit(x, y, epochs=2)
        results[name] = np.append(net.parameters(), net.predict_proba(x))
        if hasattr(step.train, "signatures"):
            kernels = (step.train, step.infer, samples_part.dispatcher)
            signatures.add(tuple(len(kernel.signatures) for kernel in kernels))
    for name, found in results.items():
        np.testing.assert_array_equal(found, results["float32"], err_msg=name)
    assert len(signatures) <= 1


def test_data_are_never_written(tmp_path: Path) -> None:
    x = samples(40, 6)
    y = np.arange(40) % 3
    before = x.copy(), y.copy()
    net = network()
    fastmlp.Trainer(net).fit(x, y, epochs=2)
    net.predict(x)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


# --- copies and files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "copied",
    [lambda net: pickle.loads(pickle.dumps(net)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_copies_are_equal_and_apart(copied: Any) -> None:
    net = network(dtype="float64", input_scale=0.5, classes=["a", "b", "c"])
    x = samples(20, 6)
    before = net.predict_proba(x)
    twin = copied(net)
    assert repr(twin) == repr(net)
    assert twin.input_scale == 0.5
    assert list(twin.classes) == ["a", "b", "c"]
    assert twin.buffer.ctypes.data % 64 == 0
    np.testing.assert_array_equal(twin.predict_proba(x), before)
    fastmlp.Trainer(twin).fit(x, np.arange(20) % 3, epochs=1)
    np.testing.assert_array_equal(net.predict_proba(x), before)
    assert not np.array_equal(twin.predict_proba(x), before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [None, ["cat", "dog", "emu"], [10, 20, 30]], ids=str)
def test_a_saved_network_is_loaded_again(tmp_path: Path, dtype: str, classes: Any) -> None:
    path = tmp_path / "net.safetensors"
    net = network(dtype=dtype, hidden="sigmoid", input_scale=1 / 3, classes=classes)
    net.save(path)
    loaded = fastmlp.Network.load(path)
    assert repr(loaded) == repr(net)
    assert loaded.input_scale == net.input_scale
    np.testing.assert_array_equal(loaded.buffer, net.buffer)
    if classes is None:
        assert loaded.classes is None
    else:
        assert loaded.classes.tolist() == classes
    x = samples(20, 6)
    np.testing.assert_array_equal(loaded.predict_proba(x), net.predict_proba(x))


def test_a_trained_network_is_used_while_it_is_trained() -> None:
    """Callbacks may predict and evaluate: buffers are not shared with the training."""
    x = samples(300, 6)
    y = np.arange(300) % 3
    watched, plain = network(), network()

    class Watch:
        seen = 0

        def on_chunk_end(self, trainer: Any, history: Any) -> None:
            trainer.network.predict(x)
            trainer.network.loss_and_gradient(x, y)
            self.seen += 1

    watch = Watch()
    fastmlp.Trainer(watched, batch_size=32).fit(x, y, epochs=3, callbacks=[watch])
    fastmlp.Trainer(plain, batch_size=32).fit(x, y, epochs=3)
    assert watch.seen >= 3
    np.testing.assert_array_equal(watched.parameters(), plain.parameters())


@pytest.mark.parametrize("hidden", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("zeros", [0.0, 0.9])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_predicting_names_what_is_not_finite_also_where_units_saturate(
    hidden: str, zeros: float, bad: float
) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((300, 30), np.float32) * (rng.random((300, 30)) >= zeros)
    x[200, 7] = bad
    net = fastmlp.Network([30, 20, 3], hidden=hidden, seed=0)
    with pytest.raises(ValueError, match=r"x: expected finite .* at \[200, 7\]"):
        net.predict_proba(x)
