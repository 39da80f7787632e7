"""What the outputs should be, as users give it and as the kernels read it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastmlp.errors import invalid
from fastmlp.validation import as_array, check_finite

__all__ = ["Targets", "as_targets"]


class Targets(NamedTuple):
    """What the outputs should be: a class a sample, or numbers."""

    labels: NDArray[np.int64]  # (n,), or (0,) where `values` counts
    values: NDArray[Any]  # (n, outputs), or (1, outputs) where `labels` counts
    coded: bool


def _one_hot_labels(values: NDArray[Any]) -> NDArray[np.int64] | None:
    """Return the classes of one-hot rows, or None if a row is not one-hot."""
    is_one = values == 1
    if not ((is_one | (values == 0)).all() and (is_one.sum(axis=1) == 1).all()):
        return None
    return np.ascontiguousarray(is_one.argmax(axis=1), dtype=np.int64)


def as_targets(
    y: ArrayLike, n: int, outputs: int, activation: str, loss: str, dtype: DTypeLike,
    name: str = "y", multilabel: bool | None = None,
) -> Targets:  # fmt: skip
    """Return targets for the kernels.

    Parameters
    ----------
    y : array-like of shape (n,), (n, 1) or (n, outputs)
        Integer classes, one-hot rows, or numbers.
    n, outputs : int
        Samples of x, and outputs of the network.
    activation, loss : str
        Of the network's output and of the training: they decide whether classes are meant.
    multilabel : bool or None
        Whether rows of 0 and 1 tell of each output whether it applies, also where they are one-hot.
    """
    array = as_array(name, y)
    if array.dtype.kind not in "biuf":
        raise invalid(
            name, "numbers: classes from 0, one-hot rows or targets", f"dtype {array.dtype}"
        )
    if array.ndim not in (1, 2):
        raise invalid(name, "shape (n,) or (n, outputs)", f"shape {array.shape}")
    if len(array) != n:
        raise invalid(name, f"{n} rows, as many as x", len(array))
    if array.dtype.kind == "f":
        check_finite(name, array)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.shape[1] != outputs:
        raise invalid(name, f"shape (n,), (n, 1) or (n, {outputs})", f"shape {array.shape}")
    no_labels, no_values = np.zeros(0, np.int64), np.zeros((1, outputs), dtype)
    if activation != "identity":
        labels = None
        if array.ndim == 2:
            labels = None if multilabel else _one_hot_labels(array)
        elif multilabel:
            raise invalid(
                name, f"shape (n, {outputs}), as the network is multilabel", f"shape {array.shape}"
            )
        elif outputs > 1 or np.isin(array, (0, 1)).all():
            with np.errstate(invalid="ignore"):  # what does not fit is another number, and refused
                labels = array.astype(np.int64)
            classes = max(outputs, 2)
            wrong = np.flatnonzero((labels != array) | (labels < 0) | (labels >= classes))
            if len(wrong):
                expected = f"classes from 0 to {classes - 1}"
                raise invalid(name, expected, f"{array[wrong[0]]} at [{wrong[0]}]")
        if labels is not None:
            return Targets(np.require(labels, requirements=["C", "W"]), no_values, True)
    if array.ndim == 1 and outputs > 1:
        raise invalid(name, f"shape (n, {outputs}) for {outputs} outputs", f"shape {array.shape}")
    with np.errstate(over="ignore"):  # what becomes infinite is refused
        values = np.array(array.reshape(n, outputs), dtype, order="C")
    if loss == "mnist_loss" and not np.isin(values, (0, 1)).all():
        raise invalid(name, "targets of 0 or 1 for mnist_loss", "other numbers")
    if loss == "cross_entropy" and ((values < 0).any() or (values > 1).any()):
        raise invalid(name, "targets from 0 to 1 for cross_entropy", "numbers outside")
    check_finite(name, values)
    return Targets(no_labels, values, False)
