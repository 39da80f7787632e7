"""Options that commands share: the network, its training, and tables."""

from __future__ import annotations

import argparse
from typing import Any

from fastmlp import names
from fastmlp.cli import words

__all__ = ["UNSAID", "add_loss", "add_network", "add_regularisation", "add_rule", "add_table"]

UNSAID = argparse.SUPPRESS  # where the default depends on what else is said


def add_network(command: argparse.ArgumentParser) -> None:
    """Add what a network is."""
    net = command.add_argument_group("network")
    net.add_argument(
        "--hidden", type=words.sizes, default=UNSAID, metavar="SIZES",
        help="sizes of the hidden layers, as 200,100; none for no hidden layer (default: 200, "
        "for a table 128,128)",
    )  # fmt: skip
    net.add_argument(
        "--activation", type=words.activations, default=UNSAID, metavar="NAMES",
        help="of hidden layers, one for all or one for each with commas between them, of "
        f"{', '.join(names.HIDDEN)} (default: relu, for a table silu)",
    )  # fmt: skip
    net.add_argument(
        "--output", choices=names.OUTPUTS,
        help="default: softmax for classes, identity for numbers; identity takes targets for "
        "numbers that would be classes",
    )  # fmt: skip
    net.add_argument(
        "--init", choices=names.INITIALISERS, default=UNSAID, help="of weights (default: he)"
    )
    net.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="default: float32"
    )


def add_loss(command: Any, default: str) -> None:
    """Add the loss and its parameters."""
    command.add_argument("--loss", choices=tuple(names.LOSSES), help=f"default: {default}")
    command.add_argument(
        "--huber-delta", type=words.positive, metavar="D", help="of huber (default: 1)"
    )
    command.add_argument(
        "--quantile", type=words.share, metavar="Q", help="of quantile (default: 0.5)"
    )


def add_rule(command: Any) -> None:
    """Add the loss, and how it is made smaller."""
    add_loss(command, "cross_entropy for classes, else squared_error")
    command.add_argument(
        "--optimizer", choices=tuple(names.LEARNING_RATES), default=UNSAID,
        help="default: adam, for a table adamw",
    )  # fmt: skip
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in names.LEARNING_RATES.items())
    for flag, kind, metavar, text in (
        ("--learning-rate", words.positive, "RATE", f"default: {rates}"),
        ("--momentum", words.fraction, "M", "of all but adam (default: 0 for sgd, else 0.9)"),
        ("--beta-1", words.fraction, "B", "of adam and adamw (default: 0.9)"),
        ("--beta-2", words.fraction, "B", "of adam and adamw (default: 0.999)"),
        ("--epsilon", words.positive, "E", "of adam and adamw (default: 1e-8)"),
        ("--weight-decay", words.not_negative, "W", "of adamw (default: 0.01)"),
    ):
        command.add_argument(flag, type=kind, metavar=metavar, help=text)


def add_regularisation(command: Any) -> None:
    """Add what keeps a network from learning its data by heart, and what is left out."""
    command.add_argument(
        "--l2", type=words.not_negative, default=UNSAID, metavar="L2", help="default: 0"
    )
    command.add_argument(
        "--dropout", type=words.fraction, metavar="P",
        help="share of hidden units left out of a step (default: 0)",
    )  # fmt: skip
    text = "leave out samples that do not fill the last batch of an epoch"
    command.add_argument("--drop-last", action="store_true", help=text)
    command.add_argument(
        "--zero-skipping", action=argparse.BooleanOptionalAction,
        help="whether to leave out multiplications by zeros (default: where there are many)",
    )  # fmt: skip


def add_table(command: Any) -> None:
    """Add what columns are, and what is done with a table besides."""
    for name, what in (
        ("categorical", "taken as categories"), ("numerical", "taken as numbers"),
        ("dates", "taken as dates"), ("drop", "left out"),
    ):  # fmt: skip
        text = f"columns {what}, with commas between them"
        command.add_argument(f"--{name}", type=words.names, default=(), metavar="NAMES", help=text)
    for flag, kind, metavar, text in (
        ("--max-categories", words.count, "N", "features of a column of words (default: 64)"),
        ("--ensemble", words.count, "K", "train K networks and average them"),
        ("--cv", words.at_least_two, "K", "measure on K folds instead, and keep nothing"),
    ):
        command.add_argument(flag, type=kind, metavar=metavar, help=text)
    text = "print what shuffling each column costs on the rows held out"
    command.add_argument("--importance", action="store_true", help=text)
