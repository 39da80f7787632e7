"""A table model in a file: networks, encoder and targets, as safetensors and JSON."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from fastmlp.errors import DataError
from fastmlp.network import Network
from fastmlp.persistence import read_tensors, write_tensors
from fastmlp.tables.encoder import TableEncoder

__all__ = ["load_model", "load_table_model", "save_table_model"]

VERSION = 1


def load_model(path: str | os.PathLike[str]) -> Any:
    """Return what a file holds: a Network, a TableClassifier or a TableRegressor.

    Raises
    ------
    DataError
        The file is missing, damaged, or holds none of these.
    """
    table = "table" in read_tensors(path, arrays=False)[1]
    return load_table_model(path) if table else Network.load(path)


def save_table_model(path: str | os.PathLike[str], model: Any) -> None:
    """Write a fitted TableClassifier or TableRegressor; see its `save`."""
    tensors: dict[str, Any] = {}
    for i, net in enumerate(model.networks_):
        tensors |= net.named(net.buffer, f"network_{i}_")
    target: dict[str, Any] = {"name": getattr(model, "target_name_", None)}
    if model._classifies:
        target["classes"] = model.classes_.tolist()
    else:
        target |= {"mean": model.mean_, "scale": model.scale_}
    description = {
        "table": VERSION,
        "encoder": model.encoder_.to_dict(),
        "target": target,
        "networks": [net.description() for net in model.networks_],
    }
    write_tensors(path, tensors, description)


def load_table_model(path: str | os.PathLike[str]) -> Any:
    """Return the TableClassifier or TableRegressor in a file.

    Raises
    ------
    DataError
        The file is missing, damaged, or holds none.
    """
    from fastmlp.tables.estimators import TableClassifier, TableRegressor

    tensors, description = read_tensors(path)
    name = os.fspath(path)
    if "table" not in description:
        raise DataError(f"{name}: expected a model of a table, got a network: use Network.load")
    if description["table"] != VERSION:
        got = description["table"]
        raise DataError(f"{name}: expected a table model of version {VERSION}, got {got!r}")
    try:
        target = description["target"]
        model = TableClassifier() if "classes" in target else TableRegressor()
        encoder = TableEncoder.from_dict(description["encoder"])
        model._use_encoder(encoder)
        networks = description["networks"]
        features = len(encoder.get_feature_names_out())
        model.networks_ = [
            Network.from_tensors(one, tensors, f"network_{i}_") for i, one in enumerate(networks)
        ]
        if isinstance(model, TableClassifier):
            model.classes_ = np.array(target["classes"])
            outputs, activation = len(model.classes_), "softmax"
            if model.classes_.ndim != 1 or model.classes_.dtype.kind not in "Ubif" or outputs < 2:
                raise ValueError("classes that are none")
        else:
            model.mean_, model.scale_ = float(target["mean"]), float(target["scale"])
            outputs, activation = 1, "identity"
            if not (math.isfinite(model.mean_) and 0 < model.scale_ < math.inf):
                raise ValueError("a mean or scale that is none")
        shapes = {(net.sizes[0], net.sizes[-1], net.output) for net in model.networks_}
        if shapes != {(features, outputs, activation)}:
            raise ValueError("networks that do not fit the encoder and the target")
        if isinstance(target.get("name"), str):
            model.target_name_ = target["name"]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{name}: expected a whole table model, got {reason}") from None
    return model
