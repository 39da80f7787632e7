"""Schedules and early stopping of the trainer: rates, when it ends, and with which parameters."""

from __future__ import annotations

import copy
import math
import pickle
import re
from typing import Any

import numpy as np
import pytest

import fastmlp
from fastmlp import reference
from fastmlp.errors import InvalidTypeError, InvalidValueError
from fastmlp.schedules import SCHEDULES

RNG = np.random.default_rng(0)


def data(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return classes with much noise: what is learned by heart soon makes it worse elsewhere."""
    x = RNG.normal(size=(n, 6))
    return x, np.argmax(x[:, :3] + RNG.normal(size=(n, 3)), axis=1)


X, Y = data(40)
HELD_OUT = data(80)


def network(dtype: str = "float64", hidden: str = "tanh") -> fastmlp.Network:
    return fastmlp.Network([6, 20, 3], hidden=hidden, seed=1, dtype=dtype)


def trainer(net: fastmlp.Network | None = None, **options: Any) -> fastmlp.Trainer:
    defaults = {"optimizer": fastmlp.Adam(0.01), "batch_size": 8, "seed": 3}
    return fastmlp.Trainer(net or network(), **(defaults | options))


def rates_by_hand(schedule: str, peak: float, steps: int) -> np.ndarray:
    """Return the learning rates of all steps, by the formulas as they are published."""
    t = np.arange(steps) / max(steps - 1, 1)
    if schedule == "cosine":
        return peak / 2 * (1 + np.cos(np.pi * t))
    low, end = peak / 25, peak / 250_000
    up = low + (peak - low) / 2 * (1 - np.cos(np.pi * t / 0.3))
    down = end + (peak - end) / 2 * (1 + np.cos(np.pi * (t - 0.3) / 0.7))
    return np.where(t < 0.3, up, down)


# --- schedules ------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [1, 4])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("batch", [16, 40])
def test_each_step_takes_the_rate_of_its_place_in_the_whole_fit(
    schedule: str, epochs: int, batch: int
) -> None:
    net = network()
    parameters = [w.copy() for w in [*net.weights, *net.biases]]
    batches = [np.arange(i, min(i + batch, 40)) for i in range(0, 40, batch)] * epochs
    for rows, rate in zip(batches, rates_by_hand(schedule, 0.5, len(batches)), strict=True):
        _, dw, db = reference.loss_and_gradients(
            X[rows], Y[rows], parameters[:2], parameters[2:], "tanh", "softmax", "cross_entropy"
        )
        parameters = [
            reference.sgd_update(p, g, rate) for p, g in zip(parameters, dw + db, strict=True)
        ]
    fastmlp.Trainer(
        net, optimizer=fastmlp.SGD(0.5), batch_size=batch, shuffle=False, schedule=schedule
    ).fit(X, Y, epochs=epochs)
    for ours, theirs in zip([*net.weights, *net.biases], parameters, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-13)


def test_a_second_fit_has_a_schedule_of_its_own() -> None:
    """And a rate that a callback sets is the largest from the next epoch on."""

    class Half:
        def on_epoch_end(self, trainer: Any, history: Any) -> None:
            trainer.optimizer.learning_rate = 0.25

    target = np.zeros((8, 1))
    net = fastmlp.Network([1, 1], output="identity", init="zeros", dtype="float64")
    net.biases[0][:] = 1.0
    ours = fastmlp.Trainer(net, optimizer=fastmlp.SGD(0.5), batch_size=4, schedule="cosine", l2=0.0)
    bias = 1.0
    for epochs, peaks in ((1, [0.5, 0.5]), (2, [0.25, 0.25, 0.25, 0.25])):
        factors = rates_by_hand("cosine", 1.0, 2 * epochs)
        bias *= np.prod(1 - 2 * factors * peaks)  # the gradient of b² is 2 b
        ours.fit(target, target, epochs=epochs, callbacks=[Half()])
        assert net.biases[0][0] == pytest.approx(bias, abs=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_scheduled_training_that_diverges_keeps_finite_parameters(schedule: str) -> None:
    sgd = fastmlp.SGD(1e30)
    ours = trainer(network("float32", "relu"), optimizer=sgd, schedule=schedule)
    with pytest.raises(fastmlp.DivergenceError, match=r"learning_rate \(it is 1e\+30\)"):
        ours.fit(X, Y, epochs=5)
    assert np.isfinite(ours.network.parameters()).all()
    assert math.isfinite(ours.network.evaluate(X, Y)["loss"])


# --- when to stop ---------------------------------------------------------------------------------


def expected_end(values: list[float], patience: int, min_delta: float) -> int:
    """Return after which epoch training stops, and how many there are where it does not."""
    best, bad = math.inf, 0
    for epoch, value in enumerate(values, start=1):
        bad = 0 if value < best - min_delta else bad + 1
        best = min(best, value)
        if bad == patience:
            return epoch
    return len(values)


@pytest.mark.parametrize("monitor", ["loss", "accuracy"])
@pytest.mark.parametrize(("patience", "min_delta"), [(1, 0.0), (4, 0.0), (3, 0.01), (50, 0.0)])
def test_patience_counts_epochs_that_were_not_better(
    monitor: str, patience: int, min_delta: float
) -> None:
    whole = trainer()
    whole.fit(X, Y, epochs=30, validation=HELD_OUT)
    sign = 1 if monitor == "loss" else -1
    values = [sign * value for value in whole.history.to_dict()[f"validation_{monitor}"]]
    end = expected_end(values, patience, min_delta)
    ours = trainer(patience=patience, min_delta=min_delta, monitor=monitor)
    ours.fit(X, Y, epochs=30, validation=HELD_OUT)
    assert ours.finished_epochs == end
    assert ours.history.validation_loss == whole.history.validation_loss[:end]


@pytest.mark.parametrize("monitor", ["loss", "accuracy"])
def test_the_best_parameters_are_taken_back(monitor: str) -> None:
    class Keep:
        def __init__(self) -> None:
            self.kept: list[np.ndarray] = []

        def on_epoch_end(self, trainer: Any, history: Any) -> None:
            self.kept.append(trainer.network.parameters())

    keep = Keep()
    ours = trainer(restore_best=True, monitor=monitor)
    ours.fit(X, Y, epochs=12, validation=HELD_OUT, callbacks=[keep])
    assert len(keep.kept) == 12  # without a patience it goes on to the end
    history = ours.history
    best = np.argmin(history.validation_loss)
    if monitor == "accuracy":
        best = np.argmax(history.validation_accuracy)
    assert 0 < best < 11
    np.testing.assert_array_equal(ours.network.parameters(), keep.kept[best])
    assert ours.steps == 12 * 5


def test_each_fit_has_a_best_epoch_of_its_own() -> None:
    ours = trainer(patience=2, restore_best=True, optimizer=fastmlp.Adam(0.03))
    ours.fit(X, Y, epochs=50, validation=HELD_OUT)
    first = ours.finished_epochs
    assert 2 < first < 50
    ours.fit(X, Y, epochs=50, validation=HELD_OUT)
    later = ours.history.validation_loss[first:]
    assert len(later) == expected_end([*later, -math.inf], 2, 0.0)
    assert ours.network.evaluate(*HELD_OUT)["loss"] == min(later)


@pytest.mark.parametrize("ended_by", ["time", "callback", "divergence"])
def test_the_best_parameters_are_taken_back_whatever_ends_the_fit(ended_by: str) -> None:
    class End:
        def on_epoch_end(self, trainer: Any, history: Any) -> bool:
            if ended_by == "divergence" and len(history) == 8:
                trainer.optimizer.learning_rate = 1e30
            return ended_by == "callback" and len(history) == 8

        def on_step_end(self, trainer: Any, history: Any) -> None:
            if ended_by == "time" and trainer.steps == 8 * 5 + 2:
                trainer._budget = 0.0

    adam = fastmlp.Adam(0.03)
    ours = trainer(network("float32", "relu"), optimizer=adam, restore_best=True)
    fit: dict[str, Any] = {"epochs": 500, "validation": HELD_OUT, "callbacks": [End()]}
    if ended_by == "divergence":
        with pytest.raises(fastmlp.DivergenceError, match=r"; the best parameters are kept$"):
            ours.fit(X, Y, **fit)
    else:
        ours.fit(X, Y, max_seconds=60, **fit)
    losses = ours.history.validation_loss
    assert len(losses) >= 8
    assert ours.network.evaluate(*HELD_OUT)["loss"] == np.nanmin(losses) < losses[7]


def test_without_a_finished_epoch_the_last_parameters_stay() -> None:
    net = network("float32", "relu")
    ours = trainer(net, restore_best=True, optimizer=fastmlp.SGD(1e30))
    with pytest.raises(fastmlp.DivergenceError, match=r"; the last finite parameters are kept$"):
        ours.fit(X, Y, epochs=1, validation=HELD_OUT)
    assert np.isfinite(ours.network.parameters()).all()


@pytest.mark.filterwarnings("ignore:validation. its loss is not finite")
def test_a_validation_loss_that_is_not_finite_is_never_the_best() -> None:
    targets = np.full((40, 1), 1e200)
    net = fastmlp.Network([6, 1], output="identity", dtype="float64", seed=0)
    before = net.parameters()
    ours = fastmlp.Trainer(net, patience=3, restore_best=True)
    ours.fit(X, np.ones((40, 1)), epochs=20, validation=(X, targets))
    assert ours.finished_epochs == 3
    assert not np.array_equal(net.parameters(), before)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))]
)
def test_a_copy_stops_as_the_original(copied: Any) -> None:
    ours = trainer(patience=2, restore_best=True, schedule="one_cycle")
    ours.fit(X, Y, epochs=3, validation=HELD_OUT)
    theirs = copied(ours)
    for each in (ours, theirs):
        each.fit(X, Y, epochs=20, validation=HELD_OUT)
    np.testing.assert_array_equal(ours.network.parameters(), theirs.network.parameters())
    assert ours.history.validation_loss == theirs.history.validation_loss


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "linear"}, "schedule: expected one of cosine, one_cycle, got 'linear'"),
        ({"patience": 0}, "patience: expected an integer of at least 1 or None, got 0"),
        ({"min_delta": -1.0}, "min_delta: expected a finite number of at least 0, got -1.0"),
        ({"monitor": "f1"}, "monitor: expected one of loss, accuracy, got 'f1'"),
        ({"restore_best": 1}, "restore_best: expected True or False, got int"),
    ],
)
def test_arguments_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidValueError, InvalidTypeError), match=f"^{re.escape(message)}"):
        trainer(**options)


@pytest.mark.parametrize("options", [{"patience": 3}, {"restore_best": True}], ids=str)
def test_without_validation_data_there_is_no_best_epoch(options: dict[str, Any]) -> None:
    ours = trainer(**options)
    (name,) = options
    expected = rf"^validation: expected a pair \(x, y\), for {name}, got None"
    with pytest.raises(InvalidValueError, match=expected):
        ours.fit(X, Y)
    assert ours.steps == 0


def test_numbers_have_no_accuracy_to_watch() -> None:
    net = fastmlp.Network([6, 1], output="identity", seed=0)
    ours = fastmlp.Trainer(net, patience=3, monitor="accuracy")
    with pytest.raises(InvalidValueError, match=r"^monitor: expected 'loss' for targets that"):
        ours.fit(X, X[:, 0], validation=(X, X[:, 0]))
