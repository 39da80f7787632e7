"""One table of names: what it names, library, command line, reference and registry all have."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pytest

import fastmlp
import fastmlp.cli
from fastmlp import kernels, names, reference
from fastmlp.cli.parser import build_parser
from fastmlp.estimators.arguments import CONSTRAINTS, HIDDEN
from fastmlp.files import load_file
from fastmlp.kernels import activations
from fastmlp.registry import REGISTRY
from fastmlp.schedules import SCHEDULES

KERNEL_OF = {"quantile": "quantile_loss"}  # np.quantile is another thing
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(20, 3)), RANDOM.normal(size=(20, 2))


def options(command: str) -> dict[str, argparse.Action]:
    parser = build_parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {flag: a for a in commands.choices[command]._actions for flag in a.option_strings}


@pytest.mark.parametrize("name", names.HIDDEN)
def test_each_activation_is_everywhere(name: str) -> None:
    assert name in activations.HIDDEN
    assert {"sigmoid": "logistic"}.get(name, name) in HIDDEN
    for one in (name, f"{name}_backward"):
        assert hasattr(reference, one)
        assert one in REGISTRY
        assert hasattr(kernels, f"{one}_parallel")
    assert options("train")["--activation"].type(name) == name
    assert name in str(options("train")["--activation"].help)
    fastmlp.Network([3, 4, 2], hidden=name)


@pytest.mark.parametrize("name", names.LOSSES)
def test_each_loss_is_everywhere(name: str) -> None:
    kernel = KERNEL_OF.get(name, name)
    for one in (kernel, f"{kernel}_backward"):
        assert hasattr(reference, one)
        assert one in REGISTRY
        assert hasattr(kernels, f"{one}_parallel")
    for output in names.LOSSES[name]:
        fastmlp.Trainer(fastmlp.Network([3, 2], output=output), loss=name)
    for command in ("train", "race", "evaluate"):
        assert name in options(command)["--loss"].choices


def test_the_other_names_are_the_librarys() -> None:
    assert set(names.HIDDEN) == set(activations.HIDDEN)
    assert set(names.SCHEDULES) == set(SCHEDULES)
    assert set(names.SCHEDULES) < set(CONSTRAINTS["learning_rate"][0].options)
    for initialiser in names.INITIALISERS:
        fastmlp.Network([2, 2], init=initialiser)
    for output in names.OUTPUTS:
        fastmlp.Network([2, 2], output=output)
    assert tuple(options("train")["--optimizer"].choices) == tuple(names.LEARNING_RATES)


PAIRS: list[Any] = ["absolute_error", "huber", ("huber", 0.3), "quantile", ("quantile", 0.9)]


@pytest.mark.parametrize("hidden", names.HIDDEN)
@pytest.mark.parametrize("loss", PAIRS)
def test_losses_and_gradients_are_the_references(loss: Any, hidden: str) -> None:
    net = fastmlp.Network([3, 4, 2], hidden=hidden, output="identity", dtype="float64", seed=1)
    value, dw, db = reference.loss_and_gradients(
        X, Y, list(net.weights), list(net.biases), hidden, "identity", loss, l2=0.1
    )
    mine, _ = net.loss_and_gradient(X, Y, loss, l2=0.1)
    assert mine == pytest.approx(value, rel=1e-12)
    weights, biases = net.gradients(X, Y, loss, l2=0.1)
    for got, expected in zip([*weights, *biases], [*dw, *db], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    each = net.per_sample_gradients(X, Y, loss)
    plain = net.gradients(X, Y, loss)
    for got, expected in zip([*each[0], *each[1]], [*plain[0], *plain[1]], strict=True):
        np.testing.assert_allclose(got.mean(axis=0), expected, rtol=1e-9, atol=1e-12)
    found = net.evaluate(X, Y, loss)["loss"]
    penalty = 0.1 / 2 / len(X) * sum((w * w).sum() for w in net.weights)
    assert found == pytest.approx(value - penalty, rel=1e-12)


@pytest.mark.parametrize("loss", [*PAIRS, ("quantile", [0.1, 0.9])])
def test_gradients_are_the_losses_derivatives(loss: Any) -> None:
    net = fastmlp.Network([3, 4, 2], hidden="silu", output="identity", dtype="float64", seed=1)
    _, gradient = net.loss_and_gradient(X, Y, loss)
    parameters, step = net.parameters(), 1e-6
    for i in range(0, len(parameters), 3):
        sides = []
        for sign in (1, -1):
            moved = parameters.copy()
            moved[i] += sign * step
            net.set_parameters(moved)
            sides.append(net.evaluate(X, Y, loss)["loss"])
        assert gradient[i] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-6)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (("huber", 0.0), "huber: expected a finite number greater than 0"),
        (("huber", "a"), "huber: expected a finite number"),
        (("quantile", 1.0), "quantile: expected one number between 0 and 1, or 2 of them"),
        (("quantile", [0.1, 0.2, 0.3]), "quantile: expected one number between 0 and 1, or 2"),
        (("squared_error", 1.0), "loss: expected 'squared_error' alone: it has no parameter"),
        ("cubed_error", "loss: expected one of cross_entropy"),
        (("huber", 1.0, 2.0), "loss: expected one of"),
        ("cross_entropy", "loss: expected a loss for a identity output"),
    ],
)
def test_losses_are_refused_by_name(loss: Any, message: str) -> None:
    net = fastmlp.Network([3, 2], output="identity")
    for call in (lambda: fastmlp.Trainer(net, loss=loss), lambda: net.gradients(X, Y, loss)):
        with pytest.raises(fastmlp.FastMLPError) as caught:
            call()
        assert str(caught.value).startswith(message)


def test_a_quantile_is_learnt() -> None:
    noise = RANDOM.exponential(size=2000)
    net = fastmlp.Network([1, 2], output="identity", init="zeros")
    trainer = fastmlp.Trainer(net, loss=("quantile", [0.1, 0.9]), optimizer=fastmlp.SGD(0.05))
    trainer.fit(np.zeros((2000, 1)), np.stack([noise, noise], axis=1), epochs=100)
    np.testing.assert_allclose(net.biases[0], np.quantile(noise, [0.1, 0.9]), atol=0.1)


# Dropout of the trainer.


def train(dropout: float, threads: int = 1, **options: Any) -> fastmlp.Trainer:
    net = fastmlp.Network([3, 40, 2], output="identity", dtype="float64", seed=1)
    trainer = fastmlp.Trainer(
        net, optimizer=fastmlp.SGD(0.02), batch_size=8, dropout=dropout, threads=threads, seed=3,
        **options,
    )  # fmt: skip
    trainer.fit(X, Y, epochs=2)
    return trainer


def test_dropout_trains_as_the_reference_masks() -> None:
    net = fastmlp.Network([3, 40, 2], output="identity", dtype="float64", seed=1)
    (w1, w2), (b1, b2) = list(net.weights), list(net.biases)
    random = np.random.default_rng(3)
    for _ in range(2):
        order = random.permutation(20)
        seed = int(random.integers(2**62))
        mask = reference.dropout(np.ones((20, 40)), 0.3, seed)
        for first in range(0, 20, 8):
            rows, kept = order[first : first + 8], mask[first : first + 8]
            a = reference.relu(reference.dense(X[rows], w1, b1)) * kept
            delta = reference.squared_error_backward(reference.dense(a, w2, b2), Y[rows])
            delta /= len(rows)
            below = reference.relu_backward(a, reference.dense_backward_input(delta, w2)) * kept
            w2 -= 0.02 * reference.dense_backward_weights(a, delta)
            b2 -= 0.02 * delta.sum(axis=0)
            w1 -= 0.02 * reference.dense_backward_weights(X[rows], below)
            b1 -= 0.02 * below.sum(axis=0)
    trained = train(0.3).network
    np.testing.assert_allclose(trained.weights[0], w1, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(trained.weights[1], w2, rtol=1e-9, atol=1e-12)


def test_dropout_gives_the_same_bits_on_two_threads() -> None:
    one, two = train(0.5).network, train(0.5, threads=2).network
    np.testing.assert_array_equal(one.buffer, two.buffer)


def test_without_dropout_nothing_is_drawn_for_it() -> None:
    assert train(0.0)._progress.random.integers(1000) == _after_two_permutations()


def _after_two_permutations() -> int:
    random = np.random.default_rng(3)
    random.permutation(20)
    random.permutation(20)
    return int(random.integers(1000))


@pytest.mark.parametrize("stop", [1, 2, 4])
def test_dropout_resumes_with_the_bits_of_an_unbroken_run(tmp_path: Any, stop: int) -> None:
    class Stop:
        def on_step_end(self, trainer: Any, history: Any) -> bool:
            return bool(trainer.steps == stop)

    def trainer(path: Any) -> fastmlp.Trainer:
        net = fastmlp.Network([3, 40, 2], output="identity", seed=1)
        return fastmlp.Trainer(
            net, loss=("huber", 0.5), batch_size=8, dropout=0.3, checkpoint=path
        )  # fmt: skip

    whole = trainer(None)
    whole.fit(X, Y, epochs=2)
    path = tmp_path / "run"
    trainer(path).fit(X, Y, epochs=2, callbacks=[Stop()])
    resumed = trainer(path)
    assert resumed.resume()
    resumed.fit(X, Y, epochs=2)
    np.testing.assert_array_equal(resumed.network.buffer, whole.network.buffer)
    other = fastmlp.Trainer(resumed.network, loss="huber", batch_size=8, dropout=0.3)
    with pytest.raises(fastmlp.FastMLPError, match=r"^loss_constants: expected \[0.5, 0.5\]"):
        other.resume(path)


@pytest.mark.parametrize("rate", [-0.1, 1.0, "half"])
def test_a_share_that_is_none_is_refused(rate: Any) -> None:
    with pytest.raises(fastmlp.FastMLPError, match=r"^dropout: expected a finite number"):
        fastmlp.Trainer(fastmlp.Network([2, 2]), dropout=rate)


# On the command line.


@pytest.fixture
def numbers(tmp_path: Any) -> Any:
    path = tmp_path / "n.npz"
    np.savez(path, x=np.tile(X, (4, 1)), y=np.tile(Y[:, 0], 4))
    return path


def test_the_command_line_trains_what_the_library_does(numbers: Any, tmp_path: Any) -> None:
    words = [
        "--hidden",
        "8,8",
        "--activation",
        "gelu,elu",
        "--loss",
        "huber",
        "--huber-delta",
        "0.5",
        "--dropout",
        "0.2",
        "--optimizer",
        "adamw",
        "--beta-1",
        "0.8",
        "--beta-2",
        "0.95",
        "--epsilon",
        "1e-6",
        "--weight-decay",
        "0.1",
        "--drop-last",
        "--zero-skipping",
        "--batch-size",
        "16",
        "--epochs",
        "3",
        "--quiet",
        "--seed",
        "5",
    ]
    out = tmp_path / "m"
    assert fastmlp.cli.main(["train", str(numbers), *words, "--out", str(out)]) == 0
    net = fastmlp.Network([3, 8, 8, 1], hidden=["gelu", "elu"], output="identity", seed=5)
    rule = fastmlp.AdamW(1e-3, beta_1=0.8, beta_2=0.95, epsilon=1e-6, weight_decay=0.1)
    trainer = fastmlp.Trainer(
        net, loss=("huber", 0.5), optimizer=rule, batch_size=16, dropout=0.2, drop_last=True,
        zero_skipping=True, seed=5,
    )  # fmt: skip
    data = load_file(numbers)
    trainer.fit(data.x_train, data.y_train, epochs=3)
    np.testing.assert_array_equal(fastmlp.Network.load(out).buffer, net.buffer)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--activation relu,cube", "--activation: expected names among identity, sigmoid"),
        ("--huber-delta 2", "--huber-delta: expected --loss huber, got None"),
        ("--loss huber --quantile 0.5", "--quantile: expected --loss quantile, got huber"),
        ("--quantile 1", "--quantile: expected a number between 0 and 1"),
        ("--optimizer sgd --beta-1 0.5", "--beta-1: expected --optimizer adam or adamw, got sgd"),
        ("--weight-decay 0.1", "--weight-decay: expected --optimizer adamw, got adam"),
        ("--dropout 1", "--dropout: expected a number from 0 to below 1"),
        ("--activation relu,gelu", "hidden: expected one name, or one for each of 1"),
    ],
)
def test_options_are_refused_by_name(
    numbers: Any, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert fastmlp.cli.main(["train", str(numbers), *words.split(), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
