"""Programming Machine Learning, chapter 11: a network learns digits by plain gradient descent.

784 raw pixels from 0 to 255, 200 sigmoid units, 10 softmax outputs; the whole training set is one
batch, the learning rate 0.01. Biases are the first rows of the book's two weight matrices and are
drawn like the rest. Raw pixels drive the sigmoids deep into saturation, and it learns all the same.
"""

from __future__ import annotations

import time

import numpy as np

import fastmlp
from fastmlp.recipes.report import Report

__all__ = ["run"]

SIZES = [784, 200, 10]
PUBLISHED_LOSSES = (2.2787, 2.2671, 2.2557, 2.2445, 2.2334)
PUBLISHED_ACCURACIES = (13.8, 18.3, 24.2, 29.9, 34.7)


class Iterations:
    """Says the book's line for each iteration.

    The loss after an update is the loss before the next one: no pass of its own is made for it.
    """

    def __init__(self, report: Report) -> None:
        self.report = report

    def on_epoch_end(self, trainer: fastmlp.Trainer, history: fastmlp.History) -> None:
        """Say what the iteration before this one came to."""
        if len(history) > 1:
            self.line(len(history) - 2, history.loss[-1], history.validation_accuracy[-2])

    def line(self, iteration: int, loss: float, accuracy: float) -> None:
        """Say one line, as the book prints it."""
        self.report.say(f"Iteration {iteration}, Loss: {loss:.6f}, Accuracy: {100 * accuracy:.2f}%")


def run(report: Report, quick: bool = False) -> None:
    """Train for 3500 iterations, or for 40 on a tenth of the data."""
    data = fastmlp.datasets.load_mnist()
    n, n_test, iterations = (6000, 1000, 40) if quick else (60000, 10000, 3500)
    x, y = data.x_train[:n], data.y_train[:n]
    x_test, y_test = data.x_test[:n_test], data.y_test[:n_test]

    net = fastmlp.Network(SIZES, hidden="sigmoid", output="softmax")
    random = np.random.default_rng(0)
    shapes = [matrix.shape for matrix in net.augmented_weights()]  # (785, 200) and (201, 10)
    net.set_augmented_weights([0.01 * random.standard_normal(shape) for shape in shapes])

    log = Iterations(report)
    trainer = fastmlp.Trainer(
        net, optimizer=fastmlp.SGD(learning_rate=0.01), batch_size=None, shuffle=False
    )
    start = time.perf_counter()
    history = trainer.fit(x, y, epochs=iterations, validation=(x_test, y_test), callbacks=(log,))
    losses = [*history.loss[1:], net.evaluate(x, y)["loss"]]
    minutes = (time.perf_counter() - start) / 60
    accuracies = [100 * accuracy for accuracy in history.validation_accuracy]
    log.line(iterations - 1, losses[-1], history.validation_accuracy[-1])

    # The weights taken out as the book has them make the same network again.
    again = fastmlp.Network(SIZES, hidden="sigmoid", output="softmax")
    again.set_augmented_weights(net.augmented_weights())
    if not np.array_equal(again.predict_proba(x_test), net.predict_proba(x_test)):
        raise AssertionError("the weights came back different")

    wide = 0.15 if quick else 0.04
    for i, published in enumerate(PUBLISHED_LOSSES):
        report.figure(
            f"loss after iteration {i}", losses[i], published, published - wide, published + wide
        )
    falls = -np.diff(losses[:5])
    least, most = (0.004, 0.04) if quick else (0.009, 0.013)
    report.figure("smallest fall of these", falls.min(), 0.0111, low=least)
    report.figure("largest fall of these", falls.max(), 0.0116, high=most)
    for i, accuracy in enumerate(PUBLISHED_ACCURACIES):
        report.figure(f"accuracy after iteration {i} (%)", accuracies[i], accuracy)
    if quick:
        report.figure("last loss", losses[-1], high=2.0)
        report.figure("last accuracy (%)", accuracies[-1], low=50)
    else:
        report.figure("last loss", losses[-1], 0.13983, 0.136, 0.144)
        report.figure("last accuracy (%)", accuracies[-1], 94.21, 93.8, 94.6)
    report.figure("time (minutes)", minutes, 35)
    report.picture("history", history.plot)
