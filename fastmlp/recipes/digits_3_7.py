"""fastbook, chapter 4, "MNIST basics": telling threes from sevens.

From the distance to a mean image, by way of gradient descent on a quadratic and a linear model
whose loss is the mean of 1 - p where the target is 1 and p elsewhere, to a network of 30 units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import approx_fprime

import fastmlp
from fastmlp.recipes.report import Report

__all__ = ["run"]

BATCH, EPOCHS, LEARNING_RATE = 256, 20, 1.0
Array = NDArray[Any]


def run(report: Report, quick: bool = False) -> None:
    """Take the steps of the chapter on all threes and sevens, or on a tenth of them."""
    data = fastmlp.datasets.load_mnist()
    if quick:
        x, y = threes_and_sevens(data.x_train[:6000], data.y_train[:6000])
        valid = threes_and_sevens(data.x_test[:2000], data.y_test[:2000])
    else:
        x, y = threes_and_sevens(data.x_train, data.y_train)
        valid = threes_and_sevens(data.x_test, data.y_test)
        for name, targets, threes, sevens in (
            ("training", y, 6131, 6265),
            ("validation", valid[1], 1010, 1028),
        ):
            report.figure(f"{name} threes", np.count_nonzero(targets == 1), threes, threes, threes)
            report.figure(f"{name} sevens", np.count_nonzero(targets == 0), sevens, sevens, sevens)
    derivative(report)
    pixel_similarity(report, x, y, *valid, quick)
    roller_coaster(report)
    three_ways(report, x, y, valid, quick)
    epochs_of_models(report, x, y, *valid, quick)
    show_digits(report, x, y)


def threes_and_sevens(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the threes, target 1, and after them the sevens, target 0."""
    threes, sevens = x[y == 3], x[y == 7]
    targets = np.concatenate([np.ones(len(threes)), np.zeros(len(sevens))])
    return np.concatenate([threes, sevens]), targets


def derivative(report: Report) -> None:
    """Derive x² at 3, and the sum of x² at [3, 4, 10]: the squared error of outputs x, target 0."""
    for point, published in (((3.0,), 6.0), ((3.0, 4.0, 10.0), 20.0)):
        x = np.array([point])
        slope = np.empty_like(x)
        fastmlp.kernels.squared_error_backward(x, np.zeros_like(x), slope)
        near = approx_fprime(x[0], sum_of_squares, 1e-6)
        report.say(f"derivative of x² at {list(point)}: {slope[0].tolist()}")
        name = f"derivative of x² at {point[-1]:g}"
        report.figure(name, slope[0, -1], published, published, published)
        report.figure(f"{name}, difference from finite ones", np.abs(slope - near).max(), high=1e-4)


def sum_of_squares(values: Array) -> float:
    """Return Σ x²."""
    return float(values @ values)


def pixel_similarity(
    report: Report, x: Array, y: Array, x_valid: Array, y_valid: Array, quick: bool
) -> None:
    """Call a digit a three if it is nearer to the mean three than to the mean seven."""
    least = 80 if quick else 90
    for norm in ("l1", "rmse"):
        model = fastmlp.NearestMean(norm=norm).fit(x / 255, y)
        is_3 = model.predict(x_valid / 255) == 1
        threes, sevens = 100 * is_3[y_valid == 1].mean(), 100 * (~is_3[y_valid == 0]).mean()
        report.figure(f"{norm}: threes (%)", threes, 90, low=least)
        report.figure(f"{norm}: sevens (%)", sevens, 90, low=least)
        report.figure(f"{norm}: average (%)", (threes + sevens) / 2, 95, low=85 if quick else 94)
    report.picture(
        "means",
        fastmlp.plot.plot_images,
        model.means_[::-1].reshape(2, 28, 28),
        titles=["mean three", "mean seven"],
        scale="mean brightness (0 to 1)",
    )


def roller_coaster(report: Report) -> None:
    """Fit speed = a t² + b t + c to twenty noisy points, at learning rate 1e-5."""
    random = np.random.default_rng(3)
    time = np.arange(20.0)
    speed = 3 * random.standard_normal(20) + 0.75 * (time - 9.5) ** 2 + 1
    powers = np.stack([time**2, time], axis=1)
    net = fastmlp.Network([2, 1], output="identity", dtype="float64")
    net.set_augmented_weights([random.standard_normal((3, 1))])  # c, a, b
    sgd = fastmlp.SGD(learning_rate=1e-5)
    trainer = fastmlp.Trainer(net, optimizer=sgd, batch_size=None, shuffle=False)
    curves = {"measured": (time, speed), "step 0": (time, net.predict(powers)[:, 0])}
    for step in (1, 2, 4, 100):
        trainer.fit(powers, speed, epochs=step - trainer.steps)
        curves[f"step {step}"] = (time, net.predict(powers)[:, 0])
    losses = [*trainer.history.loss, net.evaluate(powers, speed)["loss"]]
    report.say(f"roller coaster: squared error {losses[0]:.1f}, after 100 steps {losses[-1]:.1f}")
    report.figure(
        "roller coaster: steps without a fall", np.count_nonzero(np.diff(losses) >= 0), 0, 0, 0
    )
    report.picture(
        "roller-coaster",
        fastmlp.plot.plot_curves,
        curves,
        x="time (s)",
        y="speed (m/s)",
        points=["measured"],
    )


def three_ways(report: Report, x: Array, y: Array, valid: tuple[Array, Array], quick: bool) -> None:
    """Train the linear model by hand, through the optimizer, and through Trainer."""
    epochs = 3 if quick else EPOCHS
    batches = [slice(top, top + BATCH) for top in range(0, len(x), BATCH)]

    by_hand = linear_model()
    for _ in range(epochs):
        for rows in batches:
            gradients = by_hand.gradients(x[rows], y[rows], loss="mnist_loss")
            for w, b, dw, db in zip(by_hand.weights, by_hand.biases, *gradients, strict=True):
                w -= LEARNING_RATE * dw
                b -= LEARNING_RATE * db

    by_optimizer, sgd = linear_model(), fastmlp.SGD(LEARNING_RATE)
    for _ in range(epochs):
        for rows in batches:
            sgd.step(by_optimizer, by_optimizer.gradients(x[rows], y[rows], loss="mnist_loss"))

    by_trainer = linear_model()
    trainer = fastmlp.Trainer(
        by_trainer, "mnist_loss", fastmlp.SGD(LEARNING_RATE), batch_size=BATCH, shuffle=False
    )
    trainer.fit(x, y, epochs=epochs)

    for name, net in (("through the optimizer", by_optimizer), ("through Trainer", by_trainer)):
        apart = np.abs(net.parameters() - by_hand.parameters()).max()
        report.figure(f"{name}: parameters, apart from by hand", apart, 0, high=1e-6)
        ours, theirs = (model.evaluate(*valid, "mnist_loss") for model in (net, by_hand))
        apart = max(abs(ours[what] - theirs[what]) for what in ours)
        report.figure(f"{name}: loss and accuracy, apart", apart, 0, high=1e-6)


def epochs_of_models(
    report: Report, x: Array, y: Array, x_valid: Array, y_valid: Array, quick: bool
) -> None:
    """Follow the accuracy of the linear model, in order and shuffled, and of a small network."""
    curves = {}
    network = fastmlp.Network(
        [784, 30, 1], hidden="relu", output="sigmoid", seed=0, input_scale=1 / 255
    )
    for name, net, rate, shuffle, epochs, least in (
        ("linear, in order", linear_model(), LEARNING_RATE, False, EPOCHS, 96),
        ("linear, shuffled", linear_model(), LEARNING_RATE, True, EPOCHS, 96),
        ("784-30-1 relu", network, 0.1, True, 40, 98),
    ):
        log = BatchAccuracy(x_valid, y_valid)
        sgd = fastmlp.SGD(rate)
        trainer = fastmlp.Trainer(net, "mnist_loss", sgd, batch_size=BATCH, shuffle=shuffle)
        trainer.fit(x, y, epochs=epochs, callbacks=(log,))
        report.say(f"{name}: " + " ".join(f"{accuracy:.4f}" for accuracy in log.by_batches))
        low = least - 12 if quick else least
        report.figure(f"{name}: mean of batch means (%)", 100 * log.by_batches[-1], least, low)
        report.figure(f"{name}: over all rows (%)", 100 * log.by_rows[-1], least, low)
        curves[name] = (np.arange(1, epochs + 1), 100 * np.array(log.by_batches))
    report.picture(
        "accuracy",
        fastmlp.plot.plot_curves,
        curves,
        x="training done (epochs)",
        y="accuracy (% of validation digits)",
    )


def linear_model() -> fastmlp.Network:
    """Return the chapter's linear model: weights and bias are drawn from N(0, 1)."""
    net = fastmlp.Network([784, 1], output="sigmoid", dtype="float64", input_scale=1 / 255)
    net.set_augmented_weights([np.random.default_rng(42).standard_normal((785, 1))])
    return net


class BatchAccuracy:
    """Notes the accuracy after each epoch, as the mean of batch means and over all rows."""

    def __init__(self, x: Array, y: Array) -> None:
        self.x, self.y = x, y
        self.by_batches: list[float] = []
        self.by_rows: list[float] = []

    def on_epoch_end(self, trainer: fastmlp.Trainer, history: fastmlp.History) -> None:
        """Measure both."""
        right = trainer.network.predict(self.x) == self.y
        means = [right[top : top + BATCH].mean() for top in range(0, len(right), BATCH)]
        self.by_batches.append(float(np.mean(means)))
        self.by_rows.append(float(right.mean()))


def show_digits(report: Report, x: Array, y: Array) -> None:
    """Draw a three as numbers, its middle, and some of the digits."""
    three = x[1].reshape(28, 28)
    report.picture("pixels", fastmlp.plot.plot_values, three)
    report.picture("pixels-centre", fastmlp.plot.plot_values, three[6:22, 6:22])
    some = np.concatenate([np.flatnonzero(y == digit)[:6] for digit in (1, 0)])
    report.picture(
        "samples",
        fastmlp.plot.plot_images,
        x[some].reshape(-1, 28, 28),
        titles=["three" if digit else "seven" for digit in y[some]],
        columns=6,
    )
