"""Numerics do not change without a word: digests of trained networks, by instruction set.

A digest that differs means that the same program gives other bits than with the version before. If
that is meant, say so in the changelog, and store what this file prints when it is run. What else
this machine can execute has its turn in `kernels/test_cpus.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

import fastmlp
from fastmlp.kernels.target import HOST

# All processors with a fused multiply-add round alike.
FUSED = {
    "float32": "7285a6a8940b9dfec7bea50fd46ea6348147b161a672a502abef80e276b22e0e",
    "float64": "ad25b3a3bfa25f1c01593c83c555724e28b66fcb3d71844a8a50f9c00b3651b7",
}
DIGESTS = {
    "AVX-512": FUSED,
    "AVX2": FUSED,
    "generic": {
        "float32": "8393098444ad7b3d5626b63dcde97d33c200c6f3a017ac8f4a22bbc0fd3ff54f",
        "float64": "86a3eabb8c4c457231ec499c19e0a9dff4f44f382f3fb32c4e393e28ba89ae0a",
    },
}

CASES: list[tuple[str, str, str, Callable[[], Any], int | None]] = [
    ("relu", "softmax", "cross_entropy", lambda: fastmlp.SGD(0.125), 32),
    ("tanh", "softmax", "squared_error", lambda: fastmlp.SGD(0.125, momentum=0.5), 300),
    ("sigmoid", "sigmoid", "cross_entropy", lambda: fastmlp.Adam(0.0078125), 64),
    ("relu", "sigmoid", "mnist_loss", lambda: fastmlp.AdamW(0.0078125, weight_decay=0.25), 7),
    ("tanh", "identity", "squared_error", lambda: fastmlp.SGD(0.03125, 0.5, True), None),
]


def numbers(*shape: int) -> np.ndarray:
    """Return numbers between -1 and 1 that no random generator has a say in."""
    count = int(np.prod(shape))
    return ((np.arange(count) * 7919 % 2039) / 1024 - 0.99609375).reshape(shape)


def digest(dtype: str) -> str:
    """Train one network for each of the cases; return a digest of all their bits."""
    found = hashlib.sha256()
    x, labels = numbers(300, 37), np.arange(300) * 5 % 7
    x[np.abs(x) < 0.25] = 0.0
    for hidden, output, loss, optimizer, batch in CASES:
        net = fastmlp.Network([37, 50, 19, 7], hidden, output, init="zeros", dtype=dtype)
        net.set_parameters(numbers(net.n_parameters) / 4)
        y = numbers(300, 7) if output == "identity" else np.eye(7)[labels]
        trainer = fastmlp.Trainer(
            net, loss=loss, optimizer=optimizer(), batch_size=batch, shuffle=False, l2=0.0625
        )
        history = trainer.fit(x.astype(dtype), y, epochs=3)
        for array in (net.parameters(), net.predict_proba(x), np.array(history.loss)):
            found.update(array.tobytes())
    return found.hexdigest()


def digests() -> dict[str, dict[str, str]]:
    return {HOST.name: {dtype: digest(dtype) for dtype in ("float32", "float64")}}


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="NumPy rounds otherwise")
@pytest.mark.skipif(HOST.name not in DIGESTS, reason="none is stored for this instruction set")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_trained_networks_have_the_bits_that_are_stored(dtype: str) -> None:
    assert digest(dtype) == DIGESTS[HOST.name][dtype]


if __name__ == "__main__":
    print(json.dumps(digests()))
