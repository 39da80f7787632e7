"""What scikit-learn's estimators have not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context, neural_network
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import mean_pinball_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X_REG, Y_REG = (scale(array) for array in load_diabetes(return_X_y=True))


def test_balanced_class_weights_help_the_rare_class():
    rows = np.r_[0:50, 50:55, 100:150]
    plain, balanced = (
        MLPClassifier(class_weight=weight, random_state=0, max_iter=60, learning_rate_init=0.01)
        .fit(X[rows], Y[rows])
        .predict_proba(X[50:100])[:, 1]
        .mean()
        for weight in (None, "balanced")
    )
    assert balanced > plain + 0.1


@pytest.mark.parametrize("early", [False, True])
def test_own_validation_data(early):
    X_train, X_val, y_train, y_val = train_test_split(X, Y, random_state=0)
    model = MLPClassifier(random_state=0, max_iter=30, early_stopping=early, alpha=0)
    model.fit(X_train, y_train, X_val=X_val, y_val=y_val, sample_weight_val=np.ones(len(y_val)))
    assert len(model.validation_loss_curve_) == model.n_iter_
    if early:
        best = int(np.argmax(model.validation_scores_))
        assert model.score(X_val, y_val) == model.best_validation_score_
        assert model.validation_scores_[best] == model.best_validation_score_
    else:
        assert model.validation_scores_ is None
        plain = MLPClassifier(random_state=0, max_iter=30, alpha=0).fit(X_train, y_train)
        assert plain.loss_curve_ == model.loss_curve_
        p = model.predict_proba(X_val)[np.arange(len(y_val)), y_val]
        assert model.validation_loss_curve_[-1] == pytest.approx(-np.log(p).mean())


def test_half_of_the_validation_data_is_refused():
    with pytest.raises(ValueError, match=r"X_val.*y_val"):
        MLPClassifier().fit(X, Y, X_val=X)


@pytest.mark.parametrize("scoring", ["loss", "neg_log_loss", lambda e, x, y: e.score(x, y)])
def test_scoring(scoring):
    pandas = pytest.importorskip("pandas")
    model = MLPClassifier(
        early_stopping=True, scoring=scoring, random_state=0, max_iter=20, alpha=0
    ).fit(pandas.DataFrame(X, columns=list("abcd")), Y)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)
    if isinstance(scoring, str):
        np.testing.assert_allclose(
            model.validation_scores_, np.negative(model.validation_loss_curve_)
        )


def test_best_weights_without_early_stopping():
    settings = {
        "random_state": 0, "max_iter": 40, "learning_rate_init": 0.3, "solver": "sgd",
        "shuffle": False, "alpha": 0,
    }  # fmt: skip
    model = MLPClassifier(restore_best_weights=True, **settings)
    model.fit(X, Y, X_val=X[::2], y_val=Y[::2])
    p = model.predict_proba(X[::2])[np.arange(75), Y[::2]]
    assert -np.log(p).mean() == pytest.approx(min(model.validation_loss_curve_))
    last = MLPClassifier(restore_best_weights=False, early_stopping=True, **settings).fit(X, Y)
    best = MLPClassifier(early_stopping=True, **settings).fit(X, Y)
    assert last.loss_curve_ == best.loss_curve_
    assert not np.array_equal(last.coefs_[0], best.coefs_[0])


@pytest.mark.parametrize(
    ("loss", "minimum"),
    [("absolute_error", np.median), ("squared_error", np.mean), ("poisson", np.mean)],
)
def test_losses_have_their_minimum_where_they_should(loss, minimum):
    y = np.random.default_rng(0).gamma(1.0, size=200)
    model = MLPRegressor(
        loss, (), solver="lbfgs", alpha=0, random_state=0, max_iter=500, tol=1e-7
    ).fit(np.zeros((200, 1)), y)
    assert model.predict([[0.0]])[0] == pytest.approx(minimum(y), abs=0.02)


def test_several_quantiles_are_several_outputs():
    random = np.random.default_rng(0)
    x = random.uniform(0, 1, (400, 1))
    y = x[:, 0] + random.standard_normal(400)
    quantiles = [0.1, 0.5, 0.9]
    model = MLPRegressor(
        "quantile", (8,), quantile=quantiles, solver="adam", learning_rate_init=0.02,
        random_state=0, max_iter=100,
    ).fit(x, y)  # fmt: skip
    predicted = model.predict(x)
    assert predicted.shape == (400, 3)
    below = (y[:, None] < predicted).mean(axis=0)
    np.testing.assert_allclose(below, quantiles, atol=0.06)
    losses = [mean_pinball_loss(y, predicted[:, i], alpha=q) for i, q in enumerate(quantiles)]
    assert model.loss_ == pytest.approx(sum(losses), rel=0.05)
    assert 0 < model.score(x, y) < 1


def test_huber_is_between_squared_and_absolute():
    y = np.r_[np.zeros(90), np.full(10, 100.0)]
    x = np.zeros((100, 1))
    settings = {"hidden_layer_sizes": (), "solver": "lbfgs", "alpha": 0, "random_state": 0}
    model = MLPRegressor("huber", huber_delta=5.0, max_iter=500, **settings).fit(x, y)
    # 90 · a = 10 · delta, where the derivative is zero.
    assert model.predict(x)[0] == pytest.approx(10 * 5 / 90, rel=1e-3)


def numeric_gradient(model, X, y, step=1e-6):
    """Return the derivative of the loss by the first weights, from losses alone."""
    coef = model.coefs_[0]
    return np.array([
        (loss_at(model, coef, i, step, X, y) - loss_at(model, coef, i, -step, X, y)) / (2 * step)
        for i in range(coef.shape[1])
    ])  # fmt: skip


def loss_at(model, coef, i, step, X, y):
    coef[0, i] += step
    value = 0.5 * np.mean((model.predict(X) - y) ** 2)
    coef[0, i] -= step
    return value


ACTIVATIONS = ("leaky_relu", "elu", "silu", "gelu", "softplus")


@pytest.mark.parametrize("activation", [*ACTIVATIONS, ("gelu", "tanh"), ("relu", "softplus")])
def test_gradients_of_activations(activation):
    layers = (7, 5)
    model = MLPRegressor(
        hidden_layer_sizes=layers, activation=activation, solver="sgd", momentum=0, alpha=0,
        learning_rate_init=1.0, batch_size=len(X_REG), random_state=0, shuffle=False,
    ).initialize(X_REG.shape[1])  # fmt: skip
    gradient = numeric_gradient(model, X_REG, Y_REG)
    before = model.coefs_[0][0].copy()
    model.partial_fit(X_REG, Y_REG)
    np.testing.assert_allclose(before - model.coefs_[0][0], gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_have_their_values(dtype):
    from scipy.special import expit, ndtr

    x = np.linspace(-30, 30, 400).astype(dtype)
    z = x.astype("float64")
    expected = {
        "leaky_relu": np.where(z < 0, 0.01 * z, z),
        "elu": np.where(z < 0, np.expm1(z), z),
        "silu": z * expit(z),
        "gelu": z * ndtr(z),
        "softplus": np.logaddexp(0, z),
    }
    eps = np.finfo(dtype).eps
    for name in ACTIVATIONS:
        model = MLPRegressor(hidden_layer_sizes=1, activation=name, dtype=dtype).initialize(1)
        model.coefs_[0][:], model.intercepts_[0][:] = 1.0, 0.0
        got, wide = model.hidden_activations(x[:, None])[:, 0], expected[name]
        np.testing.assert_allclose(got, wide, rtol=400 * eps, atol=1e-30)
        near = np.abs(wide) > 1e-3
        np.testing.assert_allclose(got[near], wide[near], rtol=16 * eps)


def test_dropout():
    settings = {"dropout": 0.5, "random_state": 0, "max_iter": 5}
    one, two, none = (
        MLPClassifier((64,), **(settings | more)).fit(X, Y)
        for more in ({"n_jobs": 1}, {"n_jobs": 2}, {"dropout": 0.0})
    )
    assert np.array_equal(one.coefs_[0], two.coefs_[0])
    assert one.loss_curve_ != none.loss_curve_
    assert np.array_equal(one.predict_proba(X), one.predict_proba(X))  # none in prediction


def test_dropout_keeps_the_mean():
    """One step of gradient descent from zero output weights shows the hidden activations."""
    n, units = 2000, 40
    x, y = np.ones((n, 1)), np.ones(n)
    model = MLPRegressor(
        hidden_layer_sizes=(units,), activation="relu", solver="sgd", momentum=0, alpha=0,
        batch_size=n, learning_rate_init=1.0, dropout=0.25, random_state=0,
    ).initialize(1)  # fmt: skip
    model.coefs_[0][:], model.intercepts_[0][:] = 1.0, 0.0
    model.coefs_[1][:], model.intercepts_[1][:] = 0.0, 0.0
    model.partial_fit(x, y)
    means = model.coefs_[1][:, 0]  # of activations that are 0 or 1 / 0.75
    np.testing.assert_allclose(means.mean(), 1.0, atol=0.01)
    np.testing.assert_allclose(means, 1.0, atol=5 * np.sqrt(0.25 / 0.75 / n))
    assert len(set(means)) > units // 2


def test_weight_decay_is_decoupled():
    settings = {"solver": "sgd", "momentum": 0, "alpha": 0, "random_state": 0, "batch_size": 150}
    plain = MLPClassifier(**settings).partial_fit(X, Y, classes=[0, 1, 2])
    start = MLPClassifier(**settings).initialize(4, [0, 1, 2])
    decayed = MLPClassifier(weight_decay=0.5, **settings).partial_fit(X, Y, classes=[0, 1, 2])
    for a, b, w in zip(decayed.coefs_, plain.coefs_, start.coefs_, strict=True):
        np.testing.assert_allclose(a, b - 1e-3 * 0.5 * w, rtol=1e-12)
    np.testing.assert_array_equal(decayed.intercepts_[0], plain.intercepts_[0])
    with pytest.raises(ValueError, match="weight_decay: expected 0 with solver='lbfgs'"):
        MLPClassifier(solver="lbfgs", weight_decay=0.1).fit(X, Y)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_schedules_change_the_rate_of_each_step(schedule):
    """With one weight and a constant gradient the path is the sum of the learning rates."""
    x, y = np.ones((100, 1)), np.zeros(100)
    model = MLPRegressor(
        "absolute_error", (), solver="sgd", momentum=0, alpha=0, learning_rate=schedule,
        learning_rate_init=0.1, batch_size=10, max_iter=2, random_state=0,
    ).initialize(1)  # fmt: skip
    model.set_params(warm_start=True)
    model.coefs_[0][:], model.intercepts_[0][:] = 10.0, 10.0
    model.fit(x, y)
    t = np.arange(20) / 19
    if schedule == "cosine":
        rates = 0.05 * (1 + np.cos(np.pi * t))
    else:
        up = 0.004 + 0.096 * 0.5 * (1 - np.cos(np.pi * np.minimum(t / 0.3, 1)))
        down = 0.05 * (1 + np.cos(np.pi * np.maximum((t - 0.3) / 0.7, 0)))
        rates = np.where(t < 0.3, up, down)
    assert 10.0 - model.coefs_[0][0, 0] == pytest.approx(rates.sum(), rel=1e-5)


def test_max_time_ends_in_the_middle_of_an_epoch():
    x = np.random.default_rng(0).standard_normal((20000, 50))
    model = MLPRegressor(
        hidden_layer_sizes=(200, 200), max_time=0.2, batch_size=20, random_state=0, max_iter=100
    )
    model.fit(x, x[:, 0])
    assert model.n_iter_ < 100
    assert model.t_ > 0
    assert np.isfinite(model.loss_)


@pytest.mark.parametrize("sizes", [12, [12], (12,), np.array([12]), "12"])
def test_forms_of_hidden_layer_sizes(sizes):
    model = MLPClassifier(sizes, random_state=0, max_iter=2).fit(X, Y)
    assert [coef.shape for coef in model.coefs_] == [(4, 12), (12, 3)]
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        MLPClassifier("12-x").fit(X, Y)


def test_dtype():
    wide = X.astype("float64")
    model = MLPClassifier(dtype="float32", max_iter=5, random_state=0).fit(wide, Y)
    assert model.coefs_[0].dtype == model.predict_proba(wide).dtype == np.float32
    follows = MLPClassifier(max_iter=5, random_state=0).fit(X.astype("float32"), Y)
    assert follows.coefs_[0].dtype == np.float32
    pixels = np.random.default_rng(0).integers(0, 256, (50, 9)).astype(np.uint8)
    MLPRegressor(dtype="float64", max_iter=2).fit(pixels, np.arange(50.0))


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_is_dense(form):
    x = np.where(np.random.default_rng(0).uniform(size=(120, 20)) < 0.2, 1.0, 0.0)
    y = x[:, 0] + x[:, 1]
    settings = {"max_iter": 10, "random_state": 0, "early_stopping": True}
    dense = MLPRegressor(**settings).fit(x, y)
    thin = MLPRegressor(**settings).fit(form(x), y)
    np.testing.assert_allclose(thin.loss_curve_, dense.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(thin.predict(form(x)), dense.predict(x), rtol=1e-9)


def test_fit_epochs_is_fit():
    settings = {"random_state": 0, "max_iter": 12, "early_stopping": True}
    whole = MLPClassifier(**settings).fit(X, Y)
    model = MLPClassifier(**settings)
    seen = [now.loss_ for now in model.fit_epochs(X, Y)]
    assert seen == whole.loss_curve_
    assert np.array_equal(model.coefs_[0], whole.coefs_[0])
    for now in model.fit_epochs(X, Y, 100):
        if now.n_iter_ == 3:
            break
    assert model.n_iter_ == 3
    with pytest.raises(ValueError, match="solver: expected 'sgd' or 'adam'"):
        MLPClassifier(solver="lbfgs").fit_epochs(X, Y)


def test_callbacks_see_and_stop_the_training():
    seen = []

    class Watch:
        def on_train_begin(self, estimator):
            seen.append("begin")

        def on_epoch_end(self, estimator, history):
            seen.append(history.loss[-1])
            return len(history) == 3

        def on_train_end(self, estimator, history):
            seen.append("end")

    model = MLPClassifier(callbacks=[Watch()], random_state=0).fit(X, Y)
    assert seen == ["begin", *model.loss_curve_, "end"]
    assert model.n_iter_ == 3
    with pytest.raises(TypeError, match="callbacks"):
        MLPClassifier(callbacks=[3]).fit(X, Y)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_scikit_learns_callbacks(solver):
    callback = pytest.importorskip("sklearn.callback")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = MLPClassifier(solver=solver, max_iter=4, random_state=0)
    model.set_callbacks(monitor)
    model.fit(X, Y)
    epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(epochs) == model.n_iter_ == 4
    assert epochs[-1]["accuracy"] == model.score(X, Y)


@pytest.mark.parametrize("activation", ["logistic", "tanh"])
def test_to_scikit_learn_and_back(activation):
    labels = np.array(["a", "b", "c"])[Y]
    ours = MLPClassifier(
        [9], [activation], max_iter=20, random_state=0, learning_rate="cosine"
    ).fit(X, labels)
    theirs = ours.to_sklearn()
    assert type(theirs) is neural_network.MLPClassifier
    np.testing.assert_allclose(theirs.predict_proba(X), ours.predict_proba(X), rtol=1e-9)
    assert theirs.predict(X).tolist() == ours.predict(X).tolist()
    back = MLPClassifier.from_sklearn(theirs)
    np.testing.assert_array_equal(back.predict_proba(X), ours.predict_proba(X))
    back.partial_fit(X, labels)
    theirs.partial_fit(X, labels)
    quantiles = MLPRegressor("quantile", quantile=[0.2, 0.8], max_iter=5, random_state=0)
    quantiles.fit(X_REG, Y_REG)
    np.testing.assert_allclose(quantiles.to_sklearn().predict(X_REG), quantiles.predict(X_REG))
    with pytest.raises(ValueError, match="activation"):
        MLPRegressor(activation="gelu").initialize(2).to_sklearn()


def test_hidden_activations():
    model = MLPClassifier((6, 5), ("tanh", "relu"), max_iter=3, random_state=0).fit(X, Y)
    first = np.tanh(X @ model.coefs_[0] + model.intercepts_[0])
    second = np.maximum(first @ model.coefs_[1] + model.intercepts_[1], 0)
    np.testing.assert_allclose(model.hidden_activations(X, 0), first)
    np.testing.assert_allclose(model.hidden_activations(X), second)
    with pytest.raises(ValueError, match="layer"):
        model.hidden_activations(X, 2)


def test_initialize_is_where_fit_begins():
    model = MLPClassifier(random_state=0).initialize(4, [0, 1, 2])
    start = model.coefs_[0].copy()
    assert model.predict(X).shape == (150,)
    fitted = MLPClassifier(random_state=0, learning_rate_init=1e-300, max_iter=1).fit(X, Y)
    np.testing.assert_array_equal(fitted.coefs_[0], start)
    several = MLPClassifier((3,)).initialize(4, ["a", "b"], multilabel=True)
    assert several.predict(X).shape == (150, 2)


def test_validation_data_go_through_a_pipeline():
    with config_context(enable_metadata_routing=True):
        model = MLPClassifier(max_iter=20, random_state=0, early_stopping=True)
        model.set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), model, transform_input=["X_val"])
        pipeline.fit(X, Y, X_val=X[::3], y_val=Y[::3])
    scaled = StandardScaler().fit(X).transform(X[::3])
    assert model.score(scaled, Y[::3]) == model.best_validation_score_


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"dropout": 1.0}, "dropout"),
        ({"activation": "softmax"}, "activation"),
        ({"activation": ["relu", "relu"]}, "activation"),
        ({"activation": ["sine"]}, "activation"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"dtype": "float16"}, "dtype"),
        ({"max_time": 0}, "max_time"),
        ({"learning_rate": "plateau"}, "learning_rate"),
        ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be > 0"),
    ],
)
def test_parameters_are_checked(parameters, word):
    with pytest.raises(ValueError, match=word):
        MLPClassifier(**parameters).fit(X, Y)
