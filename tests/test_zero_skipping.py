"""Zero-skipping: the same numbers as the dense kernels, to the last bit, for all kinds of data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray

import fastmlp
from fastmlp.errors import InvalidTypeError, InvalidValueError
from fastmlp.kernels.target import skips_zeros
from fastmlp.validation import as_samples


def sparse_data(n: int, features: int, density: float = 0.2, seed: int = 0) -> NDArray[np.uint8]:
    generator = np.random.default_rng(seed)
    x = generator.integers(1, 256, (n, features), np.uint8)
    x[generator.random(x.shape) > density] = 0
    x[n // 2] = 0  # a sample without entries
    x[:, features // 2] = 0  # a feature without entries
    return x


def trained(x: Any, y: Any, sizes: list[int], **options: Any) -> NDArray[Any]:
    dtype = options.pop("dtype", "float32")
    weight = options.pop("sample_weight", None)
    net = fastmlp.Network(sizes, hidden="tanh", seed=1, dtype=dtype, input_scale=1 / 255)
    trainer = fastmlp.Trainer(net, seed=0, **options)
    history = trainer.fit(x, y, epochs=2, sample_weight=weight)
    return np.concatenate([net.parameters(), history.loss, net.predict_proba(x).ravel()])


def assert_same(x: Any, y: Any, sizes: list[int], **options: Any) -> None:
    dense = trained(x, y, sizes, zero_skipping=False, **options)
    np.testing.assert_array_equal(trained(x, y, sizes, zero_skipping=True, **options), dense)
    assert np.isfinite(dense).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", [[], [1], [16], [45], [200], [30, 7]], ids=str)
@pytest.mark.parametrize("features", [1, 5, 33, 100, 400])
def test_same_bits_as_dense_for_all_sizes(features: int, hidden: list[int], dtype: str) -> None:
    x, y = sparse_data(150, features), np.arange(150) % 3
    assert_same(x, y, [features, *hidden, 3], dtype=dtype, batch_size=64)


RULES = {
    "sgd": lambda: fastmlp.SGD(0.02),
    "momentum": lambda: fastmlp.SGD(0.01, momentum=0.9),
    "nesterov": lambda: fastmlp.SGD(0.01, momentum=0.9, nesterov=True),
    "adam": lambda: fastmlp.Adam(0.01),
    "adamw": lambda: fastmlp.AdamW(0.01, weight_decay=0.1),
}


@pytest.mark.parametrize("batch_size", [1, 3, 50, None])
@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize("rule", RULES)
def test_same_bits_as_dense_for_all_rules_and_batches(
    rule: str, l2: float, batch_size: int | None
) -> None:
    x, y = sparse_data(300, 60), np.arange(300) % 3
    results = [
        trained(
            x, y, [60, 40, 3], optimizer=RULES[rule](), batch_size=batch_size, l2=l2,
            zero_skipping=skip, sample_weight=np.linspace(0.0, 2.0, 300),
        )
        for skip in (False, True)
    ]  # fmt: skip
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("threads", [1, 2])
def test_same_bits_on_one_thread_and_two(threads: int) -> None:
    x, y = sparse_data(700, 300), np.arange(700) % 3
    alone = trained(x, y, [300, 130, 3], threads=1, zero_skipping=True)
    np.testing.assert_array_equal(
        trained(x, y, [300, 130, 3], threads=threads, zero_skipping=True), alone
    )


def forms(x: NDArray[np.uint8]) -> dict[str, Any]:
    wide = np.zeros((len(x), 2 * x.shape[1]))
    wide[:, ::2] = x
    return {
        "uint8": x,
        "float32": x.astype("float32"),
        "float64": x.astype("float64"),
        "fortran": np.asfortranarray(x.astype("float32")),
        "strided": wide[:, ::2],
        "int64": x.astype("int64"),
        "csr": scipy.sparse.csr_matrix(x.astype("float32")),
        "csr array of bytes": scipy.sparse.csr_array(x),
        "csc": scipy.sparse.csc_matrix(x.astype("float64")),
        "coo": scipy.sparse.coo_matrix(x.astype("float64")),
    }


@pytest.mark.parametrize("zero_skipping", [None, False, True])
def test_all_forms_of_data_give_the_same_bits(zero_skipping: bool | None) -> None:
    x, y = sparse_data(150, 70), np.arange(150) % 3
    expected = trained(x, y, [70, 20, 3], zero_skipping=False, batch_size=40)
    for name, form in forms(x).items():
        found = trained(form, y, [70, 20, 3], zero_skipping=zero_skipping, batch_size=40)
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_a_sparse_matrix_is_left_as_it_was() -> None:
    data, columns = np.array([1.0, 2.0, 3.0]), np.array([2, 0, 2])
    matrix = scipy.sparse.csr_matrix((data, columns, np.array([0, 3, 3])), shape=(2, 4))
    net = fastmlp.Network([4, 3], seed=0)
    np.testing.assert_array_equal(
        net.predict_proba(matrix), net.predict_proba([[2.0, 0.0, 4.0, 0.0], [0.0] * 4])
    )
    np.testing.assert_array_equal(matrix.data, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(matrix.indices, [2, 0, 2])


def test_a_wide_sparse_matrix_is_not_made_dense() -> None:
    """A hundred thousand features a sample: dense, the samples would be 2 GB."""
    generator = np.random.default_rng(0)
    x = scipy.sparse.random(
        5_000, 100_000, density=1e-4, format="csr", dtype="float32", rng=generator
    )
    y = np.arange(5_000) % 2
    net = fastmlp.Network([100_000, 4, 2], seed=0)
    history = fastmlp.Trainer(net, optimizer=fastmlp.SGD(0.1)).fit(x, y, epochs=1)
    assert np.isfinite(history.loss).all()
    assert net.predict(x[:5]).shape == (5,)


@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_array])
def test_sparse_data_that_cannot_be_used_are_refused(form: Any) -> None:
    net = fastmlp.Network([4, 3], seed=0)
    with pytest.raises(InvalidValueError, match=r"x: expected 4 features"):
        net.predict(form(np.ones((2, 5))))
    with pytest.raises(InvalidValueError, match=r"x: expected at least one sample"):
        net.predict(form((0, 4)))
    bad = form(np.eye(4))
    bad.data[1] = np.nan
    with pytest.raises(InvalidValueError, match=r"x: expected finite numbers"):
        net.predict(bad)
    bad = form(np.eye(4))
    bad.indices[2] = 7
    with pytest.raises(InvalidValueError, match=r"x: expected a valid sparse matrix"):
        net.predict(bad)
    with pytest.raises(InvalidValueError, match=r"x: expected a matrix of numbers"):
        net.predict(form(np.eye(4)).astype(complex))


def test_density_decides() -> None:
    assert skips_zeros(0.19, 7)  # MNIST, 200 hidden units
    assert not skips_zeros(0.5, 13)
    assert as_samples(sparse_data(2000, 50, 0.3), 50).density() == pytest.approx(0.3, abs=0.03)
    assert as_samples(scipy.sparse.eye_array(40).tocsr(), 40).density() == 1 / 40


def test_zero_skipping_is_none_true_or_false() -> None:
    net = fastmlp.Network([4, 3], seed=0)
    with pytest.raises(InvalidTypeError, match="zero_skipping: expected None, True"):
        fastmlp.Trainer(net, zero_skipping="yes")
