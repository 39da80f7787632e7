"""Multilayer perceptrons on the CPU, trained by Numba-compiled kernels.

Importing fastmlp compiles nothing, starts no thread and imports nothing heavy: each public name
is loaded when it is first used.

Examples
--------
>>> import fastmlp
>>> data = fastmlp.datasets.load_digits()
>>> net = fastmlp.Network([64, 32, 10], hidden="relu", seed=0, input_scale=data.input_scale)
>>> trainer = fastmlp.Trainer(net, optimizer=fastmlp.Adam(learning_rate=1e-2), seed=0)
>>> history = trainer.fit(data.x_train, data.y_train, epochs=20)
>>> net.evaluate(data.x_test, data.y_test)["accuracy"] > 0.95
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fastmlp import datasets, kernels, plot, reference
    from fastmlp.errors import DataError, DivergenceError, FastMLPError
    from fastmlp.estimators import MLPClassifier, MLPRegressor
    from fastmlp.history import History
    from fastmlp.nearest_mean import NearestMean
    from fastmlp.network import Network
    from fastmlp.optimizers import SGD, Adam, AdamW
    from fastmlp.racing import Race, race
    from fastmlp.tables import TableClassifier, TableEncoder, TableRegressor
    from fastmlp.training import Trainer

_HOME = {
    "Adam": "fastmlp.optimizers",
    "AdamW": "fastmlp.optimizers",
    "DataError": "fastmlp.errors",
    "DivergenceError": "fastmlp.errors",
    "FastMLPError": "fastmlp.errors",
    "History": "fastmlp.history",
    "MLPClassifier": "fastmlp.estimators",
    "MLPRegressor": "fastmlp.estimators",
    "NearestMean": "fastmlp.nearest_mean",
    "Network": "fastmlp.network",
    "Race": "fastmlp.racing",
    "SGD": "fastmlp.optimizers",
    "TableClassifier": "fastmlp.tables",
    "TableEncoder": "fastmlp.tables",
    "TableRegressor": "fastmlp.tables",
    "Trainer": "fastmlp.training",
    "race": "fastmlp.racing",
}
_MODULES = ("datasets", "kernels", "plot", "reference")

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "DataError",
    "DivergenceError",
    "FastMLPError",
    "History",
    "MLPClassifier",
    "MLPRegressor",
    "NearestMean",
    "Network",
    "Race",
    "TableClassifier",
    "TableEncoder",
    "TableRegressor",
    "Trainer",
    "__version__",
    "datasets",
    "kernels",
    "plot",
    "race",
    "reference",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the module it lives in, once."""
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"fastmlp.{name}")
    else:
        raise AttributeError(f"module 'fastmlp' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted(__all__)
