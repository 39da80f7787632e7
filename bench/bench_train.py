"""Whole trainings: an epoch on data of the size of the digits, beside the NumPy reference."""

from __future__ import annotations

import numpy as np

import fastmlp
from bench.common import clusters
from fastmlp import reference

OPTIMIZERS = {
    "sgd": (fastmlp.SGD, {"learning_rate": 0.01}),
    "adam": (fastmlp.Adam, {"learning_rate": 0.001}),
}
BATCHES = [32, 128, "all"]


class Epoch:
    """Seconds of one pass over 1347 samples of 64 features, 100 hidden units, 10 classes."""

    params = (list(OPTIMIZERS), BATCHES)
    param_names = ("optimizer", "batch_size")
    timeout = 300

    def setup(self, optimizer: str, batch: int | str) -> None:
        self.x, self.y = clusters(1347, 64, 10)
        self.batch = None if batch == "all" else int(batch)
        self.net = fastmlp.Network([64, 100, 10], seed=0)
        make, settings = OPTIMIZERS[optimizer]
        self.settings = {"name": optimizer} | settings
        self.trainer = fastmlp.Trainer(
            self.net, optimizer=make(**settings), batch_size=self.batch, shuffle=False
        )
        self.trainer.fit(self.x, self.y, epochs=1)

    def time_fastmlp(self, optimizer: str, batch: int | str) -> None:
        self.trainer.fit(self.x, self.y, epochs=1)

    def time_reference(self, optimizer: str, batch: int | str) -> None:
        reference.train(
            self.x, self.y, self.net.weights, self.net.biases, "relu", "softmax", "cross_entropy",
            self.settings, self.batch, np.arange(len(self.x)), 1,
        )  # fmt: skip


class Predict:
    """Seconds of the outputs for one sample, and for all."""

    params = ([1, 1347],)
    param_names = ("samples",)
    timeout = 300

    def setup(self, samples: int) -> None:
        self.x, _ = clusters(samples, 64, 10)
        self.net = fastmlp.Network([64, 100, 10], seed=0)
        self.net.predict_proba(self.x)

    def time_fastmlp(self, samples: int) -> None:
        self.net.predict_proba(self.x)

    def time_reference(self, samples: int) -> None:
        reference.forward(self.x, self.net.weights, self.net.biases, "relu", "softmax")
