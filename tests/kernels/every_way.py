"""Train, evaluate and predict in every way that has code of its own; write all numbers to a file.

Arguments: the file, .npz; then "train" to train first and end, or "parts" to share the work between
two threads even where all is done by one.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np

import fastmlp
from fastmlp.kernels import pool

# Rules, batches (a full one spans two blocks), skipping zeros or not, hidden layers.
CASES = [
    (fastmlp.SGD(0.125), 32, False, "tanh"),
    (fastmlp.SGD(0.125, momentum=0.5), None, True, "sigmoid"),
    (fastmlp.SGD(0.125, 0.5, nesterov=True), 7, False, "relu"),
    (fastmlp.Adam(0.0078125), None, False, "gelu"),
    (fastmlp.AdamW(0.0078125), 150, True, "elu"),
]


def numbers(threads: int = 1, few: bool = False) -> dict[str, np.ndarray]:
    """Return parameters, losses, predictions and gradients, by name; if `few`, the first alone."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(150, 12)).astype("float32"), np.arange(150) % 3
    x[np.abs(x) < 0.8] = 0.0
    found = {}
    for i, (optimizer, batch, skipping, hidden) in enumerate(CASES):
        net = fastmlp.Network([12, 20, 8, 3], hidden, init="glorot", seed=i)
        trainer = fastmlp.Trainer(
            net, optimizer=optimizer, batch_size=batch, zero_skipping=skipping, l2=0.01 * i,
            threads=threads,
        )  # fmt: skip
        history = trainer.fit(x, y, epochs=1, validation=(x, y))
        found[f"{i} parameters"] = net.parameters()
        if few:
            continue
        found[f"{i} losses"] = np.array([*history.loss, *history.validation_loss])
        found[f"{i} gradient"] = net.loss_and_gradient(x, y)[1]
        found[f"{i} of a sample"] = net.per_sample_gradients(x[:2], y[:2])[0][0]
        found[f"{i} rows"], found[f"{i} one row"] = net.predict_proba(x), net.predict_proba(x[:1])
    if not few:
        model = fastmlp.MLPClassifier((8,), max_iter=1, dropout=0.25, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not converged
            found["dropout"] = model.fit(x, y).predict_proba(x)
    return found


if __name__ == "__main__":
    if "parts" in sys.argv:
        pool.is_serial = lambda: False
    np.savez(sys.argv[1], **numbers(1 + ("parts" in sys.argv), "train" in sys.argv))
