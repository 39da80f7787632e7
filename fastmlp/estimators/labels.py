"""Classes: their names, codes and weights, and what outputs say about them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_array, column_or_1d, compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import unique_labels

from fastmlp.errors import invalid
from fastmlp.estimators.base import BaseMLP
from fastmlp.kernels import losses
from fastmlp.targets import Targets

__all__ = ["LabelledMLP"]

_NO_LABELS = np.zeros(0, np.int64)


class LabelledMLP(BaseMLP):
    """What of a classifier is about its classes; `MLPClassifier` is to be used."""

    def _decide(self, outputs: NDArray[Any]) -> Any:
        """Return the classes that outputs stand for: the largest, or those above one half."""
        if self.out_activation_ == "softmax":
            return self.classes_[outputs.argmax(axis=1)]
        above = outputs > 0.5
        if self._multilabel:
            labels = above.astype(np.int64)
            return csr_matrix(labels) if self._label_binarizer.sparse_input_ else labels
        if len(self.classes_) == 1:
            return np.repeat(self.classes_, len(outputs))
        return self.classes_[above[:, 0].astype(np.int64)]

    def _validate_targets(self, y: Any, incremental: bool) -> Any:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            kind = self._label_binarizer.y_type_
            if kind not in ("binary", "multiclass", "multilabel-indicator"):
                raise ValueError(f"{kind} target data is not supported with label binarization")
            self.classes_ = self._label_binarizer.classes_
        elif self.warm_start:
            classes = unique_labels(y)
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous "
                    f"call to fit. Previously got {self.classes_}, `y` has {classes}"
                )
            y = self._as_fitted(y)
        else:
            y = self._as_fitted(y)
        return y

    def _validate_held_out(self, y: Any) -> Any:
        if not self._multilabel:
            y = column_or_1d(y, warn=True)
        return self._as_fitted(check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None))

    def _as_fitted(self, y: Any) -> Any:
        """Return y of known classes, as indicators where the network was made for such."""
        if y.ndim == 2 and not self._multilabel:
            raise ValueError("The object was not fitted with multilabel input.")
        classes = unique_labels(y)
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {classes}."
            )
        return self._label_binarizer.transform(y) if self._multilabel and y.ndim == 1 else y

    @property
    def _multilabel(self) -> bool:
        return bool(self._label_binarizer.y_type_.startswith("multilabel"))

    def _output_units(self, y: Any) -> tuple[int, str]:
        if self._label_binarizer.y_type_ == "multiclass":
            return len(self.classes_), "softmax"
        return (y.shape[1] if self._multilabel else 1), "logistic"

    def _loss_code(self) -> int:
        return losses.LOG_LOSS

    def _labels(self, y: Any) -> Any:
        """Return the classes' indices."""
        if len(self.classes_) == 1:
            return np.zeros(len(y), np.int64)
        return np.searchsorted(self.classes_, y).astype(np.int64, copy=False)

    def _encode(self, y: Any, outputs: int, dtype: np.dtype[Any]) -> Targets:
        if self._multilabel:
            indicators = self._label_binarizer.transform(y)
            return Targets(_NO_LABELS, np.array(indicators, dtype, order="C"), False)
        return Targets(self._labels(y), np.zeros((1, outputs), dtype), True)

    def _stratified(self, y: Any) -> Any:
        # As text: scikit-learn stratifies by the indicator column, and names it so in its errors.
        return np.where(self._labels(y), "True", "False") if self.n_outputs_ == 1 else None

    def _labels_by_column(self, y: Any) -> Any:
        """Return indices of classes, (1, n), or whether each of several applies, (n_classes, n)."""
        if self._multilabel:
            return self._label_binarizer.transform(y).T.astype(np.int64)
        return self._labels(y)[None]

    def _weighted_by_class(self, y: Any, sample_weight: Any, incremental: bool) -> Any:
        if isinstance(self.class_weight, str):
            # Of all samples since the last fit: a batch may lack classes.
            before = getattr(self, "_class_totals", 0.0) if incremental else 0.0
            kinds = 2 if self._multilabel else len(self.classes_)
            totals = [np.bincount(c, sample_weight, kinds) for c in self._labels_by_column(y)]
            self._class_totals = before + np.array(totals, np.float64)
        return self._weighted_as_before(y, sample_weight)

    def _weighted_as_before(self, y: Any, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        if isinstance(self.class_weight, str):
            totals = self._class_totals
            there = totals > 0.0
            factors = np.ones_like(totals)
            share = totals.sum(axis=1, keepdims=True) / there.sum(axis=1, keepdims=True).clip(1)
            np.divide(share, totals, out=factors, where=there)
            columns = self._labels_by_column(y)
            weight = np.prod(np.take_along_axis(factors, columns, axis=1), axis=0)
        elif self._multilabel:
            weight = compute_sample_weight(self.class_weight, y)
        else:
            weights = compute_class_weight(
                self.class_weight, classes=self.classes_, y=self.classes_
            )
            weight = weights[self._labels(y)]
        if not (weight >= 0.0).all():
            raise invalid("class_weight", "numbers that are not negative", self.class_weight)
        return weight if sample_weight is None else weight * sample_weight

    def _score_outputs(self, outputs: Any, y: Any, sample_weight: Any) -> float:
        if self._multilabel:
            hits = ((outputs > 0.5) == (y.toarray() if issparse(y) else y)).all(axis=1)
        else:
            hits = self._decide(outputs) == y
        return float(np.average(hits, weights=sample_weight))
