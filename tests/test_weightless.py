"""Batches whose sample weights are all 0: they are no steps, and only the epoch counts them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor, passes, reference
from fastmlp.errors import DivergenceError
from fastmlp.kernels.target import BLOCK_ROWS

RULES: dict[str, Callable[[], Any]] = {
    "sgd": lambda: fastmlp.SGD(0.05),
    "momentum": lambda: fastmlp.SGD(0.05, momentum=0.9),
    "nesterov": lambda: fastmlp.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: fastmlp.Adam(0.01),
    "adamw": lambda: fastmlp.AdamW(0.01, weight_decay=0.1),
}
LONG = 2 * BLOCK_ROWS + 44  # a batch of several blocks


def data(n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(n)
    x = random.normal(size=(n, 12)).astype("float32")
    x[np.abs(x) < 0.8] = 0.0
    return x, random.integers(0, 3, n)


def network(dtype: str = "float32") -> fastmlp.Network:
    # 96 units are six vectors of float32 in AVX-512, which two threads share by columns.
    return fastmlp.Network([12, 96, 5, 3], "tanh", init="glorot", seed=0, dtype=dtype)


def trained(x: Any, y: Any, rule: str, weight: Any = None, **options: Any) -> Any:
    """Return network, trainer, history and what the optimizer remembers, after three epochs."""
    net, epochs = network(options.pop("dtype", "float32")), options.pop("epochs", 3)
    record, callbacks = options.pop("record", "epoch"), options.pop("callbacks", ())
    options = {"l2": 0.1, "shuffle": False, "threads": 1} | options
    trainer = fastmlp.Trainer(net, optimizer=RULES[rule](), **options)
    history = trainer.fit(
        x, y, epochs=epochs, sample_weight=weight, record=record, callbacks=callbacks
    )
    return net, trainer, history, trainer.optimizer.state(net)


def weights_of(batches: list[int], size: int) -> np.ndarray:
    """Return weights: of batches with a 1, drawn; of others 0."""
    drawn = np.random.default_rng(0).uniform(0.5, 2.0, len(batches) * size)
    return drawn * np.repeat(batches, size)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("skipping", [False, True], ids=["dense", "skipping"])
@pytest.mark.parametrize("batch", [7, LONG])
@pytest.mark.parametrize("rule", RULES)
def test_training_is_as_without_them_to_the_last_bit(
    rule: str, batch: int, skipping: bool, threads: int
) -> None:
    places = [0, 1, 0, 0, 1, 1, 0]
    x, y = data(batch * len(places))
    weight = weights_of(places, batch)
    options = {"batch_size": batch, "zero_skipping": skipping, "threads": threads}
    net, trainer, history, state = trained(x, y, rule, weight, **options)
    some = weight > 0
    plain, other, expected, remembered = trained(x[some], y[some], rule, weight[some], **options)
    np.testing.assert_array_equal(net.parameters(), plain.parameters())
    np.testing.assert_array_equal(state.first, remembered.first)
    np.testing.assert_array_equal(state.second, remembered.second)
    assert trainer.steps == other.steps == state.steps == remembered.steps == 9
    assert history.steps == expected.steps
    assert history.epochs == expected.epochs == [1, 2, 3]
    assert history.loss == expected.loss
    assert history.accuracy == expected.accuracy


def test_the_last_batch_of_an_epoch_may_be_short_and_one() -> None:
    x, y = data(10)
    weight = np.r_[np.ones(8), 0, 0]
    net, _, history, _ = trained(x, y, "adam", weight, batch_size=4)
    plain, _, expected, _ = trained(x[:8], y[:8], "adam", weight[:8], batch_size=4)
    np.testing.assert_array_equal(net.parameters(), plain.parameters())
    assert (history.epochs, history.loss) == (expected.epochs, expected.loss)


def test_the_bias_correction_counts_steps() -> None:
    """Beside the reference in NumPy, which leaves these batches out of its list."""
    x, y = data(40)
    weight = weights_of([1, 0, 0, 1, 1], 8)
    net, _, history, _ = trained(x, y, "adam", weight, batch_size=8, dtype="float64", record="step")
    start = network("float64")
    weights, biases, losses = reference.train(
        x, y, list(start.weights), list(start.biases), "tanh", "softmax", "cross_entropy",
        {"name": "adam", "learning_rate": 0.01}, 8, np.arange(40), 3, 0.1, weight,
    )  # fmt: skip
    for found, expected in zip([*net.weights, *net.biases], [*weights, *biases], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-10)


class Watch:
    """Notes the steps it is told of."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def on_step_end(self, trainer: Any, history: Any) -> None:
        self.steps.append(trainer.steps)


def test_a_row_a_step_has_no_row_for_them_and_no_callback_is_told() -> None:
    x, y = data(30)
    watch, weight = Watch(), weights_of([0, 1, 0, 0, 1, 0], 5)
    _, _, history, _ = trained(
        x, y, "sgd", weight, batch_size=5, epochs=2, record="step", callbacks=[watch]
    )
    assert history.steps == watch.steps == [1, 2, 3, 4]
    assert history.epochs == pytest.approx([4 / 6, 1, 10 / 6, 2])
    assert np.isfinite([*history.loss, *history.accuracy, *history.seconds]).all()


class Save:
    """Writes a checkpoint after each chunk: with `on_step_end` after each batch."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.paths = folder, list[Path]()

    def on_step_end(self, trainer: Any, history: Any) -> None:
        """Make chunks end with batches."""

    def on_chunk_end(self, trainer: Any, history: Any) -> None:
        self.paths.append(self.folder / f"{len(self.paths)}.safetensors")
        trainer.save_checkpoint(self.paths[-1])


@pytest.mark.parametrize("rule", ["nesterov", "adam"])
def test_a_training_goes_on_from_a_checkpoint_behind_one(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "_CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(passes, "_FIRST_CHUNK", 0.0)
    x, y = data(30)
    weight, save = weights_of([0, 1, 0, 1, 1, 0], 5), Save(tmp_path)
    options: dict[str, Any] = {"batch_size": 5, "record": "step", "shuffle": True}
    net, trainer, history, _ = trained(x, y, rule, weight, callbacks=[save], **options)
    assert len(save.paths) == 18
    for path in save.paths:
        again = network()
        resumed = fastmlp.Trainer(again, optimizer=RULES[rule](), batch_size=5, l2=0.1, threads=1)
        assert resumed.resume(path)
        before = resumed.steps
        assert resumed.optimizer.state(again).steps == before
        found = resumed.fit(x, y, epochs=3, sample_weight=weight, record="step")
        np.testing.assert_array_equal(again.parameters(), net.parameters())
        assert (found.steps, found.epochs, found.loss) == (
            history.steps, history.epochs, history.loss,
        )  # fmt: skip
        assert before <= resumed.steps == trainer.steps


@pytest.mark.parametrize("places", [[1, 0, 0, 1], [0, 1, 0], [1, 0]], ids=str)
def test_a_divergence_goes_back_before_the_update_that_spoilt_the_parameters(
    places: list[int],
) -> None:
    """It may be some batches back, or in the epoch before."""
    x, y = data(4 * len(places))
    weight, kept = weights_of(places, 4), []
    for rows in (slice(None), weight > 0):
        net = fastmlp.Network([12, 9, 5, 3], seed=0)  # relu: a huge step gives an infinite loss
        trainer = fastmlp.Trainer(
            net, optimizer=fastmlp.SGD(1e30), batch_size=4, shuffle=False, threads=1
        )
        with pytest.raises(DivergenceError):
            trainer.fit(x[rows], y[rows], epochs=5, sample_weight=weight[rows])
        kept.append((net.parameters().tobytes(), trainer.steps, trainer.history.steps))
        assert np.isfinite(net.evaluate(x, y)["loss"])
    assert kept[0] == kept[1]


# --- the estimators -------------------------------------------------------------------------------

SOLVERS = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "adam": {"solver": "adam", "weight_decay": 0.01},
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_an_estimator_is_as_without_them(kind: Any, solver: str) -> None:
    x, y = data(50)
    weight = weights_of([0, 1, 1, 0, 1], 10)
    some = weight > 0
    settings = {
        "hidden_layer_sizes": (6,), "batch_size": 10, "shuffle": False, "max_iter": 3,
        "alpha": 0.1, "random_state": 0,
    }  # fmt: skip
    model = kind(**settings, **SOLVERS[solver]).fit(x, y, sample_weight=weight)
    plain = kind(**settings, **SOLVERS[solver]).fit(x[some], y[some], sample_weight=weight[some])
    for found, expected in zip(
        [*model.coefs_, *model.intercepts_], [*plain.coefs_, *plain.intercepts_], strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    assert model.loss_curve_ == plain.loss_curve_
    assert (model.t_, plain.t_) == (150, 90)


def test_a_schedule_keeps_a_place_for_them() -> None:
    """With one weight and a constant gradient the path is the sum of the learning rates."""
    x, y = np.ones((100, 1)), np.zeros(100)
    places = [1, 0, 0, 1, 1, 0, 1, 1, 1, 0]
    model = MLPRegressor(
        "absolute_error", (), solver="sgd", momentum=0, alpha=0, learning_rate="cosine",
        learning_rate_init=0.1, batch_size=10, max_iter=2, random_state=0, shuffle=False,
        warm_start=True,
    ).initialize(1)  # fmt: skip
    model.coefs_[0][:], model.intercepts_[0][:] = 10.0, 10.0
    with pytest.warns(UserWarning, match="hasn't converged"):
        model.fit(x, y, sample_weight=np.repeat(places, 10))
    rates = 0.05 * (1 + np.cos(np.pi * np.arange(20) / 19))
    path = rates[np.tile(places, 2) == 1].sum()
    assert 10.0 - model.coefs_[0][0, 0] == pytest.approx(path, rel=1e-5)


@pytest.mark.parametrize("where", ["training", "validation"])
def test_a_split_with_all_weights_on_one_side_is_refused(where: str) -> None:
    x, y = data(40)
    held = train_test_split(np.arange(40), random_state=np.random.RandomState(0), test_size=0.1)[1]
    weight = np.full(40, float(where == "training"))
    weight[held] = float(where == "validation")
    model = MLPRegressor(early_stopping=True, random_state=0, warm_start=True).initialize(12)
    with pytest.raises(ValueError, match="sample_weight: expected some above 0 for training and"):
        model.fit(x, y, sample_weight=weight)


def test_held_out_weights_of_a_class_that_has_none_are_refused() -> None:
    x, y = data(40)
    model = MLPClassifier(class_weight={0: 0.0}, max_iter=1)
    with pytest.raises(ValueError, match="sample_weight_val: expected some above 0, with class"):
        model.fit(x, y, X_val=x[y == 0], y_val=y[y == 0])


# --- gradients, and steps by hand -----------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_a_step_by_hand_with_their_gradients_is_none(rule: str) -> None:
    x, y = data(8)
    net, optimizer = network(), RULES[rule]()
    optimizer.step(net, net.gradients(x, y))
    gradients = net.gradients(x, y, sample_weight=np.zeros(8), l2=0.5)
    assert not any(array.any() for part in gradients for array in part)
    state = optimizer.state(net)
    before = net.parameters(), state.copy()
    for given in (gradients, copy.deepcopy(gradients), pickle.loads(pickle.dumps(gradients))):
        optimizer.step(net, given)
    np.testing.assert_array_equal(net.parameters(), before[0])
    for found, expected in zip(state.copy(), before[1], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_gradient_that_is_zero_is_a_step() -> None:
    """A velocity carries on where the slope is 0."""
    x, y = data(8)
    net, optimizer = network(), RULES["momentum"]()
    optimizer.step(net, net.gradients(x, y))
    before = net.parameters()
    optimizer.step(net, tuple([np.zeros_like(a) for a in part] for part in net.gradients(x, y)))
    assert not np.array_equal(net.parameters(), before)


def test_a_mean_over_no_weight_is_refused() -> None:
    x, y = data(8)
    for call in (network().loss_and_gradient, network().evaluate):
        with pytest.raises(ValueError, match="sample_weight"):
            call(x, y, sample_weight=np.zeros(8))
    with pytest.raises(ValueError, match="sample_weight: expected no negative number"):
        network().gradients(x, y, sample_weight=-np.ones(8))
