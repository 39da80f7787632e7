"""`fastmlp evaluate` and `fastmlp predict`: what a saved network makes of data."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.cli.build import build_loss
from fastmlp.cli.streams import say
from fastmlp.cli.train import loss_words, number
from fastmlp.errors import DataError, invalid
from fastmlp.output import check_writable, write_atomically

if TYPE_CHECKING:
    from fastmlp.datasets import Dataset
    from fastmlp.network import Network

__all__ = ["evaluate", "predict"]

ENDINGS = (".npy", ".csv")
_FAR = 30.0  # times the size of the data that were trained on


def evaluate(arguments: Namespace) -> int:
    """Print a saved network's loss and accuracy on data."""
    from fastmlp.files import load_named
    from fastmlp.network import Network
    from fastmlp.tables.files import load_model
    from fastmlp.tables.reading import is_table

    net, table = load_model(arguments.model), is_table(arguments.data)
    if not isinstance(net, Network):
        from fastmlp.cli.tables import evaluate_table

        _expect_table("DATA", arguments.data)
        return evaluate_table(arguments, net)
    numbers = net.classes is None and net.output == "identity"
    data = load_named(arguments.data, target=arguments.target, numbers=numbers)
    x, y = _part(data, arguments.part or ("all" if table else "held-out"))
    if net.classes is not None:
        y = _as_known(y, data.classes, net.classes)
    elif numbers and len(data.classes):
        if data.classes.dtype.kind == "U":
            raise invalid("DATA", "numbers as targets, as the network was trained on", "classes")
        y = data.classes[y]
    _warn_if_far(net, x)
    measured = {
        name: number(value) for name, value in net.evaluate(x, y, build_loss(arguments)).items()
    }
    loss, accuracy = measured.get("loss"), measured.get("accuracy")
    words = f"{loss_words(loss)} on {len(x)} samples of {data.name}"
    print(words if accuracy is None else f"accuracy {accuracy:.4f}, {words}")
    if arguments.json:
        print(json.dumps({"loss": loss, "accuracy": accuracy, "samples": len(x)}))
    return 0


def predict(arguments: Namespace) -> int:
    """Print, or write to a file, a saved network's prediction for each row of the input."""
    if arguments.out is not None:
        check_writable(arguments.out)
        if Path(arguments.out).suffix.lower() not in ENDINGS:
            raise invalid("--out", f"a name ending in {' or '.join(ENDINGS)}", arguments.out)
        if os.path.realpath(arguments.out) == os.path.realpath(arguments.input):
            raise invalid("--out", "a file other than that of INPUT", arguments.out)
    from fastmlp.files import load_inputs
    from fastmlp.network import Network
    from fastmlp.tables.files import load_model

    net = load_model(arguments.model)
    predictions: NDArray[Any] | str
    if isinstance(net, Network):
        x = load_inputs(arguments.input, target=arguments.target)
        _warn_if_far(net, x)
        predictions = net.predict_proba(x) if arguments.proba else net.predict(x)
        if net.classes is not None and not arguments.proba:
            predictions = net.classes[predictions]
    else:
        from fastmlp.cli.tables import predict_table

        _expect_table("INPUT", arguments.input)
        predictions = predict_table(arguments, net)
    if arguments.out is None:
        sys.stdout.write(_lines(predictions))
    elif Path(arguments.out).suffix.lower() == ".npy":
        content = io.BytesIO()
        np.save(content, predictions, allow_pickle=False)
        write_atomically(arguments.out, content.getvalue())
    else:
        write_atomically(arguments.out, _lines(predictions).encode())
    return 0


def _part(data: Dataset, part: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the samples and targets of one part of a data set."""
    if part == "all":
        return (
            np.concatenate([data.x_train, data.x_test]),
            np.concatenate([data.y_train, data.y_test]),
        )
    if part == "training":
        return data.x_train, data.y_train
    if not len(data.x_test):
        raise DataError(f"{data.name}: expected held-out samples, got none; try --part training")
    return data.x_test, data.y_test


def _as_known(y: NDArray[Any], classes: NDArray[Any], known: NDArray[Any]) -> NDArray[np.intp]:
    """Return the labels as positions among the classes that the network knows."""
    if not len(classes):
        raise invalid("DATA", "classes as targets, as the network was trained on", "numbers")
    where = {label: position for position, label in enumerate(known.tolist())}
    missing = [label for label in classes.tolist() if label not in where]
    if missing:
        raise invalid("DATA", f"classes among {', '.join(map(str, where))}", missing[0])
    position = np.array([where[label] for label in classes.tolist()], dtype=np.intp)
    return np.take(position, y)


def _warn_if_far(net: Network, x: Any) -> None:
    """Warn of data of another size than those the network was trained on: other units, perhaps."""
    from fastmlp.validation import as_samples

    size = as_samples(x, net.sizes[0]).size() if net.input_size else 0.0
    if size and max(size / net.input_size, net.input_size / size) > _FAR:
        say(
            f"fastmlp: warning: values are around {size:.3g}, those of the training were around "
            f"{net.input_size:.3g}; is their unit the same?"
        )


def _expect_table(argument: str, path: str) -> None:
    from fastmlp.tables.reading import ENDINGS, is_table

    if not is_table(path):
        expected = f"a table ({', '.join(ENDINGS)}), as the model was trained on one"
        raise invalid(argument, expected, path)


def _lines(predictions: NDArray[Any] | str) -> str:
    """Return one line for each prediction, its values with commas between them."""
    if isinstance(predictions, str):
        return predictions
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    # NumPy's own str is the shortest that reads back as the same float32.
    writer.writerows(map(str, row) for row in predictions.reshape(len(predictions), -1))
    return text.getvalue()
