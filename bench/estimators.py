"""The estimators beside scikit-learn's, both with their defaults: `python -m bench.estimators`.

Works are named as arguments: iris, digits, mnist (which needs its files) and search, a grid of 12
candidates in two processes. The two take turns in one process, in the search in one each; what they
fit is checked to be the same. Prints seconds, and the ratios of the bests and of the medians.
"""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

WORKS = ("iris", "digits", "mnist", "search")
REPEATS = {"iris": 9, "digits": 9, "mnist": 3}
SEARCH = """
import os, sys, time, warnings
os.environ["PYTHONWARNINGS"] = "ignore"
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
if sys.argv[1] == "fastmlp":
    from fastmlp import MLPClassifier
else:
    from sklearn.neural_network import MLPClassifier
warnings.simplefilter("ignore")
X, y = load_digits(return_X_y=True)
grid = {
    "alpha": [1e-4, 1e-3, 1e-2],
    "hidden_layer_sizes": [(50,), (100,)],
    "learning_rate_init": [1e-3, 3e-3],
}
for _ in range(2):
    start = time.perf_counter()
    model = MLPClassifier(random_state=0, max_iter=100)
    found = GridSearchCV(model, grid, n_jobs=2, cv=3).fit(X, y)
    print(time.perf_counter() - start, found.best_score_)
"""


def data(work: str, dtype: str) -> tuple[Any, Any, dict[str, Any]]:
    """Return samples, labels and what is not a default."""
    from sklearn import datasets

    import fastmlp

    if work == "mnist":
        mnist = fastmlp.datasets.load_mnist()
        return (mnist.x_train / 255).astype(dtype), mnist.y_train, {"max_iter": 4}
    x, y = getattr(datasets, f"load_{work}")(return_X_y=True)
    return x.astype(dtype), y, {}


def in_turns(work: str, dtype: str) -> None:
    """Print one line."""
    import numpy as np
    from sklearn.neural_network import MLPClassifier as Theirs

    from fastmlp import MLPClassifier as Ours

    x, y, settings = data(work, dtype)
    kinds: dict[str, Callable[..., Any]] = {"fastmlp": Ours, "scikit-learn": Theirs}
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    Ours(random_state=0, max_iter=2).fit(x, y)  # loads what is compiled
    for _ in range(REPEATS[work]):
        curves = {}
        for name, kind in kinds.items():
            start = time.perf_counter()
            model = kind(random_state=0, **settings).fit(x, y)
            seconds[name].append(time.perf_counter() - start)
            curves[name] = model.loss_curve_
        epochs = min(map(len, curves.values()))
        np.testing.assert_allclose(
            curves["fastmlp"][:epochs], curves["scikit-learn"][:epochs],
            rtol=1e-4 if dtype == "float64" else 2e-2,
        )  # fmt: skip
    own, theirs = seconds["fastmlp"], seconds["scikit-learn"]
    print(
        f"{work} {dtype}: fastmlp {min(own):.3f} s, scikit-learn {min(theirs):.3f} s, "
        f"{min(theirs) / min(own):.1f} times faster (medians {median(theirs) / median(own):.1f})",
        flush=True,
    )


def search() -> None:
    """Print two lines: with the start of the workers, and without."""
    found: dict[str, list[list[float]]] = {}
    for name in ("fastmlp", "scikit-learn"):
        done = subprocess.run(
            [sys.executable, "-c", SEARCH, name], check=True, capture_output=True, text=True
        )
        found[name] = [[float(word) for word in line.split()] for line in done.stdout.splitlines()]
    scores = [found[name][1][1] for name in found]
    assert abs(scores[0] - scores[1]) < 0.01, scores
    for i, words in enumerate(("workers that start", "workers that are up")):
        own, theirs = (found[name][i][0] for name in found)
        print(
            f"search, {words}: fastmlp {own:.2f} s, scikit-learn {theirs:.2f} s, "
            f"{theirs / own:.1f} times faster",
            flush=True,
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # iterations end before they converge
    for work in sys.argv[1:] or WORKS:
        if work == "search":
            search()
        else:
            for dtype in ("float32", "float64"):
                in_turns(work, dtype)
