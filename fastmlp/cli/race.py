"""`fastmlp race`: several batch sizes, the same time for each."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from fastmlp.cli.build import build_network, build_optimizer, load_data
from fastmlp.cli.outputs import Saved, check_outputs, save_each
from fastmlp.cli.statuses import INTERRUPTED, OK
from fastmlp.cli.streams import say
from fastmlp.cli.train import loss_words, number, whole
from fastmlp.errors import invalid

if TYPE_CHECKING:
    from fastmlp.racing import Race

__all__ = ["race"]


def race(arguments: Namespace) -> int:
    """Run a race as the arguments say; print how each batch size did."""
    optimizer = build_optimizer(arguments)
    check_outputs(arguments, ("history", "plot"))
    if arguments.plot is not None:
        from fastmlp.plot import MOST_CURVES

        if len(arguments.batch_sizes) > MOST_CURVES:
            sizes = len(arguments.batch_sizes)
            raise invalid("--batch-sizes", f"at most {MOST_CURVES} with --plot", sizes)
    import fastmlp

    data = load_data(arguments)
    net, loss = build_network(arguments, data)
    seen: list[Race] = []

    def watch(so_far: Race, label: str) -> None:
        seen[:] = [so_far]
        if not arguments.quiet:
            _show(so_far, label)

    interrupted = False
    try:
        fastmlp.race(
            net,
            data.x_train,
            data.y_train,
            arguments.batch_sizes,
            arguments.max_seconds,
            loss=loss,
            optimizer=optimizer,
            clock=arguments.clock,
            shuffle=not arguments.no_shuffle,
            seed=arguments.seed,
            threads=arguments.threads,
            watch=watch,
        )
    except KeyboardInterrupt:
        interrupted = True
    saved = _save(arguments, seen[0]) if seen else Saved({}, [])
    if interrupted:
        say("fastmlp: interrupted" + saved.listing())
        return saved.status(INTERRUPTED)
    _report(arguments, seen[0], data.name, saved.paths)
    return saved.status(OK)


def _show(so_far: Race, label: str) -> None:
    """Print one measurement to standard error."""
    run = so_far.histories[label]
    sys.stderr.write(
        f"batch size {label}  {run.seconds[-1]:.2f} s  {run.steps[-1]} steps  "
        f"{run.epochs[-1]:.2f} epochs  {loss_words(run.loss[-1])}\n"
    )
    sys.stderr.flush()


def _save(arguments: Namespace, result: Race) -> Saved:
    """Write what was asked for."""
    return save_each(
        {"history": (arguments.history, result.to_csv), "plot": (arguments.plot, result.plot)}
    )


def _report(arguments: Namespace, result: Race, data: str, saved: dict[str, str]) -> None:
    """Print a line for each batch size, best first, and if asked one JSON object."""
    runs = sorted(result.histories.items(), key=lambda item: item[1].loss[-1])
    for label, run in runs:
        print(
            f"batch size {label}: training {loss_words(run.loss[-1])} after "
            f"{run.seconds[-1]:.3f} s, {run.steps[-1]} steps, {run.epochs[-1]:.4g} epochs"
        )
    for what, path in saved.items():
        print(f"{what} saved to {path}")
    if arguments.json:
        batches = {
            label: {
                "loss": number(run.loss[-1]),
                "accuracy": number(run.accuracy[-1]),
                "seconds": run.seconds[-1],
                "steps": run.steps[-1],
                "epochs": whole(run.epochs[-1]),
            }
            for label, run in result.histories.items()
        }
        files = {what: saved.get(what) for what in ("history", "plot")}
        outcome = {"data": data, "clock": arguments.clock, "batch_sizes": batches, **files}
        print(json.dumps(outcome, allow_nan=False))
