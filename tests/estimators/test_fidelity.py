"""The same numbers as scikit-learn: loss curves, scores, weights and predictions in float64."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler, scale

import fastmlp

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EPOCHS = 50
SOLVERS = {
    "nesterov": {"solver": "sgd"},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "sgd": {"solver": "sgd", "momentum": 0},
    "adam": {},
    "adaptive": {
        "solver": "sgd", "learning_rate": "adaptive", "tol": 1e-2, "n_iter_no_change": 2
    },
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
}  # fmt: skip
ACTIVATIONS = ("identity", "logistic", "tanh", "relu")


def data(name):
    if name == "diabetes":
        X, y = load_diabetes(return_X_y=True)
        return "MLPRegressor", StandardScaler().fit_transform(X), scale(y)
    X, y = (load_iris if name == "iris" else load_digits)(return_X_y=True)
    return "MLPClassifier", X, y


def both(name, **parameters):
    """Return scikit-learn's estimator and ours, fitted alike."""
    kind, X, y = data(name)
    settings = {"random_state": 3, "hidden_layer_sizes": (30, 20), "max_iter": EPOCHS} | parameters
    pair = [getattr(home, kind)(**settings).fit(X, y) for home in (neural_network, fastmlp)]
    return pair, X


def assert_same(theirs, ours, X):
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.t_ == theirs.t_
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-6)
    if theirs.early_stopping:
        np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=1e-6)
        assert ours.best_validation_score_ == pytest.approx(theirs.best_validation_score_, 1e-6)
    else:
        assert ours.best_loss_ == pytest.approx(theirs.best_loss_, 1e-6)
    parameters = zip(
        [*ours.coefs_, *ours.intercepts_], [*theirs.coefs_, *theirs.intercepts_], strict=True
    )
    for mine, other in parameters:
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-8)
    outputs = "predict_proba" if hasattr(theirs, "predict_proba") else "predict"
    mine, other = getattr(ours, outputs)(X), getattr(theirs, outputs)(X)
    np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(ours.predict(X) > 0, theirs.predict(X) > 0)


CASES = list(
    itertools.product(
        ("iris", "digits", "diabetes"), SOLVERS, ACTIVATIONS, (0.0, 1e-2), (False, True)
    )
)


def is_quick(name, solver, activation, alpha, early):
    """Every value of every dimension, in few of the combinations."""
    if name == "iris":
        return activation == ("relu", "tanh")[early] and alpha > 0
    if name == "diabetes":
        return solver == "adam" and early == (alpha > 0)
    return (solver, activation, alpha) == ("nesterov", "relu", 0.0)


@pytest.mark.parametrize(
    ("name", "solver", "activation", "alpha", "early"),
    [pytest.param(*c, marks=() if is_quick(*c) else pytest.mark.slow) for c in CASES],
)
def test_same_numbers(name, solver, activation, alpha, early):
    settings = dict(SOLVERS[solver])
    if "learning_rate" in settings and name == "iris":
        settings["learning_rate_init"] = 0.1  # with the others scikit-learn itself diverges at it
    (theirs, ours), X = both(
        name, activation=activation, alpha=alpha, early_stopping=early, **settings
    )
    assert_same(theirs, ours, X)


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_same_numbers_until_both_stop(name):
    (theirs, ours), X = both(name, max_iter=400, tol=1e-3, learning_rate_init=1e-2)
    assert ours.n_iter_ < 400
    assert_same(theirs, ours, X)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 7, 150])
def test_same_numbers_whatever_the_batches(batch_size, shuffle):
    (theirs, ours), X = both("iris", batch_size=batch_size, shuffle=shuffle, max_iter=10)
    assert_same(theirs, ours, X)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["iris", "digits", "diabetes"])
def test_lbfgs_ends_at_the_same_loss(name, activation):
    # One hidden layer: with two, rounding alone changes some of these paths after 30 iterations.
    settings = {"solver": "lbfgs", "activation": activation, "hidden_layer_sizes": (100,)}
    (theirs, ours), _ = both(name, alpha=1e-2, **settings)
    assert ours.loss_ == pytest.approx(theirs.loss_, 1e-4)


def test_poisson_has_the_same_numbers():
    random = np.random.default_rng(0)
    X = random.standard_normal((300, 4))
    y = random.poisson(np.exp(X[:, :2] @ [0.5, -0.3] + 1))
    settings = {"loss": "poisson", "random_state": 0, "max_iter": EPOCHS}
    theirs = neural_network.MLPRegressor(**settings).fit(X, y)
    ours = fastmlp.MLPRegressor(**settings).fit(X, y)
    assert_same(theirs, ours, X)


def test_weighted_multioutput_regression_has_the_same_numbers():
    random = np.random.default_rng(0)
    X, y = random.standard_normal((250, 4)), random.standard_normal((250, 3))
    weight = random.uniform(0.1, 2, 250)
    settings = {"random_state": 0, "max_iter": EPOCHS, "early_stopping": True}
    theirs = neural_network.MLPRegressor(**settings).fit(X, y, weight)
    ours = fastmlp.MLPRegressor(**settings).fit(X, y, weight)
    assert_same(theirs, ours, X)


@pytest.mark.parametrize("labels", ["binary", "multilabel", "single"])
def test_other_kinds_of_classes_have_the_same_numbers(labels):
    random = np.random.default_rng(0)
    X = random.standard_normal((250, 4))
    y = {
        "binary": np.where(X[:, 0] > 0, "yes", "no"),
        "multilabel": (X[:, :3] > 0).astype(int),
        "single": np.zeros(250, int),
    }[labels]
    for early in (False, True):
        settings = {"random_state": 0, "max_iter": 20, "early_stopping": early}
        theirs = neural_network.MLPClassifier(**settings).fit(X, y)
        ours = fastmlp.MLPClassifier(**settings).fit(X, y)
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-6)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6)
        assert ours.predict(X).dtype == theirs.predict(X).dtype
        if early:
            assert ours.validation_scores_ == theirs.validation_scores_


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_and_warm_start_have_the_same_numbers(solver):
    X, y = load_iris(return_X_y=True)
    pair = []
    for home in (neural_network, fastmlp):
        model = home.MLPClassifier(
            solver=solver, random_state=np.random.RandomState(0), warm_start=True, max_iter=7
        )
        for first in (0, 20, 40):
            model.partial_fit(X[first::2], y[first::2], classes=[0, 1, 2])
        model.fit(X, y)
        pair.append(model.fit(X, y))
    assert_same(*pair, X)


def test_verbose_says_the_same(capsys):
    X, y = load_iris(return_X_y=True)
    said = []
    for home in (neural_network, fastmlp):
        home.MLPClassifier(
            solver="sgd", learning_rate="adaptive", tol=1e-1, n_iter_no_change=1, random_state=0,
            early_stopping=True, verbose=True, max_iter=30,
        ).fit(X, y)  # fmt: skip
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


def test_warnings_are_the_same():
    X, y = load_iris(return_X_y=True)
    messages = []
    for home in (neural_network, fastmlp):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            home.MLPClassifier(max_iter=2, batch_size=500, random_state=0).fit(X, y[:, None])
        messages.append([(w.category.__name__, str(w.message)) for w in caught])
    assert messages[0] == messages[1]
    assert issubclass(ConvergenceWarning, UserWarning)
