"""The same bits from the same numbers, however they come; and from one version to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import fastmlp

RNG = np.random.default_rng(0)
N = 300
X = np.round(RNG.normal(size=(N, 40)) * RNG.integers(0, 2, (N, 40)), 2).astype("float32")
Y = RNG.integers(0, 5, N)


def trained(x: Any, dtype: str = "float32", batch: int | None = 64) -> tuple[bytes, bytes]:
    """Return parameters and predictions after three epochs."""
    net = fastmlp.Network([40, 33, 5], seed=3, dtype=dtype)
    fastmlp.Trainer(net, batch_size=batch, seed=4, l2=0.01).fit(x, Y, epochs=3)
    return net.buffer.tobytes(), net.predict_proba(x).tobytes()


def mapped(folder: Path) -> np.ndarray:
    np.save(folder / "x.npy", X)
    return np.load(folder / "x.npy", mmap_mode="r")


FORMS: dict[str, Any] = {
    "float64": lambda folder: X.astype("float64"),
    "Fortran": lambda folder: np.asfortranarray(X),
    "memmap": mapped,
    "DataFrame": lambda folder: pd.DataFrame(X),
    "every other row and column": lambda folder: np.repeat(np.repeat(X, 2, 0), 2, 1)[::2, ::2],
    "backwards": lambda folder: X[::-1].copy()[::-1],
    "images": lambda folder: X.reshape(N, 8, 5),
    "list": lambda folder: X.tolist(),
    "big-endian": lambda folder: X.astype(">f4"),
    "CSR": lambda folder: scipy.sparse.csr_matrix(X),
    "CSC of float64": lambda folder: scipy.sparse.csc_array(X.astype("float64")),
    "unaligned": lambda folder: np.frombuffer(b"\0" + X.tobytes(), "u1")[1:].view("f4"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch", [64, None])
def test_the_form_of_the_data_does_not_matter(tmp_path: Path, form: str, batch: int | None) -> None:
    x = FORMS[form](tmp_path)
    x = x.reshape(N, 40) if form == "unaligned" else x
    assert trained(x, batch=batch) == trained(X, batch=batch)


def test_bytes_are_the_numbers_they_stand_for() -> None:
    pixels = RNG.integers(0, 255, (N, 40)).astype("uint8")
    assert trained(pixels) == trained(pixels.astype("float32"))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.integers(0, N - 1), min_size=1, max_size=N),
    dtype=st.sampled_from(["float32", "float64"]),
    hidden=st.sampled_from(["relu", "tanh", "sigmoid"]),
)
def test_a_row_s_prediction_does_not_depend_on_its_batch(
    rows: list[int], dtype: str, hidden: str
) -> None:
    net = fastmlp.Network([40, 33, 5], hidden=hidden, dtype=dtype, seed=1)
    whole = net.predict_proba(X)
    np.testing.assert_array_equal(net.predict_proba(X[rows]), whole[rows])
    np.testing.assert_array_equal(net.predict_proba(X[rows[:1]])[0], whole[rows[0]])
