"""Nearest mean: the simplest classifier, to compare others with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import pairwise_distances
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from fastmlp.validation import check_choice

__all__ = ["NearestMean"]

_METRICS = {"l1": "manhattan", "rmse": "euclidean"}


class NearestMean(ClassifierMixin, BaseEstimator):
    """Assigns the class whose mean is nearest.

    scikit-learn's `NearestCentroid` takes medians where distances are L1; this takes means.

    Parameters
    ----------
    norm : {"l1", "rmse"}
        Distance of two samples: the mean of the absolute differences of their features, or the
        root of the mean of the squared ones.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    means_ : ndarray of shape (n_classes, n_features)
    n_features_in_ : int

    Examples
    --------
    >>> model = NearestMean(norm="rmse").fit([[0.0, 0.0], [0.0, 1.0], [4.0, 4.0]], ["a", "a", "b"])
    >>> model.means_.tolist()
    [[0.0, 0.5], [4.0, 4.0]]
    >>> model.predict([[1.0, 1.0], [3.0, 3.0]]).tolist()
    ['a', 'b']
    """

    def __init__(self, norm: str = "l1") -> None:
        self.norm = norm

    def fit(self, X: ArrayLike, y: ArrayLike) -> NearestMean:
        """Take the mean of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)

        Raises
        ------
        ValueError
            The data or `norm` cannot be used.
        """
        check_choice("norm", self.norm, tuple(_METRICS))
        rows, labels = validate_data(self, X, y, dtype=(np.float64, np.float32))
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y: expected at least 2 classes, got {len(self.classes_)} class")
        self.means_ = np.array([rows[codes == k].mean(axis=0) for k in range(len(self.classes_))])
        return self

    def distances(self, X: ArrayLike) -> NDArray[Any]:
        """Return the distance of each sample from each mean, (n_samples, n_classes)."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        total = pairwise_distances(rows, self.means_, metric=_METRICS[self.norm])
        n = rows.shape[1]
        mean: NDArray[Any] = total / (n if self.norm == "l1" else np.sqrt(n))
        return mean

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class whose mean is nearest, (n_samples,)."""
        nearest = self.distances(X).argmin(axis=1)
        classes: NDArray[Any] = self.classes_[nearest]
        return classes
