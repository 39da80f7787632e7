"""Optimizers: their numbers, and what they remember of each network."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any

import numpy as np
import pytest

import fastmlp
from fastmlp import reference

GRADIENT = np.array([0.5, -2.0, 0.0, 1e-3, 3.0, -0.25])


def one_layer(dtype: str = "float64") -> fastmlp.Network:
    net = fastmlp.Network([2, 2], dtype=dtype)
    net.set_parameters([1.0, -1.0, 0.5, 2.0, 0.25, -3.0])
    return net


def apply(optimizer: Any, net: fastmlp.Network, times: int) -> np.ndarray:
    """Update with a gradient that changes from step to step."""
    for k in range(times):
        g = GRADIENT * (1 + k)
        optimizer.step(net, ([g[:4].reshape(2, 2)], [g[4:]]))
    return net.parameters()


RULES: list[tuple[Any, Any, int, dict[str, float]]] = [
    (fastmlp.SGD(0.1), reference.sgd_update, 0, {"learning_rate": 0.1}),
    (
        fastmlp.SGD(0.1, momentum=0.8),
        reference.momentum_update, 1, {"learning_rate": 0.1, "momentum": 0.8},
    ),
    (
        fastmlp.SGD(0.1, momentum=0.8, nesterov=True),
        reference.nesterov_update, 1, {"learning_rate": 0.1, "momentum": 0.8},
    ),
    (
        fastmlp.Adam(0.1, 0.8, 0.95, 1e-3),
        reference.adam_update, 2,
        {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    ),
    (
        fastmlp.AdamW(0.1, weight_decay=0.5),
        reference.adamw_update, 2, {"learning_rate": 0.1, "weight_decay": 0.5},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("optimizer", "rule", "states", "settings"), RULES, ids=lambda v: "")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 1e-5)])
def test_steps_equal_the_reference(
    optimizer: Any, rule: Any, states: int, settings: dict[str, float], dtype: str, tolerance: float
) -> None:
    expected = []
    for part, decays in ((slice(0, 4), True), (slice(4, 6), False)):
        p = one_layer().parameters()[part]
        state = [np.zeros_like(p)] * states
        for k in range(5):
            extra = {"step": k + 1} if states == 2 else {}
            if not decays and "weight_decay" in settings:
                extra["weight_decay"] = 0.0
            new = rule(p, GRADIENT[part] * (1 + k), *state, **(settings | extra))
            p, *state = new if states else (new,)
        expected.append(p)
    optimizer.reset()
    found = apply(optimizer, one_layer(dtype), 5)
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=tolerance, atol=tolerance)


def test_each_network_has_its_own_state() -> None:
    shared, alone = fastmlp.Adam(0.1), fastmlp.Adam(0.1)
    first, second, third = one_layer(), one_layer(), one_layer()
    apply(shared, first, 3)
    np.testing.assert_array_equal(apply(shared, second, 2), apply(alone, third, 2))
    assert shared.state(first).steps == 3
    assert shared.state(second).steps == 2


def test_reset_forgets() -> None:
    optimizer = fastmlp.SGD(0.1, momentum=0.9)
    once = apply(optimizer, one_layer(), 2)
    net = one_layer()
    apply(optimizer, net, 2)
    optimizer.reset()
    net.set_parameters(one_layer().parameters())
    np.testing.assert_array_equal(apply(optimizer, net, 2), once)


def test_a_network_that_is_gone_is_forgotten() -> None:
    optimizer = fastmlp.Adam()
    net = one_layer()
    apply(optimizer, net, 1)
    assert len(optimizer._states) == 1
    del net
    gc.collect()
    assert len(optimizer._states) == 0


def test_a_learning_rate_may_change_between_fits() -> None:
    x, y = np.eye(2, dtype="float32"), np.array([0, 1])
    net = one_layer()
    optimizer = fastmlp.SGD(0.1)
    trainer = fastmlp.Trainer(net, optimizer=optimizer)
    trainer.fit(x, y, epochs=1)
    before = net.parameters()
    optimizer.learning_rate = 1e-30
    trainer.fit(x, y, epochs=5)
    np.testing.assert_array_equal(net.parameters(), before)


class Halve:
    """Half the learning rate after every epoch, the last one's NaN."""

    last = 0

    def on_epoch_end(self, trainer: Any, history: Any) -> None:
        trainer.optimizer.learning_rate *= 0.5
        if len(history) == self.last:
            trainer.optimizer.learning_rate = float("nan")


@pytest.mark.parametrize("make", [fastmlp.SGD, fastmlp.Adam])
def test_a_callback_may_set_the_learning_rate_of_the_next_epoch(make: Any) -> None:
    x, y = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 2
    nets, trainers = zip(*((n, fastmlp.Trainer(n, optimizer=make(0.4), batch_size=8))
                           for n in (one_layer(), one_layer())), strict=True)  # fmt: skip
    trainers[0].fit(x, y, epochs=3, callbacks=[Halve()])
    for epoch in range(3):
        trainers[1].optimizer.learning_rate = 0.4 * 0.5**epoch
        trainers[1].fit(x, y, epochs=1)
    np.testing.assert_array_equal(nets[0].parameters(), nets[1].parameters())


def test_a_learning_rate_that_a_callback_spoils_ends_the_fit_after_the_epoch() -> None:
    net = one_layer()
    trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(0.1))
    stop = Halve()
    stop.last = 2
    with pytest.raises(fastmlp.FastMLPError, match=r"^learning_rate: expected .* got nan"):
        trainer.fit(np.eye(2), [0, 1], epochs=5, callbacks=[stop])
    assert trainer.history.steps == [1, 2]
    assert trainer.steps == 2
    trainer.optimizer.learning_rate = 0.1
    assert trainer.fit(np.eye(2), [0, 1], epochs=1).steps == [1, 2, 3]


@pytest.mark.parametrize("before", [0.0, 0.9])
def test_a_momentum_may_be_set_between_fits(before: float) -> None:
    """The velocity starts at zero: it is what an optimizer with that momentum does at first."""
    x, y = np.eye(2, dtype="float32"), np.array([0, 1])
    optimizer, after = fastmlp.SGD(0.1, momentum=before), 0.9 - before
    net, expected = one_layer(), one_layer()
    trainer = fastmlp.Trainer(net, optimizer=optimizer)
    trainer.fit(x, y, epochs=3)
    expected.set_parameters(net.parameters())
    optimizer.momentum = after
    trainer.fit(x, y, epochs=4)
    fastmlp.Trainer(expected, optimizer=fastmlp.SGD(0.1, momentum=after)).fit(x, y, epochs=4)
    np.testing.assert_array_equal(net.parameters(), expected.parameters())
    assert trainer.history.steps == [1, 2, 3, 4, 5, 6, 7]


def test_a_momentum_may_be_set_between_steps_and_for_a_second_trainer() -> None:
    x, y = np.eye(2, dtype="float32"), np.array([0, 1])
    optimizer, net = fastmlp.SGD(0.1), one_layer()
    apply(optimizer, net, 2)
    optimizer.momentum = 0.9
    expected = one_layer()
    expected.set_parameters(net.parameters())
    np.testing.assert_array_equal(
        apply(optimizer, net, 2), apply(fastmlp.SGD(0.1, momentum=0.9), expected, 2)
    )
    optimizer.momentum = 0.0
    apply(optimizer, net, 1)
    optimizer.momentum = 0.9
    fastmlp.Trainer(net, optimizer=optimizer).fit(x, y, epochs=2)
    assert np.isfinite(net.buffer).all()
    assert optimizer.state(net).steps == 7


def test_a_momentum_set_by_a_callback_is_of_the_next_fit() -> None:
    class Set:
        def on_epoch_end(self, trainer: Any, history: Any) -> None:
            trainer.optimizer.momentum = 0.9
            assert trainer.steps == len(history)

    x, y = np.eye(2, dtype="float32"), np.array([0, 1])
    net, expected = one_layer(), one_layer()
    trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(0.1))
    trainer.fit(x, y, epochs=3, callbacks=[Set()])
    fastmlp.Trainer(expected, optimizer=fastmlp.SGD(0.1)).fit(x, y, epochs=3)
    np.testing.assert_array_equal(net.parameters(), expected.parameters())
    assert trainer.fit(x, y, epochs=1).steps == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("optimizer", "name", "value"),
    [
        (fastmlp.SGD(0.1), "learning_rate", float("nan")),
        (fastmlp.SGD(0.1), "learning_rate", None),
        (fastmlp.SGD(0.1), "momentum", -0.5),
        (fastmlp.SGD(0.1), "momentum", "much"),
        (fastmlp.SGD(0.1), "nesterov", True),
        (fastmlp.Adam(), "beta_2", 1.0),
        (fastmlp.Adam(), "epsilon", 0.0),
        (fastmlp.AdamW(), "weight_decay", -1),
    ],
)
def test_numbers_that_are_set_later_are_checked_too(optimizer: Any, name: str, value: Any) -> None:
    net = one_layer()
    trainer = fastmlp.Trainer(net, optimizer=optimizer)
    before = net.parameters()
    setattr(optimizer, name, value)
    with pytest.raises(fastmlp.FastMLPError, match=f"^{name}: expected"):
        trainer.fit(np.eye(2), [0, 1], epochs=1)
    with pytest.raises(fastmlp.FastMLPError, match=f"^{name}: expected"):
        apply(optimizer, net, 1)
    np.testing.assert_array_equal(net.parameters(), before)


@pytest.mark.parametrize("copied", [lambda o: pickle.loads(pickle.dumps(o)), copy.deepcopy])
@pytest.mark.parametrize("optimizer", [fastmlp.SGD(0.3, 0.5, True), fastmlp.AdamW(0.2)])
def test_a_copy_has_the_numbers_and_no_memory(optimizer: Any, copied: Any) -> None:
    net = one_layer()
    fresh = apply(copied(optimizer), one_layer(), 1)
    apply(optimizer, net, 2)
    twin = copied(optimizer)
    assert repr(twin) == repr(optimizer)
    net.set_parameters(one_layer().parameters())
    np.testing.assert_array_equal(apply(twin, net, 1), fresh)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: fastmlp.SGD(0), "learning_rate"),
        (lambda: fastmlp.SGD(-1), "learning_rate"),
        (lambda: fastmlp.SGD(float("nan")), "learning_rate"),
        (lambda: fastmlp.SGD(float("inf")), "learning_rate"),
        (lambda: fastmlp.SGD("fast"), "learning_rate"),
        (lambda: fastmlp.SGD(0.1, momentum=1.0), "momentum"),
        (lambda: fastmlp.SGD(0.1, momentum=-0.1), "momentum"),
        (lambda: fastmlp.SGD(0.1, nesterov=True), "nesterov"),
        (lambda: fastmlp.Adam(beta_1=1), "beta_1"),
        (lambda: fastmlp.Adam(beta_2=-0.5), "beta_2"),
        (lambda: fastmlp.Adam(epsilon=0), "epsilon"),
        (lambda: fastmlp.AdamW(weight_decay=-1), "weight_decay"),
        (lambda: fastmlp.AdamW(weight_decay=None), "weight_decay"),
    ],
)
def test_bad_numbers_are_refused(make: Any, argument: str) -> None:
    with pytest.raises(fastmlp.FastMLPError, match=f"^{argument}: expected .*, got ") as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "gradients",
    [
        ([np.zeros((2, 2))],),
        ([np.zeros((2, 2))] * 2, [np.zeros(2)] * 2),
        ([np.zeros((2, 3))], [np.zeros(2)]),
        ([np.zeros((2, 2))], [np.zeros(3)]),
    ],
)
def test_gradients_of_another_network_are_refused(gradients: Any) -> None:
    net = one_layer()
    optimizer = fastmlp.Adam()
    with pytest.raises(fastmlp.FastMLPError, match=r"^gradients.*: expected .*, got "):
        optimizer.step(net, gradients)
    np.testing.assert_array_equal(net.parameters(), one_layer().parameters())
    assert optimizer.state(net).steps == 0
