"""Where users of scikit-learn's estimators were burnt: one test each, with what happens here."""

from __future__ import annotations

import pickle
import warnings

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from fastmlp import DivergenceError, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)


def same_weights(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.coefs_, b.coefs_, strict=True))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("store", [pickle, joblib], ids=["pickle", "joblib"])
def test_partial_fit_goes_on_from_a_pickle(solver, store, tmp_path):
    model = MLPClassifier(solver=solver, random_state=0, max_iter=5).fit(X, Y)
    if store is pickle:
        loaded = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model")
        loaded = joblib.load(tmp_path / "model")
    before = [coef.copy() for coef in loaded.coefs_]
    for _ in range(3):
        model.partial_fit(X, Y)
        loaded.partial_fit(X, Y)
    assert not np.array_equal(before[0], loaded.coefs_[0])
    assert same_weights(model, loaded)
    np.testing.assert_array_equal(model.predict_proba(X), loaded.predict_proba(X))


def test_warm_start_keeps_the_moments_if_asked():
    def twice(**parameters):
        model = MLPClassifier(
            max_iter=5, warm_start=True, shuffle=False, random_state=0, **parameters
        )
        return model.fit(X, Y).fit(X, Y)

    whole = MLPClassifier(max_iter=10, shuffle=False, random_state=0).fit(X, Y)
    assert same_weights(twice(reset_optimizer=False), whole)
    assert not same_weights(twice(), whole)


def test_n_iter_counts_the_call():
    model = MLPClassifier(max_iter=5, warm_start=True, random_state=0).fit(X, Y).fit(X, Y)
    assert model.n_iter_ == 5
    assert len(model.loss_curve_) == 10
    assert model.partial_fit(X, Y).n_iter_ == 1


def test_fit_is_that_many_partial_fits():
    whole = MLPClassifier(max_iter=7, shuffle=False, random_state=0).fit(X, Y)
    steps = MLPClassifier(shuffle=False, random_state=0)
    for _ in range(7):
        steps.partial_fit(X, Y, classes=[0, 1, 2])
    assert same_weights(whole, steps)
    assert whole.loss_curve_ == steps.loss_curve_


def test_partial_fit_with_early_stopping_names_the_way():
    model = MLPClassifier(early_stopping=True, random_state=0).fit(X, Y)
    sentence = r"partial_fit does not support early_stopping=True; fit_epochs\(X, y\)"
    with pytest.raises(ValueError, match=sentence):
        model.partial_fit(X, Y)
    assert not hasattr(model, "partial_fit")


def test_batches_may_lack_classes():
    model = MLPClassifier(random_state=0, learning_rate_init=0.05, class_weight="balanced")
    for _ in range(30):
        for label in ("a", "c", "b"):
            model.partial_fit([[ord(label) - 98.0]], [label], classes=["a", "b", "c", "d"])
    assert model.predict([[-1.0], [0.0], [1.0]]).tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`"):
        model.partial_fit([[0.0]], ["e"])


def diverging(**parameters):
    model = MLPRegressor(
        solver="sgd", activation="identity", learning_rate_init=1, random_state=0, **parameters
    )
    return model, X * 10, Y.astype(float)


def test_divergence_says_when_and_what_to_do():
    model, x, y = diverging()
    message = (
        r"Solver produced non-finite parameter weights\. The input data may contain large values "
        r"and need to be preprocessed\. \(training diverged in epoch \d+, step \d+: .*"
        r"learning_rate_init \(it is 1\)"
    )
    with pytest.raises(DivergenceError, match=message):
        model.fit(x, y)
    assert np.isnan(model.loss_curve_[-1])


def test_divergence_with_early_stopping_restores_the_best():
    model, x, y = diverging(early_stopping=True)
    with pytest.warns(ConvergenceWarning, match=r"diverged in epoch \d+.*best weights") as caught:
        model.fit(x, y)
    assert any(w.category is not ConvergenceWarning for w in caught)
    assert np.isnan(model.validation_scores_[-1])
    assert np.isnan(model.loss_curve_[-1])
    assert len(model.loss_curve_) == len(model.validation_scores_) == model.n_iter_
    assert np.isfinite(model.predict(x)).all()


def test_a_pickle_grows_by_a_float_a_call():
    model = MLPRegressor(hidden_layer_sizes=(3,), random_state=0)
    x, y = [[0.0], [1.0]], [1.0, 2.0]
    sizes = []
    for _ in range(100):
        model.partial_fit(x, y)
        sizes.append(len(pickle.dumps(model)))
    growth = np.diff(sizes[10:])
    assert growth.max() <= 16
    assert growth.mean() <= 10


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_is_predicted_alike_alone_and_among_others(dtype):
    x = np.random.default_rng(0).standard_normal((300, 37)).astype(dtype)
    y = x[:, :2].sum(axis=1)
    model = MLPRegressor(hidden_layer_sizes=(50, 20), max_iter=3, random_state=0).fit(x, y)
    together = model.predict(x)
    alone = [model.predict(x[i : i + 1])[0] for i in range(300)]
    assert together.tolist() == alone


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_weights_equal_repetition_and_class_weights_in_full_batch(solver):
    weight = np.random.default_rng(0).integers(0, 4, len(Y))
    settings = {"solver": solver, "random_state": 0, "max_iter": 20, "alpha": 0.1}
    rows = np.repeat(np.arange(len(Y)), weight)
    repeated = MLPClassifier(batch_size=len(rows), **settings).fit(X[rows], Y[rows])
    weighted = MLPClassifier(batch_size=len(Y), **settings).fit(X, Y, weight)
    for mine, other in zip(weighted.coefs_, repeated.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-9)
    classes = {0: 3.0, 1: 1.0, 2: 0.5}
    by_class = MLPClassifier(class_weight=classes, **settings).fit(X, Y)
    by_sample = MLPClassifier(**settings).fit(X, Y, np.array([classes[label] for label in Y]))
    assert same_weights(by_class, by_sample)


def test_weights_of_the_user_are_seen_and_kept():
    model = MLPClassifier((4,), random_state=0, max_iter=2).fit(X, Y)
    before = model.predict_proba(X)
    model.coefs_[0][:] = 0.0  # in place
    assert not np.array_equal(model.predict_proba(X), before)
    model.coefs_ = [np.ones((4, 6)), np.ones((6, 3))]
    model.intercepts_ = [np.zeros(6), np.zeros(3)]
    np.testing.assert_allclose(model.predict_proba(X), 1 / 3)
    model.partial_fit(X, Y)
    assert not np.array_equal(model.coefs_[1], np.ones((6, 3)))


def test_ctrl_c_warns_and_keeps_what_was_learned(monkeypatch):
    class Interrupt:
        def on_epoch_end(self, estimator, history):
            if estimator.n_iter_ == 3:
                raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model = MLPClassifier(random_state=0, callbacks=[Interrupt()]).fit(X, Y)
    assert model.n_iter_ == 3
    assert model.predict(X).shape == Y.shape


def test_search_in_two_processes():
    search = GridSearchCV(
        MLPClassifier(random_state=0, max_iter=10), {"alpha": [0.0, 1.0]}, cv=2, n_jobs=2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, Y)
    assert search.best_score_ > 0.3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_alone_is_predicted_as_among_others(dtype):
    model = MLPClassifier(random_state=0, max_iter=3, dtype=dtype)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, Y)
    many = model.predict_proba(X)
    for rows in (1, 4, 60):
        np.testing.assert_array_equal(model.predict_proba(X[:rows]), many[:rows])
    # Too large for the network's dtype: not refused, alone or among others.
    huge = np.where(X > 0, np.finfo(dtype).max, 0)
    many = model.predict_proba(huge)
    np.testing.assert_array_equal(model.predict_proba(huge[:3]), many[:3])
