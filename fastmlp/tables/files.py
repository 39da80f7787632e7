"""What a model file holds, whichever kind of model it is."""

from __future__ import annotations

import os

from fastmlp.network import Network
from fastmlp.persistence import read_tensors
from fastmlp.tables.estimators import TableModel

__all__ = ["load_model"]


def load_model(path: str | os.PathLike[str]) -> Network | TableModel:
    """Return what a file holds: a Network, a TableClassifier or a TableRegressor.

    Raises
    ------
    DataError
        The file is missing, damaged, or holds none of these.
    """
    table = "table" in read_tensors(path, arrays=False)[1]
    return TableModel.load(path) if table else Network.load(path)
