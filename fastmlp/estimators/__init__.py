"""Estimators for scikit-learn: MLPClassifier and MLPRegressor, with its parameters and numbers."""

from fastmlp.estimators.classifier import MLPClassifier
from fastmlp.estimators.regressor import MLPRegressor
from fastmlp.estimators.stochastic import DivergedConvergenceWarning

__all__ = ["DivergedConvergenceWarning", "MLPClassifier", "MLPRegressor"]
