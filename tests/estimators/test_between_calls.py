"""What may change between two calls: parameters of the estimator, and the weights themselves."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import neural_network

from fastmlp import MLPClassifier, MLPRegressor
from fastmlp.estimators import fitted
from fastmlp.parameters import Parameters

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)


def steps_of(model: Any, x: Any = X, y: Any = Y) -> np.ndarray:
    """Return how far one partial_fit moves the first weights."""
    before = model.coefs_[0].copy()
    model.partial_fit(x, y)
    return model.coefs_[0] - before


@pytest.mark.parametrize("schedule", ["constant", "invscaling", "adaptive"])
def test_a_learning_rate_that_is_set_counts_from_the_next_partial_fit(schedule: str) -> None:
    def model(rate: float) -> Any:
        return MLPClassifier(
            (5,), solver="sgd", momentum=0.0, learning_rate=schedule, batch_size=60,
            learning_rate_init=rate, random_state=0,
        )  # fmt: skip

    slow, fast = (
        model(0.01).partial_fit(X, Y, classes=[0, 1]),
        model(0.01).partial_fit(X, Y, classes=[0, 1]),
    )
    fast.set_params(learning_rate_init=0.1)
    np.testing.assert_allclose(steps_of(fast), 10 * steps_of(slow), rtol=1e-6)


def test_scikit_learn_ignores_a_learning_rate_that_is_set_later() -> None:
    """The difference that README names; where this fails, it is one no more."""
    theirs = neural_network.MLPClassifier((5,), solver="sgd", momentum=0.0, random_state=0)
    one = theirs.partial_fit(X, Y, classes=[0, 1])
    before = one.coefs_[0].copy()
    one.set_params(learning_rate_init=1000.0).partial_fit(X, Y)
    assert abs(one.coefs_[0] - before).max() < 0.1


def test_without_changes_partial_fit_gives_scikit_learns_numbers() -> None:
    ours, theirs = (
        kind((5,), solver="sgd", learning_rate="invscaling", random_state=0)
        for kind in (MLPClassifier, neural_network.MLPClassifier)
    )
    for _ in range(5):
        ours.partial_fit(X, Y, classes=[0, 1])
        theirs.partial_fit(X, Y, classes=[0, 1])
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-10)


def test_a_changed_schedule_begins_with_its_own_rate() -> None:
    model = MLPClassifier((5,), solver="sgd", momentum=0.0, learning_rate="invscaling")
    model.set_params(batch_size=60, random_state=0, learning_rate_init=0.1)
    model.partial_fit(X, Y, classes=[0, 1])
    other = MLPClassifier((5,), solver="sgd", momentum=0.0, batch_size=60, learning_rate_init=0.1)
    other.set_params(random_state=0).partial_fit(X, Y, classes=[0, 1])
    model.set_params(learning_rate="constant")
    np.testing.assert_allclose(steps_of(model), steps_of(other), rtol=1e-12)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"solver": "adam"}, {"solver": "sgd"}),
        ({"solver": "sgd"}, {"solver": "adam"}),
        ({"solver": "sgd", "momentum": 0.9}, {"momentum": 0.0}),
    ],
)
def test_a_changed_solver_is_used_and_begins_anew(before: Any, after: Any) -> None:
    model = MLPClassifier((5,), batch_size=60, random_state=0, **before).partial_fit(
        X, Y, classes=[0, 1]
    )
    fresh = MLPClassifier((5,), batch_size=60, random_state=0, **before | after)
    fresh.partial_fit(X, Y, classes=[0, 1])
    fresh.coefs_ = [coef.copy() for coef in model.coefs_]
    fresh.intercepts_ = [coef.copy() for coef in model.intercepts_]
    fresh._optimizer = None  # as if it had made no step
    model.set_params(**after)
    assert_array_equal(steps_of(model), steps_of(fresh))


@pytest.mark.parametrize(
    "change", [{"momentum": 0.5}, {"beta_1": 0.5}, {"beta_2": 0.5}, {"epsilon": 1.0}]
)
def test_other_numbers_count_from_the_next_call(change: dict[str, float]) -> None:
    solver = "sgd" if "momentum" in change else "adam"
    one, other = (
        MLPClassifier((5,), solver=solver, random_state=0).partial_fit(X, Y, classes=[0, 1])
        for _ in range(2)
    )
    other.set_params(**change)
    assert not np.array_equal(steps_of(one), steps_of(other))


def test_a_warm_start_that_goes_on_takes_the_new_rate() -> None:
    options = {"max_iter": 1, "warm_start": True, "reset_optimizer": False, "random_state": 0}
    model = MLPRegressor(hidden_layer_sizes=5, solver="sgd", momentum=0.0, batch_size=60, **options)
    with pytest.warns(UserWarning, match="hasn't converged"):
        model.fit(X, X[:, 0])
    before = model.coefs_[0].copy()
    model.set_params(learning_rate_init=1e-9)
    with pytest.warns(UserWarning, match="hasn't converged"):
        model.fit(X, X[:, 0])
    assert abs(model.coefs_[0] - before).max() < 1e-7


def test_a_pickle_remembers_which_rate_was_told() -> None:
    import pickle

    model = MLPClassifier((5,), solver="sgd", learning_rate="adaptive", random_state=0)
    model.partial_fit(X, Y, classes=[0, 1])
    model._optimizer.learning_rate = 1e-5  # as `adaptive` leaves it
    twin = pickle.loads(pickle.dumps(model))
    assert_array_equal(steps_of(twin), steps_of(model))


def test_replaced_weights_are_copied_into_one_network(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Counted(Parameters):
        def __init__(self, *arguments: Any) -> None:
            made.append(self)
            super().__init__(*arguments)

    model = MLPRegressor(hidden_layer_sizes=5, random_state=0).initialize(4)
    monkeypatch.setattr(fitted, "Parameters", Counted)
    model.predict(X)
    assert len(made) == 0
    model.coefs_ = [2 * coef for coef in model.coefs_]
    first = model.predict(X)
    assert_array_equal(model.predict(X), first)
    assert len(made) == 1
    model.coefs_[-1][:] = 0.0  # in place
    assert_array_equal(model.predict(X), np.full(60, model.intercepts_[-1][0]))
    assert len(made) == 1
    model.coefs_[-1] = np.ones((5, 1))
    model.predict(X)
    assert len(made) == 2


def test_a_model_fitted_in_float32_predicts_in_float32() -> None:
    """scikit-learn predicts float64 data in float64; README names the difference."""
    model = MLPClassifier((20,), random_state=0)
    for _ in range(20):
        model.partial_fit(X.astype("float32"), Y, classes=[0, 1])
    single = model.predict_proba(X)
    wide = model.to_sklearn()
    wide.coefs_ = [coef.astype("float64") for coef in wide.coefs_]
    wide.intercepts_ = [coef.astype("float64") for coef in wide.intercepts_]
    assert single.dtype == "float32"
    assert_array_equal(single, model.predict_proba(X.astype("float32")))
    assert abs(single - wide.predict_proba(X)).max() < 3e-7


class Unreadable:
    """As a tensor that requires a gradient: its library refuses, in its own words."""

    shape, ndim = (60,), 1

    def __len__(self) -> int:
        return 60

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("Can't call numpy() on\nTensor that requires grad.")


DATES = np.arange(60).astype("datetime64[D]")


@pytest.mark.parametrize(
    "y", [DATES, DATES - DATES[0], X[:, 0].astype(str), X[:, 0].astype(str).astype(object),
          DATES.astype(object), np.ma.masked_less(X[:, 0], 0), Unreadable()],
)  # fmt: skip
def test_a_regressor_refuses_what_are_no_numbers(y: Any) -> None:
    with pytest.raises(ValueError, match=r"^y: expected numbers"):
        MLPRegressor().fit(X, y)
    model = MLPRegressor().partial_fit(X, X[:, 0])
    with pytest.raises(ValueError, match=r"^y: expected numbers"):
        model.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"^y_val: expected"):
        model.fit(X, X[:, 0], X_val=X, y_val=y)


@pytest.mark.parametrize("bad", [np.ma.masked_less(X, 0), Unreadable()])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_masks_and_unreadable_tensors_are_refused_by_name(kind: Any, bad: Any) -> None:
    model = kind().partial_fit(X, Y, **({"classes": [0, 1]} if kind is MLPClassifier else {}))
    weight = bad if isinstance(bad, Unreadable) else bad[:, 0]
    for name, call in {
        "X": lambda: model.fit(bad, Y),
        "y": lambda: model.fit(X, weight),
        "sample_weight": lambda: model.fit(X, Y, weight),
        "X_val": lambda: model.fit(X, Y, X_val=bad, y_val=Y),
        "sample_weight_val": lambda: model.fit(X, Y, X_val=X, y_val=Y, sample_weight_val=weight),
    }.items():
        with pytest.raises(ValueError, match=rf"^{name}: expected"):
            call()
    with pytest.raises(ValueError, match=r"^X: expected"):
        model.predict(bad)


def test_an_array_whose_mask_hides_nothing_is_read() -> None:
    model = MLPRegressor(random_state=0).partial_fit(X, X[:, 0])
    assert_array_equal(model.predict(np.ma.masked_less(X, -100)), model.predict(X))
