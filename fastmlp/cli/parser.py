"""The words of the command line and what they may be; imports nothing heavy."""

from __future__ import annotations

import argparse
import importlib
from typing import Any, NoReturn

import fastmlp
from fastmlp import names
from fastmlp.cli import options, words
from fastmlp.errors import FastMLPError

__all__ = [
    "DATA_SETS",
    "DEFAULTS",
    "TABLE_OPTIONS",
    "build_parser",
    "default_epochs",
]

CLOCKS = ("fair", "book")
DATA_SETS = ("digits", "mnist", "fashion-mnist")
EPOCHS = 10
# Taken where nothing is said, but not for tables, which have defaults of their own.
DEFAULTS: dict[str, Any] = {
    "hidden": [200], "activation": "relu", "init": "he", "optimizer": "adam", "batch_size": 128,
    "l2": 0.0,
}  # fmt: skip
TABLE_OPTIONS = (
    *("categorical", "numerical", "dates", "drop", "max_categories", "ensemble", "cv"),
    "importance",
)
EPOCHS_OF = {"digits": 60}  # 11 steps an epoch: ten epochs are over before it has learned


def default_epochs(data: str) -> int:
    """Return how many epochs `train` takes for this data set when not told.

    Examples
    --------
    >>> default_epochs("mnist")
    10
    """
    return EPOCHS_OF.get(data, EPOCHS)


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are errors like all others: one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise FastMLPError(f"{message} (see {self.prog} --help)")


def build_parser() -> Parser:
    """Return the parser; the parsed arguments hold the command as `run`.

    Examples
    --------
    >>> build_parser().parse_args(["train", "mnist", "--hidden", "200,100"]).hidden
    [200, 100]
    """
    parser = Parser(
        prog="fastmlp",
        description="Train multilayer perceptrons on the CPU.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fastmlp {fastmlp.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_reproduce(commands)
    _add_race(commands)

    info = _command(
        commands, "info", "show the CPU, threads, cache and versions, or a model", "info:info"
    )
    info.add_argument("model", metavar="MODEL", nargs="?", help="a file that train --out saved")
    info.add_argument("--json", action="store_true", help="print one JSON object")

    _add_bench(commands)

    warmup = _command(commands, "warmup", "compile the common kernels ahead", "warmup:warmup")
    warmup.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        action="append",
        help="of the networks, may be given twice (default: both)",
    )
    warmup.add_argument("--json", action="store_true", help="print one JSON object")

    cache = _command(commands, "cache", "show or clear the compiled kernels", "info:cache")
    cache.add_argument("--clear", action="store_true", help="delete them; they are made again")
    return parser


def _add_train(commands: Any) -> None:
    train = _command(commands, "train", "train a network", "train:train")
    _data(train, nargs="?", default="digits", what="what to train on (default: digits)")

    options.add_network(train)
    run = train.add_argument_group("training")
    options.add_rule(run)
    options.add_regularisation(run)
    run.add_argument(
        "--batch-size",
        type=words.batch_size,
        default=options.UNSAID,
        metavar="N",
        help="samples in a step, or full for all of them (default: 128; for a table by its rows)",
    )
    special = "".join(f", {count} for {name}" for name, count in EPOCHS_OF.items())
    run.add_argument(
        "--epochs",
        type=words.count,
        metavar="N",
        help=f"passes over the data (default: {EPOCHS}{special}; for a table by its rows)",
    )
    run.add_argument("--no-shuffle", action="store_true", help="take the samples in order")
    run.add_argument("--seed", type=words.seed, default=0, metavar="N", help="default: 0")
    run.add_argument(
        "--threads", type=words.count, metavar="N", help="default: what suits the work"
    )
    run.add_argument(
        "--max-seconds", type=words.positive, metavar="S", help="stop after so much training time"
    )
    run.add_argument(
        "--schedule", choices=names.SCHEDULES, help="of learning rates (default: it stays the same)"
    )
    run.add_argument(
        "--patience",
        type=words.count,
        metavar="N",
        help="stop after so many epochs without a better held-out loss",
    )
    run.add_argument(
        "--restore-best",
        action="store_true",
        help="end with the network of the epoch with the best held-out loss",
    )

    options.add_table(train.add_argument_group("tables"))
    kept = train.add_argument_group("checkpoints")
    kept.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="keep the training in this file while it runs, and when it is interrupted",
    )
    kept.add_argument(
        "--checkpoint-every",
        type=words.not_negative,
        default=60.0,
        metavar="S",
        help="seconds from one writing to the next (default: 60)",
    )
    kept.add_argument(
        "--resume",
        action="store_true",
        help="go on from the checkpoint, if there is one, with the same data and options",
    )

    result = train.add_argument_group("result")
    result.add_argument("--out", metavar="MODEL", help="save the network to this file")
    result.add_argument("--history", metavar="FILE.csv", help="save losses by epoch")
    result.add_argument("--plot", metavar="FILE.png", help="draw them (needs matplotlib)")
    result.add_argument("--json", action="store_true", help="end with one JSON object on a line")
    result.add_argument("--quiet", action="store_true", help="show no progress")


def _add_evaluate(commands: Any) -> None:
    evaluate = _command(
        commands, "evaluate", "measure a saved network on data", "evaluate:evaluate"
    )
    _model(evaluate)
    _data(evaluate, what="what to measure on")
    evaluate.add_argument(
        "--part",
        choices=("held-out", "training", "all"),
        help="which samples (default: held-out, of a table all)",
    )
    options.add_loss(evaluate, "the one that train takes for the network's output")
    evaluate.add_argument("--json", action="store_true", help="end with one JSON object on a line")


def _add_predict(commands: Any) -> None:
    predict = _command(
        commands, "predict", "print a prediction for each sample", "evaluate:predict"
    )
    _model(predict)
    predict.add_argument("input", metavar="INPUT", help="a file of samples, one a row")
    predict.add_argument("--target", metavar="COLUMN", help="a column of a table to leave out")
    predict.add_argument("--proba", action="store_true", help="print the network's outputs instead")
    predict.add_argument("--out", metavar="FILE", help="write them to this .npy or .csv file")


def _add_bench(commands: Any) -> None:
    bench = _command(
        commands, "bench", "time fastmlp beside its peers on this machine", "bench:bench"
    )
    bench.add_argument(
        "--works",
        type=words.names,
        metavar="NAMES",
        help="names with commas between them (default: all)",
    )
    bench.add_argument(
        "--contenders",
        type=words.names,
        metavar="NAMES",
        help="of fastmlp, fastmlp-dense, numpy, scikit-learn, torch, torch-compile, jax, and "
        "fastmlp-1, fastmlp-dense-1 on one thread (default: all that are installed)",
    )
    bench.add_argument("--rounds", type=words.count, metavar="N", help="turns of each (default: 7)")
    bench.add_argument(
        "--threads", type=words.count, metavar="N", help="for each (default: all cores)"
    )
    bench.add_argument(
        "--quick", action="store_true", help="small works, in seconds: to see that all runs"
    )
    bench.add_argument("--output", metavar="FILE.json", help="write the results to this file")
    bench.add_argument("--markdown", metavar="FILE.md", help="write the tables to this file")
    bench.add_argument("--json", action="store_true", help="print the results as one JSON object")


def _add_reproduce(commands: Any) -> None:
    reproduce = _command(
        commands,
        "reproduce",
        "rebuild a system of a book or notebook beside its published figures",
        "reproduce:reproduce",
    )
    reproduce.add_argument("name", metavar="NAME", nargs="?", help="default: list the names")
    reproduce.add_argument("--quick", action="store_true", help="a shortened version, in seconds")
    reproduce.add_argument(
        "--out", metavar="FOLDER", help="where pictures go (default: reproduced/NAME)"
    )
    reproduce.add_argument("--clock", choices=CLOCKS, help="of the race in batches (default: fair)")
    reproduce.add_argument(
        "--max-seconds",
        type=words.positive,
        metavar="S",
        help="for each batch size of that race (default: 10)",
    )
    reproduce.add_argument("--json", action="store_true", help="end with one JSON object on a line")


def _add_race(commands: Any) -> None:
    race = _command(
        commands, "race", "train with several batch sizes, each for the same time", "race:race"
    )
    _data(race, what="what to train on")
    race.add_argument(
        "--batch-sizes",
        type=words.batch_sizes,
        default=[1, 32, 128, None],
        metavar="SIZES",
        help="numbers and full, for all samples (default: 1,32,128,full)",
    )
    race.add_argument(
        "--max-seconds",
        type=words.positive,
        default=10.0,
        metavar="S",
        help="for each batch size (default: 10)",
    )
    race.add_argument(
        "--clock",
        choices=CLOCKS,
        default="fair",
        help="fair counts training alone; book measures the loss after every step, and counts that "
        "(default: fair)",
    )
    options.add_network(race)
    options.add_rule(race)
    race.add_argument("--no-shuffle", action="store_true", help="take the samples in order")
    race.add_argument("--seed", type=words.seed, default=0, metavar="N", help="default: 0")
    race.add_argument(
        "--threads", type=words.count, metavar="N", help="default: what suits the work"
    )
    race.add_argument("--history", metavar="FILE.csv", help="save what was measured")
    race.add_argument("--plot", metavar="FILE.png", help="draw it (needs matplotlib)")
    race.add_argument("--json", action="store_true", help="end with one JSON object on a line")
    race.add_argument("--quiet", action="store_true", help="show no progress")


def _command(commands: Any, name: str, summary: str, function: str) -> argparse.ArgumentParser:
    """Add a command; its module is imported when it is run."""
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary.capitalize() + ".", allow_abbrev=False
    )

    def run(arguments: argparse.Namespace) -> int:
        module, _, attribute = function.partition(":")
        home = importlib.import_module(f"fastmlp.cli.{module}")
        status: int = getattr(home, attribute)(arguments)
        return status

    command.set_defaults(run=run)
    return command


def _model(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="MODEL", help="a file that train --out saved")


def _data(command: argparse.ArgumentParser, *, what: str, **options: Any) -> None:
    command.add_argument(
        "data",
        metavar="DATA",
        help=f"{what}: {', '.join(DATA_SETS)}, a table (.csv, .tsv, .parquet, .feather, .jsonl, "
        ".arff; - is a .csv from standard input), a .npz or .svmlight file, or a folder of IDX "
        "files or images",
        **options,
    )
    command.add_argument(
        "--target",
        metavar="COLUMN",
        help="the column of a table to predict (default: target, label, class or y, else the last)",
    )
