"""Programming Machine Learning, chapter 13: what the size of a batch does.

The network and the raw pixels are those of chapter 11. First the histories of 30 iterations with
the full batch, then batches of 20,000, then a race of batch sizes, each for the same time.
"""

from __future__ import annotations

import numpy as np

import fastmlp
from fastmlp.recipes.report import Report

__all__ = ["run"]

SIZES = [784, 200, 10]
LEARNING_RATE = 0.01
BATCH_SIZES = (1, 32, 128, None)
# Losses after 1800 s each, measured after every step on the book's clock.
PUBLISHED = {"1": 2.0, "32": 0.25, "128": 0.14, "full": 0.19}
# Losses after 5,000 steps of the same in plain NumPy.
STEPS, AFTER_STEPS = 5000, {"128": 0.146, "32": 0.242}
ENOUGH = 30  # steps: before, chance decides who is ahead


def run(
    report: Report, quick: bool = False, clock: str = "fair", max_seconds: float | None = None
) -> None:
    """Take the steps of the chapter; quick: on a tenth of the data, with a race of one second each.

    Parameters
    ----------
    report, quick
        As for every recipe.
    clock : {"fair", "book"}
        Of the race, as for `fastmlp.race`.
    max_seconds : float or None
        For each batch size in the race; None is 10, or 1 if quick.
    """
    data = fastmlp.datasets.load_mnist()
    n, n_test, large = (6000, 1000, 2000) if quick else (60000, 10000, 20000)
    x, y = data.x_train[:n], data.y_train[:n]
    test = data.x_test[:n_test], data.y_test[:n_test]

    trainer = fastmlp.Trainer(
        network(), optimizer=fastmlp.SGD(LEARNING_RATE), batch_size=None, shuffle=False
    )
    history = trainer.fit(x, y, epochs=30, validation=test, record="step")
    report.say(f"30 iterations, all samples: {history}")
    rises = np.count_nonzero(np.diff(history.loss) >= 0)
    report.figure("iterations without a fall of the loss", rises, 0, 0, 0)
    report.picture("histories", history.plot)

    lines = BatchLines(report, x, y, *test)
    trainer = fastmlp.Trainer(
        network(), optimizer=fastmlp.SGD(LEARNING_RATE), batch_size=large, shuffle=False
    )
    trainer.fit(x, y, epochs=2, callbacks=(lines,))
    report.figure(f"updates in two epochs, batches of {large}", len(lines.losses), 6, 6, 6)
    rises = np.count_nonzero(np.diff(lines.losses) >= 0)
    report.figure("updates without a fall of the loss", rises, 0, 0, 0)

    seconds = max_seconds or (1.0 if quick else 10.0)
    result = fastmlp.race(
        network(), x, y, BATCH_SIZES, seconds, optimizer=fastmlp.SGD(LEARNING_RATE),
        shuffle=False, clock=clock,
    )  # fmt: skip
    judge(report, result, n, clock)
    report.picture("race", result.plot)


def network() -> fastmlp.Network:
    """Return the network of chapter 11, biases drawn like the weights."""
    net = fastmlp.Network(SIZES, hidden="sigmoid", output="softmax")
    random = np.random.default_rng(0)
    shapes = [matrix.shape for matrix in net.augmented_weights()]
    net.set_augmented_weights([0.01 * random.standard_normal(shape) for shape in shapes])
    return net


class BatchLines:
    """Says the book's line after each batch: loss on the training set, accuracy on the test set."""

    def __init__(
        self, report: Report, x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray
    ) -> None:
        self.report, self.training, self.test = report, (x, y), (x_test, y_test)
        self.losses: list[float] = []

    def on_step_end(self, trainer: fastmlp.Trainer, history: fastmlp.History) -> None:
        """Measure both and say them."""
        loss = trainer.network.evaluate(*self.training)["loss"]
        accuracy = trainer.network.evaluate(*self.test)["accuracy"]
        epoch, batch = divmod(len(self.losses), 3)
        self.losses.append(loss)
        self.report.say(f"{epoch}-{batch} > Loss: {loss:.8f}, Accuracy: {100 * accuracy:.2f}%")


def judge(report: Report, result: fastmlp.Race, n: int, clock: str) -> None:
    """Report how the race ended, and whether its records agree."""
    for label, run in result.histories.items():
        report.say(
            f"batch size {label}: loss {run.loss[0]:.4f}, after {run.seconds[-1]:.1f} s, "
            f"{run.steps[-1]} steps, {run.epochs[-1]:.2f} epochs {run.loss[-1]:.4f}"
        )
        name = f"batch size {label}: last loss (the book's: after 1800 s)"
        report.figure(name, run.loss[-1], PUBLISHED[label])
        per_epoch = -(-n // (n if label == "full" else int(label)))
        apart = np.abs(np.array(run.epochs) * per_epoch - run.steps).max()
        report.figure(f"batch size {label}: epochs against steps (steps)", apart, 0, high=1)
        if clock == "fair":
            fall = run.loss[0] - min(run.loss)  # with small batches it goes up and down
            report.figure(f"batch size {label}: fall of the loss, at most", fall, low=1e-9)
    if clock == "book":
        judge_by_steps(report, result)


def judge_by_steps(report: Report, result: fastmlp.Race) -> None:
    """On the book's clock the race is over steps: judge after 5,000, or the order after fewer."""
    losses = {label: run.loss for label, run in result.histories.items()}  # of steps 0, 1, 2, …
    if all(len(losses[label]) > STEPS for label in AFTER_STEPS):
        for label, published in AFTER_STEPS.items():
            name = f"batch size {label}: loss after {STEPS} steps"
            loss = losses[label][STEPS]
            report.figure(name, loss, published, published - 0.02, published + 0.02)
        return
    steps = min(len(losses[label]) for label in ("128", "32", "1")) - 1
    low = 0 if steps >= ENOUGH else -np.inf
    for label, behind in (("128", "32"), ("32", "1")):
        lead = losses[behind][steps] - losses[label][steps]
        report.figure(f"batch size {label}: ahead of {behind} after {steps} steps", lead, low=low)
