"""What the estimators' parameters may be, and what they mean to the kernels."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, Options, StrOptions

from fastmlp.errors import invalid, invalid_type
from fastmlp.kernels import activations
from fastmlp.threads import available_threads, check_threads
from fastmlp.validation import as_array

__all__ = [
    "CONSTRAINTS",
    "HIDDEN",
    "OUTPUT",
    "check_numeric",
    "hidden_codes",
    "hidden_sizes",
    "threads_of",
]

# As scikit-learn names them.
HIDDEN = {
    "logistic" if name == "sigmoid" else name: code for name, code in activations.HIDDEN.items()
}
OUTPUT = {
    "identity": activations.IDENTITY,
    "logistic": activations.SIGMOID,
    "softmax": activations.SOFTMAX,
    "exp": activations.EXP,
}

_TYPES = {np.float32, np.float64}

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"), str],
    "activation": [StrOptions(set(HIDDEN)), list, tuple],
    "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", "cosine", "one_cycle"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "scoring": [StrOptions({"loss", *get_scorer_names()}), callable, None],
    "restore_best_weights": ["boolean", None],
    "reset_optimizer": ["boolean"],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "max_time": [Interval(Real, 0, None, closed="neither"), None],
    "dtype": [StrOptions({"float32", "float64"}), Options(type, _TYPES), None],
    "n_jobs": [Integral, None],
    "callbacks": [list, tuple, None],
}


def hidden_sizes(value: Any) -> list[int]:
    """Return the units of each hidden layer from an int, a sequence, or a string like "128-64".

    Examples
    --------
    >>> hidden_sizes("128-64"), hidden_sizes(20), hidden_sizes(())
    ([128, 64], [20], [])
    """
    if isinstance(value, str):
        parts: Iterable[Any] = value.replace(",", "-").split("-")
        try:
            sizes = [int(part) for part in parts]
        except ValueError:
            expected = "integers with '-' between them, like '128-64'"
            raise invalid("hidden_layer_sizes", expected, repr(value)) from None
    elif np.ndim(value) == 0:
        sizes = [value]
    else:
        sizes = list(value)
    for size in sizes:
        if isinstance(size, bool | np.bool_) or not isinstance(size, Integral):
            raise invalid_type("hidden_layer_sizes", "integers", size)
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]


def hidden_codes(activation: Any, layers: int) -> list[int]:
    """Return the kernels' codes for one activation, or for one of each hidden layer.

    Examples
    --------
    >>> hidden_codes(["relu", "tanh"], 2) == hidden_codes("relu", 1) + hidden_codes("tanh", 1)
    True
    """
    if isinstance(activation, str):
        return [HIDDEN[activation]] * layers
    names = list(activation)
    if len(names) != layers:
        expected = f"one name, or one for each of {layers} hidden layers"
        raise invalid("activation", expected, f"{len(names)}")
    for name in names:
        if name not in HIDDEN:
            raise invalid("activation", f"names of {', '.join(sorted(HIDDEN))}", repr(name))
    return [HIDDEN[name] for name in names]


def threads_of(n_jobs: int | None) -> int | None:
    """Return how many threads `n_jobs` asks for; None leaves it to the work.

    Negative numbers count from the threads there are, as in joblib: -1 is all of them.
    """
    if n_jobs is None:
        return None
    if n_jobs == 0:
        raise invalid("n_jobs", "None, a positive integer, or a negative one", 0)
    if n_jobs < 0:
        return max(1, available_threads() + 1 + int(n_jobs))
    return check_threads(int(n_jobs))


def check_numeric(name: str, y: Any) -> None:
    """Refuse dates, and words that could be read as numbers: NumPy would convert them unasked."""
    array = as_array(name, y, "numbers")
    if array.dtype.kind in "biufc" or issparse(y) or y is None:
        return
    dates = str | bytes | date | timedelta | np.datetime64 | np.timedelta64
    if array.dtype != object or any(isinstance(value, dates) for value in array.flat):
        raise invalid(name, "numbers", f"words or dates, of dtype {array.dtype}")
