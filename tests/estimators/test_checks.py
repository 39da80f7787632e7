"""scikit-learn's checks of estimators, over solvers, dtypes and early stopping."""

from __future__ import annotations

import itertools

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastmlp import MLPClassifier, MLPRegressor

# The checks fit for few epochs, and do not turn warnings into errors themselves.
pytestmark = pytest.mark.filterwarnings("default")

SPLIT = "early stopping holds out others of the samples when some are repeated or left out"
ROUNDING = "float32 rounds more than the check allows"
EQUIVALENCE = (
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
)


def expected_failures(estimator):
    """Return what cannot hold by nature, each with the reason."""
    single, early = estimator.dtype == "float32", estimator.early_stopping
    expected = {}
    if estimator.solver != "lbfgs" and (single or early):
        expected |= dict.fromkeys(EQUIVALENCE, SPLIT if early else ROUNDING)
    if isinstance(estimator, MLPRegressor):
        if single:
            expected["check_regressor_multioutput"] = "predictions have the dtype asked for"
    elif early and estimator.solver == "adam":
        expected["check_class_weight_classifiers"] = (
            "weights of 1e-7 leave one class in the score, which is right from the first epoch on"
        )
    elif early:
        expected |= dict.fromkeys(
            (
                "check_classifiers_train",
                "check_classifiers_train(readonly_memmap=True)",
                "check_classifiers_train(readonly_memmap=True,X_dtype=float32)",
            ),
            "sgd with its default learning rate stops early, as scikit-learn's does",
        )
    elif single and estimator.solver == "lbfgs":
        expected["check_classifiers_multilabel_output_format_predict_proba"] = (
            "a probability this near to 1 is 1 in float32"
        )
    return expected


def estimators(quick):
    """Return one estimator a solver for quick tests, or all other combinations."""
    for kind, solver, dtype, early in itertools.product(
        (MLPClassifier, MLPRegressor), ("adam", "sgd", "lbfgs"), (None, "float32"), (False, True)
    ):
        if solver == "lbfgs" and early:
            continue
        first = dtype is None and (solver, early) in {("adam", True), ("sgd", False)}
        if first == quick:
            # The checks have data sets of 10 samples: a tenth of them cannot be split off.
            yield kind(
                solver=solver, dtype=dtype, early_stopping=early, validation_fraction=0.3,
                max_iter=100,
            )  # fmt: skip


@parametrize_with_checks(list(estimators(True)), expected_failed_checks=expected_failures)
def test_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(list(estimators(False)), expected_failed_checks=expected_failures)
def test_checks_of_other_combinations(estimator, check):
    check(estimator)
