"""Fitted estimators of scikit-learn from ours, and the other way."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.base import ClassifierMixin

from fastmlp.errors import invalid
from fastmlp.estimators.arguments import hidden_sizes

__all__ = ["copy_fitted", "their_kind", "to_sklearn"]

_THEIR_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
_THEIR_SCHEDULES = ("constant", "invscaling", "adaptive")
_ATTRIBUTES = (
    *("n_layers_", "n_outputs_", "out_activation_", "n_iter_", "t_", "loss_", "best_loss_"),
    *("loss_curve_", "validation_scores_", "best_validation_score_", "_no_improvement_count"),
    *("classes_", "_label_binarizer", "n_features_in_", "feature_names_in_"),
)


def their_kind(ours: type) -> Any:
    """Return scikit-learn's class for one of ours, or for one made of it."""
    name = "MLPClassifier" if issubclass(ours, ClassifierMixin) else "MLPRegressor"
    return getattr(neural_network, name)


def copy_fitted(source: Any, target: Any) -> None:
    """Give `target` what was fitted in `source`; no array is shared."""
    for name in _ATTRIBUTES:
        if hasattr(source, name):
            value = getattr(source, name)
            setattr(target, name, list(value) if isinstance(value, list) else value)
    target.coefs_ = [np.array(coef, order="C") for coef in source.coefs_]
    target.intercepts_ = [np.array(intercept) for intercept in source.intercepts_]


def to_sklearn(estimator: Any) -> Any:
    """Return scikit-learn's estimator with the same fitted network."""
    kind = their_kind(type(estimator))
    known = kind().get_params()
    given = estimator.get_params(deep=False)
    parameters = {name: value for name, value in given.items() if name in known}
    sizes = hidden_sizes(estimator.hidden_layer_sizes)
    names = estimator.activation
    names = {names} if isinstance(names, str) else set(names)
    if not sizes:
        names = {"relu"}  # no layer has it
    if len(names) > 1 or not names <= set(_THEIR_ACTIVATIONS):
        expected = f"one of {', '.join(_THEIR_ACTIVATIONS)} for all layers, to be scikit-learn's"
        raise invalid("activation", expected, estimator.activation)
    parameters |= {"hidden_layer_sizes": tuple(sizes), "activation": names.pop()}
    if estimator.learning_rate not in _THEIR_SCHEDULES:
        parameters["learning_rate"] = "constant"
    if estimator.out_activation_ == "exp" and "loss" not in known:
        raise invalid("loss", "'squared_error', which this scikit-learn has alone", "'poisson'")
    if parameters.get("loss") not in (None, "squared_error", "poisson"):
        parameters["loss"] = "squared_error"  # their outputs, too, are what the last layer gives
    made = kind(**parameters)
    copy_fitted(estimator, made)
    if estimator.early_stopping:  # which their warm start may go back to
        made._best_coefs = [coef.copy() for coef in made.coefs_]
        made._best_intercepts = [intercept.copy() for intercept in made.intercepts_]
    return made
