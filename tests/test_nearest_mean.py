"""NearestMean: scikit-learn's contract, and distances by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastmlp


@parametrize_with_checks([fastmlp.NearestMean(), fastmlp.NearestMean(norm="rmse")])
def test_scikit_learn_s_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("norm", ["l1", "rmse"])
def test_distances_are_those_of_the_norm(norm: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)), np.arange(40) % 3
    model = fastmlp.NearestMean(norm).fit(x, y)
    np.testing.assert_allclose(model.means_, [x[y == k].mean(axis=0) for k in range(3)])
    apart = x[:, None, :] - model.means_[None]
    l1, rmse = np.abs(apart).mean(axis=2), np.sqrt((apart**2).mean(axis=2))
    np.testing.assert_allclose(model.distances(x), l1 if norm == "l1" else rmse, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(x), model.distances(x).argmin(axis=1))


def test_with_squares_it_is_the_nearest_centroid() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 5)), rng.choice(["a", "b", "c"], 200)
    ours, theirs = fastmlp.NearestMean("rmse").fit(x, y), NearestCentroid().fit(x, y)
    np.testing.assert_array_equal(ours.predict(x), theirs.predict(x))


def test_a_norm_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="norm: expected one of l1, rmse, got 'l3'"):
        fastmlp.NearestMean("l3").fit([[0.0], [1.0]], [0, 1])
