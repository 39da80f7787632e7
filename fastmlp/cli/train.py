"""`fastmlp train`: from a data set to a trained, measured and saved network."""

from __future__ import annotations

import json
import math
import os
import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from fastmlp.cli.build import build_network, build_optimizer, load_data
from fastmlp.cli.outputs import Saved, check_outputs, save_each
from fastmlp.cli.parser import TABLE_OPTIONS, default_epochs
from fastmlp.cli.progress import watcher
from fastmlp.cli.statuses import INTERRUPTED, MISTAKE, OK, TERMINATED
from fastmlp.cli.streams import say
from fastmlp.errors import DivergenceError, invalid
from fastmlp.interrupts import Terminated, terminable

if TYPE_CHECKING:
    from fastmlp.datasets import Dataset
    from fastmlp.network import Network
    from fastmlp.training import Trainer

__all__ = ["loss_words", "number", "train", "whole"]


def train(arguments: Namespace) -> int:
    """Train as the arguments say; print the held-out accuracy and what it took."""
    from fastmlp.tables.reading import is_table

    table = is_table(arguments.data)
    optimizer = None
    rule = ("momentum", "beta_1", "beta_2", "epsilon", "weight_decay")
    told = "optimizer" in arguments or any(getattr(arguments, name) is not None for name in rule)
    if not table or told:
        optimizer = build_optimizer(arguments)
    check_outputs(arguments, ("checkpoint", "out", "history", "plot"))
    if arguments.resume and arguments.checkpoint is None:
        raise invalid("--resume", "--checkpoint FILE with it", "none")
    if not arguments.resume and arguments.checkpoint and os.path.exists(arguments.checkpoint):
        expected = "a file that is not there yet, or --resume to go on from it"
        raise invalid("--checkpoint", expected, arguments.checkpoint)
    job: Any
    if table:
        from fastmlp.cli import tables

        if arguments.cv:
            return tables.cross_validate(arguments)
        job = tables.TableJob(arguments, optimizer)
    else:
        for name in TABLE_OPTIONS:
            if getattr(arguments, name):
                flag = "--" + name.replace("_", "-")
                raise invalid(flag, "DATA that is a table", arguments.data)
        job = _NetworkJob(arguments, optimizer)
    trainer = job.trainer
    if arguments.resume:
        _resume(arguments, trainer, job.epochs)
    watch = watcher(job.epochs, quiet=arguments.quiet)
    try:
        with terminable(), watch:
            job.fit(watch)
    except KeyboardInterrupt as interrupt:
        ended = isinstance(interrupt, Terminated)
        what = "terminated" if ended else "interrupted"
        when = "" if trainer.steps else " before the first step"
        saved = _save(arguments, job)
        say(f"fastmlp: {what}{when}{_left_out(arguments, trainer)}{saved.listing()}")
        return saved.status(TERMINATED if ended else INTERRUPTED)
    except DivergenceError as error:
        from fastmlp.divergence import KEPT

        saved = _save(arguments, job)
        saved.paths.pop("checkpoint", None)  # it is of the epoch before
        # What the library keeps in memory ends with the process, unless it was saved.
        said = str(error)
        for kept in KEPT if "model" not in saved.paths else ():
            said = said.removesuffix(kept)
        say(f"fastmlp: error: {said}{_left_out(arguments, trainer)}{saved.listing()}")
        return saved.status(MISTAKE)
    saved = _save(arguments, job)
    _report(arguments, job, saved.paths)
    return saved.status(OK)


class _NetworkJob:
    """A training on arrays: images, numbers, data sets by name."""

    loss_unit = 1.0

    def __init__(self, arguments: Namespace, optimizer: Any) -> None:
        self.arguments = arguments
        self.data = data = load_data(arguments)
        if not len(data.x_test) and (arguments.patience or arguments.restore_best):
            name = "--patience" if arguments.patience else "--restore-best"
            raise invalid(name, "data with a held-out part", data.name)
        self.net, self.trainer = _build(arguments, data, optimizer)
        self.epochs = arguments.epochs or default_epochs(arguments.data)

    def fit(self, watch: Any) -> None:
        """Train."""
        data = self.data
        self.trainer.fit(
            data.x_train,
            data.y_train,
            epochs=self.epochs,
            validation=(data.x_test, data.y_test) if len(data.x_test) else None,
            max_seconds=self.arguments.max_seconds,
            callbacks=(watch,),
        )

    def writers(self) -> dict[str, tuple[str | None, Any]]:
        """Return what writes each file that can be asked for, and its path."""
        history = self.trainer.history
        return {
            "model": (self.arguments.out, self.net.save),
            "history": (self.arguments.history, history.to_csv),
            "plot": (self.arguments.plot if history else None, history.plot),
        }

    def report(self) -> dict[str, Any]:
        """Print what was measured on the rows held out, and return it for JSON."""
        data, found = self.data, {}
        if len(data.x_test):
            found = self.net.evaluate(data.x_test, data.y_test, self.trainer.loss)
        accuracy, loss = number(found.get("accuracy")), number(found.get("loss"))
        if found:
            words = "" if accuracy is None else f"accuracy {accuracy:.4f}, "
            print(f"held-out {words}{loss_words(loss)} on {len(data.x_test)} samples")
        return {"sizes": list(self.net.sizes), "accuracy": accuracy, "held_out_loss": loss}


def _resume(arguments: Namespace, trainer: Trainer, epochs: int) -> None:
    """Go on from the checkpoint, or say that there is none yet."""
    path = arguments.checkpoint
    if trainer.resume():
        text = f"going on from {path}, {trainer.finished_epochs} of {epochs} epochs done"
    else:
        text = f"no checkpoint {path} yet, starting anew"
    if not arguments.quiet:
        print(f"fastmlp: {text}", file=sys.stderr)


def _build(arguments: Namespace, data: Dataset, optimizer: Any) -> tuple[Network, Trainer]:
    """Return the network and its trainer."""
    import fastmlp

    net, loss = build_network(arguments, data)
    trainer = fastmlp.Trainer(
        net,
        loss=loss,
        optimizer=optimizer,
        batch_size=arguments.batch_size,
        shuffle=not arguments.no_shuffle,
        seed=arguments.seed,
        l2=arguments.l2,
        dropout=arguments.dropout or 0.0,
        drop_last=arguments.drop_last,
        zero_skipping=arguments.zero_skipping,
        threads=arguments.threads,
        checkpoint=arguments.checkpoint,
        every=arguments.checkpoint_every,
        schedule=arguments.schedule,
        patience=arguments.patience,
        restore_best=arguments.restore_best,
    )
    return net, trainer


def _left_out(arguments: Namespace, trainer: Trainer) -> str:
    """Return, as the rest of a line, the files that are not written as no step was made."""
    paths = [path for path in (arguments.out, arguments.history, arguments.plot) if path]
    return f"; not written: {', '.join(paths)}" if paths and not trainer.steps else ""


def _save(arguments: Namespace, job: Any) -> Saved:
    """Write what was asked for, as far as there is any."""
    saved = Saved({}, [])
    if (
        job.trainer.steps
    ):  # else the parameters are untrained: those of an older file are worth more
        saved = save_each(job.writers())
    if not job.trainer.checkpoint_is_current:
        return saved
    return saved._replace(paths={"checkpoint": arguments.checkpoint, **saved.paths})


def _report(arguments: Namespace, job: Any, saved: dict[str, str]) -> None:
    """Print the result in words and, if asked, as one JSON object on the last line."""
    found = job.report()
    done = job.trainer.history.to_dict()
    last = {name: number(values[-1]) if values else None for name, values in done.items()}
    if last["loss"] is not None:
        last["loss"] *= job.loss_unit
    print(
        f"training {loss_words(last['loss'])} after {last['epochs'] or 0:g} epochs, "
        f"{last['steps'] or 0} steps, {last['seconds'] or 0:.3f} s"
    )
    for what, path in saved.items():
        print(f"{what} saved to {path}")
    if arguments.json:
        figures = {"loss", "accuracy", "r2", "rmse", "held_out_loss"}
        result = {
            "data": arguments.data,
            "loss": last["loss"],
            "accuracy": None,
            **{name: number(value) if name in figures else value for name, value in found.items()},
            "seconds": last["seconds"] or 0.0,
            "epochs": whole(last["epochs"] or 0),
            "steps": last["steps"] or 0,
            **{what: saved.get(what) for what in ("model", "history", "plot", "checkpoint")},
        }
        print(json.dumps(result, allow_nan=False))


def number(value: float | None) -> float | None:
    """Return the value, or None where JSON has no number for it.

    Examples
    --------
    >>> number(0.5), number(math.nan), number(None)
    (0.5, None, None)
    """
    return value if value is not None and math.isfinite(value) else None


def loss_words(loss: float | None) -> str:
    """Return a loss in words.

    Examples
    --------
    >>> loss_words(0.123456)
    'loss 0.1235'
    """
    return "loss unknown" if loss is None else f"loss {loss:.4g}"


def whole(value: float) -> float | int:
    """Return the value as an integer if it is one.

    Examples
    --------
    >>> whole(10.0), whole(2.5)
    (10, 2.5)
    """
    return int(value) if float(value).is_integer() else value
