"""Corners that one call of `fit` does not show: held-out data, indicators, weights, going on."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import compute_sample_weight

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor
from fastmlp.estimators import DivergedConvergenceWarning

X, Y = load_iris(return_X_y=True)
SEVERAL = (X[:, :3] > X[:, :3].mean(0)).astype(int)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- held-out data --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "y_val", "words"),
    [
        (X[:, 0], X[:, :2], "y_val: expected 1 outputs"),
        (X[:, :3], X[:, 0], "y_val: expected 3 outputs"),
        (X[:, :2], X[:, :3], "y_val: expected 2 outputs"),
        (X[:, 0], X[:, 0] * np.nan, "y_val contains NaN"),
        (X[:, 0], X[:9, 0], "inconsistent numbers of samples"),
    ],
)
def test_targets_that_do_not_fit_are_refused(y, y_val, words):
    with pytest.raises(ValueError, match=words):
        MLPRegressor(max_iter=2).fit(X, y, X_val=X, y_val=y_val)


def test_indicators_held_out_have_as_many_columns():
    with pytest.raises(ValueError, match="y_val: expected 3 outputs"):
        MLPClassifier(max_iter=2).fit(X, SEVERAL, X_val=X, y_val=SEVERAL[:, :2])


def test_weights_of_no_data_are_refused():
    with pytest.raises(ValueError, match="sample_weight_val is provided"):
        MLPClassifier(max_iter=2).fit(X, Y, sample_weight_val=np.ones(150))


def test_the_curve_has_an_entry_for_each_epoch_of_all_fits():
    model = MLPClassifier(warm_start=True, max_iter=2).fit(X, Y, X_val=X, y_val=Y)
    model.fit(X, Y)
    model.fit(X, Y, X_val=X, y_val=Y)
    model.partial_fit(X, Y)
    known = np.isfinite(model.validation_loss_curve_)
    assert known.tolist() == [True, True, False, False, True, True, False]
    assert len(model.loss_curve_) == 7
    later = MLPClassifier(warm_start=True, max_iter=2).fit(X, Y).fit(X, Y, X_val=X, y_val=Y)
    assert np.isfinite(later.validation_loss_curve_).tolist() == [False, False, True, True]


@pytest.mark.parametrize("early", [True, False])
def test_a_first_fit_after_initialize_may_have_held_out_data(early):
    model = MLPClassifier(warm_start=True, max_iter=3, early_stopping=early)
    model.initialize(4, [0, 1, 2]).fit(X, Y, X_val=X, y_val=Y)
    assert len(model.validation_loss_curve_) == 3
    theirs = neural_network.MLPClassifier(warm_start=True, early_stopping=early, max_iter=3)
    ours = MLPClassifier.from_sklearn(theirs.fit(X, Y)).fit(X, Y, X_val=X, y_val=Y)
    assert np.isfinite(ours.validation_loss_curve_).tolist() == [False] * 3 + [True] * 3


def test_lbfgs_can_end_with_the_weights_of_the_least_validation_loss():
    model = MLPClassifier(
        solver="lbfgs", alpha=0.0, tol=1e-9, random_state=0, restore_best_weights=True
    ).fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    assert model.validation_loss_curve_[-1] > min(model.validation_loss_curve_) * 1.01
    probabilities = model.predict_proba(X[1::2])[np.arange(75), Y[1::2]]
    assert -np.log(probabilities).mean() == pytest.approx(min(model.validation_loss_curve_))


def test_a_second_lbfgs_fit_sets_nothing_of_the_others():
    model = MLPClassifier(solver="lbfgs", warm_start=True, early_stopping=True, max_iter=5)
    names = set(vars(model.fit(X, Y)))
    assert set(vars(model.fit(X, Y))) == names


# --- classes and indicators -----------------------------------------------------------------------


def test_indicators_do_not_train_a_model_of_one_class_a_sample():
    indicators = np.eye(2, dtype=int)[Y[:100]]
    model = MLPClassifier(max_iter=2, warm_start=True).fit(X[:100], Y[:100])
    for train in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="not fitted with multilabel input"):
            train(X[:100], indicators)


def test_labels_train_a_model_of_indicators_as_in_scikit_learn():
    losses = []
    for kind in (MLPClassifier, neural_network.MLPClassifier):
        model = kind(max_iter=3, random_state=0).fit(X, SEVERAL)
        losses.append(model.partial_fit(X, Y).loss_)
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


@pytest.mark.parametrize("early", [True, False])
def test_sparse_indicators_give_sparse_predictions_as_in_scikit_learn(early):
    predictions = []
    for kind in (MLPClassifier, neural_network.MLPClassifier):
        model = kind(max_iter=20, learning_rate_init=0.01, random_state=0, early_stopping=early)
        model.fit(X, sp.csr_matrix(SEVERAL))
        predictions.append(model.predict(X))
        assert model.score(X, sp.csr_matrix(SEVERAL)) > 0.2
    assert sp.issparse(predictions[0])
    assert (predictions[0] != predictions[1]).nnz == 0


# --- weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("solver", "bound"), [("adam", 1e-12), ("lbfgs", 1e-4)])
def test_balanced_weights_are_of_weighted_samples(solver, bound):
    """A sample of weight 3 is three samples."""
    weights = np.random.default_rng(0).integers(0, 4, 150)
    settings = {"class_weight": "balanced", "solver": solver, "random_state": 0, "max_iter": 50}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a batch is larger than the data
        one = MLPClassifier(batch_size=999, **settings).fit(X, Y, sample_weight=weights)
        two = MLPClassifier(batch_size=999, **settings).fit(
            np.repeat(X, weights, axis=0), np.repeat(Y, weights)
        )
    np.testing.assert_allclose(one.predict_proba(X), two.predict_proba(X), atol=bound)


def test_balanced_weights_of_indicators_are_scikit_learns_and_of_all_batches():
    def model(**settings):
        return MLPClassifier(max_iter=1, random_state=0, **settings)

    weights = compute_sample_weight("balanced", SEVERAL)
    ours, theirs = model(class_weight="balanced"), model()
    ours.fit(X, SEVERAL, X_val=X[:50], y_val=SEVERAL[:50])
    theirs.fit(
        X, SEVERAL, weights, X_val=X[:50], y_val=SEVERAL[:50], sample_weight_val=weights[:50]
    )
    assert ours.loss_ == pytest.approx(theirs.loss_)
    assert ours.validation_loss_curve_ == pytest.approx(theirs.validation_loss_curve_)
    ours, theirs = model(class_weight="balanced"), model()
    for part in (slice(0, 75), slice(75, 150)):
        ours.partial_fit(X[part], SEVERAL[part], classes=[0, 1, 2])
        theirs.partial_fit(X[part], SEVERAL[part], weights[part], classes=[0, 1, 2])
        if not part.start:  # go on from one network
            theirs.coefs_ = [coef.copy() for coef in ours.coefs_]
            theirs.intercepts_ = [intercept.copy() for intercept in ours.intercepts_]
    assert ours.loss_ == pytest.approx(theirs.loss_)


def test_initialize_forgets_the_classes_that_were_counted():
    model = MLPClassifier(class_weight="balanced", max_iter=2).fit(X, Y)
    model.initialize(4, [0, 1]).partial_fit(X[:100], Y[:100])
    assert model.predict_proba(X).shape == (150, 2)


@pytest.mark.parametrize("weights", [{0: -2.0}, {0: float("nan")}, dict.fromkeys(range(3), 0.0)])
def test_class_weights_that_cannot_be_are_refused(weights):
    with pytest.raises(ValueError, match="expected"):
        MLPClassifier(max_iter=2, class_weight=weights).fit(X, Y)


def test_a_scorer_need_not_know_of_weights():
    settings = {"max_iter": 3, "early_stopping": True, "class_weight": "balanced"}
    model = MLPClassifier(scoring=lambda model, X, y: model.score(X, y), **settings).fit(X, Y)
    assert len(model.validation_scores_) == 3
    with pytest.raises(ValueError, match="'scoring' parameter"):
        MLPClassifier(scoring="nope").fit(X, Y)


# --- divergence -----------------------------------------------------------------------------------

RUNAWAY = {
    "solver": "sgd", "activation": "identity", "momentum": 0, "batch_size": 100,
    "learning_rate_init": 1e308, "random_state": 0,
}  # fmt: skip


def test_a_last_step_that_diverges_is_named():
    with pytest.raises(fastmlp.DivergenceError, match=r"epoch 1, last step.*learning_rate_init"):
        MLPRegressor(max_iter=1, **RUNAWAY).fit(X[:100], X[:100, 0])
    epochs = MLPRegressor(max_iter=1, **RUNAWAY).fit_epochs(X[:100], X[:100, 0])
    with pytest.raises(fastmlp.DivergenceError, match="epoch 1, last step"):
        next(epochs)


@pytest.mark.parametrize("early", [True, False])
def test_weights_that_are_restored_are_finite(early):
    model = MLPRegressor(max_iter=1, restore_best_weights=True, early_stopping=early, **RUNAWAY)
    with pytest.warns(DivergedConvergenceWarning, match="epoch 1"):
        model.fit(X[:120], X[:120, 0])
    assert np.isfinite(model.predict(X)).all()


# --- going on -------------------------------------------------------------------------------------


def test_a_schedule_begins_anew_with_each_fit():
    model = MLPClassifier(
        warm_start=True, reset_optimizer=False, learning_rate="cosine", max_iter=5
    ).fit(X, Y)
    before = model.coefs_[0].copy()
    model.fit(X, Y)
    assert np.abs(model.coefs_[0] - before).max() > 1e-4


def test_a_suspended_loop_does_not_undo_a_later_fit():
    model = MLPClassifier(early_stopping=True, warm_start=True, max_iter=20, random_state=0)
    epochs = model.fit_epochs(X, Y)
    next(epochs)
    model.fit(X, Y)
    after = model.coefs_[0].copy()
    epochs.close()
    np.testing.assert_array_equal(model.coefs_[0], after)


class Seven:
    """Counts chunks and steps; stops at the seventh step."""

    chunks = steps = 0

    def on_chunk_end(self, model, history):
        self.chunks += 1

    def on_step_end(self, model, history):
        self.steps += 1
        return self.steps == 7


def test_callbacks_hear_of_steps_and_chunks():
    counts = Seven()
    model = MLPClassifier(max_iter=30, batch_size=20, callbacks=[counts]).fit(X, Y)
    assert (counts.steps, model.t_, model.n_iter_) == (7, 140, 1)
    assert counts.chunks >= 7


def test_callbacks_of_scikit_learn_are_ended_where_an_epoch_at_a_time_is_trained():
    callback = pytest.importorskip("sklearn.callback")
    model = MLPClassifier(max_iter=3).fit(X, Y).set_callbacks(callback.ProgressBar())
    before = set(vars(model))
    unused = model.fit_epochs(X, Y)
    assert set(vars(model)) == before
    for _ in model.fit_epochs(X, Y):
        assert set(vars(model)) > before
    assert set(vars(model)) == before
    unused.close()


# --- to and from scikit-learn ---------------------------------------------------------------------


def test_what_becomes_scikit_learns_can_be_trained_there():
    settings = {"warm_start": True, "early_stopping": True, "random_state": 0}
    theirs = MLPClassifier(max_iter=300, **settings).fit(X, Y).to_sklearn()
    assert theirs.fit(X, Y).score(X, Y) > 0.3


@pytest.mark.parametrize("activation", ["gelu", []])
def test_without_hidden_layers_any_activation_becomes_scikit_learns(activation):
    ours = MLPClassifier((), activation, max_iter=3).fit(X, Y)
    np.testing.assert_allclose(ours.to_sklearn().predict_proba(X), ours.predict_proba(X))


def test_another_kind_of_estimator_is_refused():
    theirs = neural_network.MLPClassifier(max_iter=2).fit(X, Y)
    with pytest.raises(TypeError, match="expected scikit-learn's MLPRegressor"):
        MLPRegressor.from_sklearn(theirs)


def test_a_subclass_comes_from_scikit_learns_class_too():
    class Ours(MLPClassifier):
        pass

    theirs = neural_network.MLPClassifier(max_iter=2).fit(X, Y)
    np.testing.assert_allclose(Ours.from_sklearn(theirs).predict_proba(X), theirs.predict_proba(X))


@pytest.mark.parametrize(
    ("limit", "advice"), [("max_iter", "number of iterations"), ("max_fun", "max_fun")]
)
def test_lbfgs_says_which_limit_it_met(limit, advice):
    with pytest.warns(ConvergenceWarning, match=f"Increase (the )?{advice}"):
        MLPClassifier(solver="lbfgs", **{limit: 3}).fit(X, Y)


def test_frames_of_polars_are_read_with_their_names():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(X, schema=list("abcd"))
    model = MLPClassifier(max_iter=3, random_state=0).fit(frame, polars.Series(Y))
    assert model.feature_names_in_.tolist() == list("abcd")
    plain = MLPClassifier(max_iter=3, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(frame), plain.predict_proba(X))
    model.partial_fit(frame, Y).score(frame, Y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename({"a": "z"}))
