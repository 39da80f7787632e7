"""Activations of hidden layers: gradients of networks, one activation a layer, files."""

from __future__ import annotations

import numpy as np
import pytest

import fastmlp
from fastmlp.errors import InvalidValueError

NAMES = ("leaky_relu", "elu", "silu", "gelu", "softplus")


@pytest.mark.parametrize("hidden", [*NAMES, ["silu", "tanh"], ["relu", "gelu"]])
def test_gradients(hidden):
    """Against differences of losses, for a batch and sample by sample."""
    random = np.random.default_rng(0)
    x, y = random.standard_normal((30, 4)), random.integers(0, 3, 30)
    net = fastmlp.Network([4, 7, 6, 3], hidden=hidden, seed=1, dtype="float64")
    _, gradient = net.loss_and_gradient(x, y)
    start = net.parameters()
    for i in random.choice(start.size, 25, replace=False):
        losses = []
        for step in (1e-6, -1e-6):
            moved = start.copy()
            moved[i] += step
            net.set_parameters(moved)
            losses.append(net.evaluate(x, y)["loss"])
        assert gradient[i] == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-5, abs=1e-9)
    net.set_parameters(start)
    weights, _ = net.per_sample_gradients(x, y)
    np.testing.assert_allclose(weights[0].mean(axis=0), net.gradients(x, y)[0][0], atol=1e-12)


def test_one_activation_a_layer_is_saved(tmp_path):
    net = fastmlp.Network([3, 4, 5, 2], hidden=["gelu", "elu"], seed=0)
    net.save(tmp_path / "net.safetensors")
    loaded = fastmlp.Network.load(tmp_path / "net.safetensors")
    assert loaded.hidden == ["gelu", "elu"]
    x = np.random.default_rng(0).standard_normal((5, 3))
    np.testing.assert_array_equal(loaded.predict_proba(x), net.predict_proba(x))


@pytest.mark.parametrize("hidden", [["relu"], ["relu", "sine"], "softmax", ("relu",) * 3])
def test_activations_are_checked(hidden):
    with pytest.raises(InvalidValueError, match="hidden"):
        fastmlp.Network([3, 4, 5, 2], hidden=hidden)
