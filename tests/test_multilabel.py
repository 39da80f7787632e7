"""What several sigmoid outputs are for is the network's business, not a batch's."""

import copy
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastmlp

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(12, 3))
ONE_HOT = np.eye(2)[np.arange(12) % 2]
LABELS = np.array([[0, 1], [1, 1], [1, 0], [0, 0]] * 3)


def network(**options: Any) -> fastmlp.Network:
    return fastmlp.Network([3, 4, 2], output="sigmoid", seed=0, **options)


def accuracy(net: fastmlp.Network, y: Any) -> float:
    return net.evaluate(X, y)["accuracy"]


@pytest.mark.parametrize(
    ("y", "decided"), [(LABELS, True), (ONE_HOT, False), (np.arange(12) % 2, False)]
)
def test_the_first_fit_decides(y: Any, decided: bool) -> None:
    net = network()
    assert net.multilabel is None
    trainer = fastmlp.Trainer(net)
    trainer.fit(X, y, epochs=1, validation=(X, ONE_HOT))
    assert net.multilabel is decided
    assert math.isnan(accuracy(net, ONE_HOT)) is decided
    assert math.isnan(trainer.history.validation_accuracy[-1]) is decided
    trainer.fit(X, ONE_HOT, epochs=1)
    assert net.multilabel is decided


def test_what_was_given_counts() -> None:
    net = network(multilabel=True)
    assert math.isnan(accuracy(net, ONE_HOT))
    fastmlp.Trainer(net).fit(X, ONE_HOT, epochs=1)
    assert net.multilabel is True
    net = network(multilabel=False)
    fastmlp.Trainer(net).fit(X, LABELS, epochs=1)
    assert net.multilabel is False
    assert accuracy(net, ONE_HOT) >= 0.0


def test_a_multilabel_network_refuses_classes() -> None:
    with pytest.raises(
        fastmlp.FastMLPError, match=r"^y: expected shape \(n, 2\), as the network is"
    ):
        network(multilabel=True).evaluate(X, np.arange(12) % 2)


def test_the_loss_and_the_gradient_are_those_of_the_rows_either_way() -> None:
    as_labels = network(multilabel=True).loss_and_gradient(X, ONE_HOT)
    as_classes = network(multilabel=False).loss_and_gradient(X, ONE_HOT)
    assert as_labels[0] == pytest.approx(as_classes[0], rel=1e-6)
    np.testing.assert_allclose(as_labels[1], as_classes[1], atol=1e-7)


def test_it_is_saved_copied_and_pickled(tmp_path: Path) -> None:
    net = network(multilabel=True)
    net.save(tmp_path / "net.safetensors")
    assert fastmlp.Network.load(tmp_path / "net.safetensors").multilabel is True
    assert copy.deepcopy(net).multilabel is True
    assert pickle.loads(pickle.dumps(net)).multilabel is True


def test_a_checkpoint_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    fastmlp.Trainer(network(), checkpoint=path).fit(X, LABELS, epochs=1)
    net = network()
    trainer = fastmlp.Trainer(net, checkpoint=path)
    assert trainer.resume()
    assert net.multilabel is True
    with pytest.raises(fastmlp.FastMLPError, match=r"^multilabel: expected True, as in"):
        fastmlp.Trainer(network(multilabel=False), checkpoint=path).resume()


@pytest.mark.parametrize("options", [{"output": "softmax"}, {"sizes": [3, 1], "output": "sigmoid"}])
def test_one_class_a_sample_is_not_multilabel(options: Any) -> None:
    sizes = options.pop("sizes", [3, 2])
    with pytest.raises(fastmlp.FastMLPError, match=r"^multilabel: expected None or False without"):
        fastmlp.Network(sizes, multilabel=True, **options)


def test_a_refused_fit_decides_nothing() -> None:
    net = network()
    with pytest.raises(fastmlp.FastMLPError):
        fastmlp.Trainer(net).fit(X, LABELS, validation=(X, LABELS[:3]))
    assert net.multilabel is None
