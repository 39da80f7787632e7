"""What the words of the command line stand for: data, network, loss and optimizer."""

from __future__ import annotations

import math
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from fastmlp.cli.parser import DEFAULTS
from fastmlp.cli.streams import say
from fastmlp.errors import invalid
from fastmlp.names import LEARNING_RATES

if TYPE_CHECKING:
    from fastmlp.datasets import Dataset
    from fastmlp.network import Network

__all__ = ["build_loss", "build_network", "build_optimizer", "load_data"]


def build_optimizer(arguments: Namespace) -> Any:
    """Return the optimizer that the arguments name."""
    import fastmlp

    name = vars(arguments).get("optimizer", DEFAULTS["optimizer"])
    rate = arguments.learning_rate or LEARNING_RATES[name]
    allowed = {
        "momentum": ("sgd", "momentum", "nesterov"), "beta_1": ("adam", "adamw"),
        "beta_2": ("adam", "adamw"), "epsilon": ("adam", "adamw"), "weight_decay": ("adamw",),
    }  # fmt: skip
    given = {flag: getattr(arguments, flag) for flag in allowed}
    given = {flag: value for flag, value in given.items() if value is not None}
    for flag in given:
        if name not in allowed[flag]:
            expected = f"--optimizer {' or '.join(allowed[flag])}"
            raise invalid(f"--{flag.replace('_', '-')}", expected, name)
    if name in ("adam", "adamw"):
        return (fastmlp.Adam if name == "adam" else fastmlp.AdamW)(rate, **given)
    momentum = given.get("momentum", 0.0 if name == "sgd" else 0.9)
    return fastmlp.SGD(rate, momentum=momentum, nesterov=name == "nesterov")


def build_loss(arguments: Namespace) -> Any:
    """Return the loss that the arguments name, with its parameter; None where none is named."""
    for flag, name in (("huber_delta", "huber"), ("quantile", "quantile")):
        value = getattr(arguments, flag)
        if value is not None and arguments.loss != name:
            raise invalid(f"--{flag.replace('_', '-')}", f"--loss {name}", arguments.loss)
        if value is not None:
            return name, value
    return arguments.loss


def load_data(arguments: Namespace) -> Dataset:
    """Return what to train on; an identity output asks for numbers, also where they are integers.

    Warns where each row has a class of its own, as numbers have that are taken for classes.
    """
    from fastmlp.files import load_named

    for name, value in DEFAULTS.items():
        vars(arguments).setdefault(name, value)
    numbers = arguments.output == "identity"
    data = load_named(arguments.data, target=arguments.target, numbers=numbers)
    count = len(data.classes)
    if 1 < count == len(data.x_train) + len(data.x_test):
        hint = "" if data.classes.dtype.kind == "U" else ": for numbers, say --output identity"
        say(f"fastmlp: warning: DATA: each of the {count} classes has a single row{hint}")
    return data


def build_network(arguments: Namespace, data: Dataset) -> tuple[Network, Any]:
    """Return the network and its loss; the data decide what the arguments leave open."""
    import fastmlp

    classified = len(data.classes) > 0
    if len(data.classes) == 1:
        raise invalid("DATA", "at least 2 classes", f"1: {data.classes[0]}")
    loss, output = arguments.loss, arguments.output
    if output is None and loss is None:
        output = "softmax" if classified else "identity"
    elif output is None:
        output = "softmax" if loss == "cross_entropy" else "sigmoid" if classified else "identity"
    loss = build_loss(arguments)
    if loss is None:
        loss = "squared_error" if output == "identity" else "cross_entropy"
    if classified and output == "identity":
        raise invalid("--output", "softmax or sigmoid, as the targets are classes", output)

    if not classified and output == "softmax" and data.y_train.ndim == 1:
        raise invalid("--output", "identity or sigmoid, as the targets are numbers", output)

    n_inputs = math.prod(data.x_train.shape[1:])
    n_outputs = len(data.classes) if classified else math.prod(data.y_train.shape[1:])
    net = fastmlp.Network(
        [n_inputs, *arguments.hidden, n_outputs],
        hidden=arguments.activation,
        output=output,
        init=arguments.init,
        seed=arguments.seed,
        dtype=arguments.dtype,
        input_scale=data.input_scale,
        classes=data.classes if classified else None,
    )
    return net, loss
