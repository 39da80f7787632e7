"""Programming Machine Learning, chapter 11, "starting off wrong": all weights begin at zero.

Every hidden unit then computes the same, gets the same share of the blame, and stays the same as
all others for ever: 200 units do the work of one.
"""

from __future__ import annotations

import numpy as np

import fastmlp
from fastmlp.recipes.report import Report

__all__ = ["run"]

SIZES = [784, 200, 10]
UNITS = (0, 1, 57, 130, 199)  # to be drawn


def run(report: Report, quick: bool = False) -> None:
    """Train for 100 iterations, or for 10 on a tenth of the data, from zeros and from a draw."""
    data = fastmlp.datasets.load_mnist()
    n, n_test, iterations = (6000, 1000, 10) if quick else (60000, 10000, 100)
    x, y = data.x_train[:n], data.y_train[:n]

    networks = {}
    for init in ("zeros", "normal"):
        net = fastmlp.Network(SIZES, hidden="sigmoid", output="softmax", init=init, seed=0)
        sgd = fastmlp.SGD(learning_rate=0.01)
        trainer = fastmlp.Trainer(net, optimizer=sgd, batch_size=None, shuffle=False)
        history = trainer.fit(x, y, epochs=iterations)
        accuracy = net.evaluate(data.x_test[:n_test], data.y_test[:n_test])["accuracy"]
        report.say(
            f"from {init}: loss {history.loss[0]:.4f}, after {iterations} iterations "
            f"{net.evaluate(x, y)['loss']:.4f}, accuracy {100 * accuracy:.2f}%"
        )
        report.figure(f"accuracy from {init} (%)", 100 * accuracy)
        networks[init] = net

    first, second = networks["zeros"].augmented_weights()  # biases are row 0 of each
    report.say(f"rows 120 to 130 of the first matrix, {first.shape}:\n{first[120:131]}")
    report.say(f"rows 120 to 130 of the second matrix, {second.shape}:\n{second[120:131]}")
    # To the bit: a row or column that differs anywhere is counted as another one.
    report.figure("different columns, first matrix", len(np.unique(first.T, axis=0)), 1, 1, 1)
    report.figure("different rows, second matrix", len(np.unique(second[1:], axis=0)), 1, 1, 1)
    first, second = networks["normal"].augmented_weights()
    report.figure("the same from a draw: columns", len(np.unique(first.T, axis=0)), 200, 200, 200)
    report.figure("the same from a draw: rows", len(np.unique(second[1:], axis=0)), 200, 200, 200)

    drawn = [net.weights[0][:, unit] for net in networks.values() for unit in UNITS]
    report.picture(
        "weights",
        fastmlp.plot.plot_images,
        [(weights / np.abs(weights).max()).reshape(28, 28) for weights in drawn],
        titles=[f"from {init},\nunit {unit}" for init in networks for unit in UNITS],
        columns=len(UNITS),
        scale="weight (share of the unit's largest)",
        signed=True,
    )
