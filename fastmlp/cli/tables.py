"""Tables on the command line: what `train`, `evaluate`, `predict` and `info` do with them."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.cli.build import build_loss
from fastmlp.cli.streams import say
from fastmlp.errors import DataError, FastMLPError, invalid
from fastmlp.plot import TRAINING, VALIDATION, _draw, _figure, _name_axes, _save
from fastmlp.tables.columns import columns_of
from fastmlp.tables.estimators import TableClassifier, TableModel, TableRegressor
from fastmlp.tables.reading import find_target, read_table
from fastmlp.tables.targets import read_target

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["TableJob", "cross_validate", "evaluate_table", "predict_table", "show_columns"]


class TableJob:
    """A training on a table: what `fastmlp train` asks of it, as of one on arrays."""

    def __init__(self, arguments: Namespace, optimizer: Any) -> None:
        self.arguments = arguments
        self.x, self.y, self.model, name = _begin(arguments)
        options = _given(
            arguments, schedule="schedule", dropout="dropout", zero_skipping="zero_skipping",
            patience="patience", l2="l2", init="init", checkpoint="checkpoint",
            every="checkpoint_every", drop_last="drop_last",
        )  # fmt: skip
        if optimizer is not None:
            options["optimizer"] = optimizer
        if (loss := build_loss(arguments)) is not None:
            options["loss"] = loss
        if "batch_size" in arguments:
            options["batch_size"] = arguments.batch_size  # None is for all rows
        self.trainer = self.model.prepare(
            self.x, self.y, shuffle=not arguments.no_shuffle, **options
        )[0]
        self.model.target_name_ = name
        self.epochs: int = self.model.epochs_
        _say_all(arguments, self.model.encoder_.messages_)

    def fit(self, watch: Any) -> None:
        """Train; `watch` is told of the first network's epochs."""
        self.model.callbacks = [watch]
        self.model.train()
        self.model.callbacks = None

    def writers(self) -> dict[str, tuple[str | None, Any]]:
        """Return what writes each file that can be asked for, and its path."""
        history = self.trainer.history
        return {
            "model": (self.arguments.out, self.model.save),
            "history": (self.arguments.history, history.to_csv),
            "plot": (self.arguments.plot if history else None, self._plot),
        }

    def report(self) -> dict[str, Any]:
        """Print the result in words, and return it as JSON can hold it."""
        rows = self.model.held_out_rows_
        found: dict[str, Any] = {}
        if len(rows):
            found = measure(self.model, self.x.iloc[rows], self.y[rows])
            print(f"held-out {in_words(found)} on {len(rows)} rows")
        if self.arguments.importance:
            found["importance"] = self._importance(rows if len(rows) else np.arange(len(self.x)))
        found["held_out_loss"] = found.pop("loss", None)
        net = self.model.networks_[0]
        return found | {"sizes": list(net.sizes), "networks": len(self.model.networks_)}

    @property
    def loss_unit(self) -> float:
        """What a loss of the training is multiplied by, to be in the target's own unit."""
        scale = self.model.scale_ if isinstance(self.model, TableRegressor) else 1.0
        units = {"squared_error": scale**2, "absolute_error": scale, "quantile": scale}
        loss = self.trainer.loss
        return units.get(loss if isinstance(loss, str) else loss[0], 1.0)

    def _importance(self, rows: NDArray[np.int64]) -> dict[str, float]:
        """Print how much the score falls where a column is shuffled, and return it."""
        from sklearn.inspection import permutation_importance

        x = self.x.iloc[rows]
        fall = permutation_importance(
            self.model, x, self.y[rows], n_repeats=5, random_state=self.arguments.seed % 2**32
        )
        what = "accuracy" if isinstance(self.model, TableClassifier) else "R²"
        found = zip(x.columns, fall.importances_mean.tolist(), fall.importances_std, strict=True)
        ordered = sorted(found, key=lambda one: -one[1])
        print(f"{what} lost where a column is shuffled:")
        for name, mean, spread in ordered:
            print(f"  {name}  {mean:.4f} ± {spread:.4f}")
        return {name: mean for name, mean, _ in ordered}

    def _plot(self, path: str) -> None:
        """Draw the losses, and the predictions of the rows held out beside their targets."""
        from sklearn.metrics import ConfusionMatrixDisplay, PredictionErrorDisplay

        rows, history = self.model.held_out_rows_, self.trainer.history
        if not len(rows):
            history.plot(path)
            return
        y, predicted = self.y[rows], self.model.predict(self.x.iloc[rows])
        figure = _figure()
        left, right = figure.subplots(1, 2)
        epochs = np.array(history.epochs)
        lines: dict[str, Any] = {}
        for style, losses in ((TRAINING, history.loss), (VALIDATION, history.validation_loss)):
            _draw(left, epochs, np.array(losses), style, lines)
        _name_axes(left, "training done (epochs)", "loss (mean per sample)")
        left.legend(lines.values(), lines.keys(), frameon=False)
        if isinstance(self.model, TableRegressor):
            PredictionErrorDisplay.from_predictions(
                y, predicted, kind="actual_vs_predicted", ax=right, scatter_kwargs={"s": 6}
            )
        else:
            ConfusionMatrixDisplay.from_predictions(
                y, predicted, ax=right, colorbar=False, cmap="Blues",
                include_values=len(np.unique(y)) <= 20, xticks_rotation="vertical",
            )  # fmt: skip
        _save(figure, path)


def _begin(arguments: Namespace) -> tuple[DataFrame, NDArray[Any], Any, str]:
    """Return features, targets, the model to train on them, and the target's name."""
    if arguments.output == "sigmoid":
        raise invalid("--output", "softmax or identity for a table", arguments.output)
    x, y, classes, name = _read(arguments, arguments.target, arguments.output)
    options = _given(
        arguments, hidden_layer_sizes="hidden", activation="activation", max_iter="epochs",
        learning_rate_init="learning_rate", max_categories="max_categories", ensemble="ensemble",
        categorical="categorical", numerical="numerical", drop="drop", dates="dates",
        dtype="dtype", max_time="max_seconds", n_jobs="threads",
    )  # fmt: skip
    kind = TableClassifier if classes else TableRegressor
    return x, y, kind(random_state=arguments.seed % 2**32, **options), name


def _given(arguments: Namespace, **options: str) -> dict[str, Any]:
    """Return the arguments that were given, by the names that they have in the library."""
    values = {option: getattr(arguments, name, None) for option, name in options.items()}
    return {option: value for option, value in values.items() if value is not None}


def _read(
    arguments: Namespace, wanted: str | None, output: str | None
) -> tuple[DataFrame, NDArray[Any], bool, str]:
    """Return features and targets of the rows that have one, if they are classes, their name."""
    frame = read_table(arguments.data)
    name, said = find_target(list(frame.columns), wanted, arguments.data)
    _say_all(arguments, [said] if said else [])
    columns = columns_of(frame[[name]]) or []
    try:
        target = read_target(columns[0], output)
    except FastMLPError as error:
        raise DataError(f"{arguments.data}: {error}") from None
    if "quiet" in arguments or not target.rows.all():
        _say_all(arguments, target.messages)
    x = frame.drop(columns=[name])[target.rows].reset_index(drop=True)
    if not x.shape[1]:
        raise DataError(f"{arguments.data}: expected a column beside the target, got none")
    return x, target.values, target.classes, name


def _say_all(arguments: Namespace, messages: list[str]) -> None:
    if not getattr(arguments, "quiet", False):
        for message in messages:
            say(f"fastmlp: {message}")


def measure(model: TableModel, x: DataFrame, y: NDArray[Any]) -> dict[str, float]:
    """Return accuracy and loss, or R², RMSE and loss in the target's own unit."""
    if isinstance(model, TableClassifier):
        p = model.predict_proba(x)
        labels = np.searchsorted(model.classes_, y)
        own = p[np.arange(len(y)), labels]
        loss = -np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean()
        return {"accuracy": float((p.argmax(axis=1) == labels).mean()), "loss": float(loss)}
    assert isinstance(model, TableRegressor)
    errors = model.predict(x) - y
    loss, spread = float(np.mean(errors**2)), float(np.mean((y - y.mean()) ** 2))
    r2 = 1.0 - loss / spread if spread > 0.0 else math.nan
    return {"r2": r2, "rmse": math.sqrt(loss), "loss": loss}


def in_words(found: Mapping[str, float]) -> str:
    """Return what `measure` found in words.

    Examples
    --------
    >>> in_words({"accuracy": 0.75, "loss": 0.5}), in_words({"r2": 0.9, "rmse": 2.0, "loss": 4.0})
    ('accuracy 0.7500, loss 0.5', 'R² 0.9000, RMSE 2, loss 4')
    """
    if "accuracy" in found:
        return f"accuracy {found['accuracy']:.4f}, loss {found['loss']:.4g}"
    return f"R² {found['r2']:.4f}, RMSE {found['rmse']:.4g}, loss {found['loss']:.4g}"


def cross_validate(arguments: Namespace) -> int:
    """Train on all folds but one, in turns; print mean and spread of what the others measure."""
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score

    for flag in ("out", "checkpoint", "plot", "history", "importance"):
        if getattr(arguments, flag):
            raise invalid(f"--{flag}", "none with --cv, which keeps no model", "it")
    x, y, model, _ = _begin(arguments)
    if arguments.cv > len(y):
        raise invalid("--cv", f"at most {len(y)}, one row a fold", arguments.cv)
    classes = isinstance(model, TableClassifier)
    kind, what = (StratifiedKFold, "accuracy") if classes else (KFold, "R²")
    folds = kind(arguments.cv, shuffle=True, random_state=arguments.seed % 2**32)
    scores = cross_val_score(model, x, y, cv=folds, error_score="raise")
    each = ", ".join(f"{score:.4f}" for score in scores)
    print(f"{what} {scores.mean():.4f} ± {scores.std():.4f} over {arguments.cv} folds: {each}")
    if arguments.json:
        name = "accuracy" if classes else "r2"
        found = {"mean": scores.mean(), "std": scores.std(), "folds": scores.tolist()}
        print(json.dumps({"data": arguments.data, name: found}))
    return 0


def evaluate_table(arguments: Namespace, model: Any) -> int:
    """Print what a model measures on a table: all of it, or a part."""
    from fastmlp.datasets import hold_out

    wanted = arguments.target or getattr(model, "target_name_", None)
    classes = isinstance(model, TableClassifier)
    x, y, *_ = _read(arguments, wanted, "softmax" if classes else "identity")
    if classes:
        y = _as_known(model, y)
    if arguments.part in ("training", "held-out"):
        parts = hold_out(y if classes else np.zeros(len(y)))
        rows = parts[arguments.part == "held-out"]
        x, y = x.iloc[rows], y[rows]
    found = measure(model, x, y)
    print(f"{in_words(found)} on {len(x)} rows of {arguments.data}")
    if arguments.json:
        known = {name: value if math.isfinite(value) else None for name, value in found.items()}
        print(json.dumps(known | {"samples": len(x)}))
    return 0


def _as_known(model: Any, y: NDArray[Any]) -> NDArray[Any]:
    """Return classes in the type that the model has them in; refuse others."""
    known = model.classes_
    y = y.astype(str) if known.dtype.kind == "U" else y
    unknown = np.setdiff1d(y, known)
    if len(unknown):
        names = ", ".join(map(str, known.tolist()))
        raise invalid("DATA", f"classes among {names}", unknown[0])
    return y


def predict_table(arguments: Namespace, model: Any) -> NDArray[Any] | str:
    """Return predictions of a table's rows, as comma-separated text with names, or an array."""
    import pandas as pd

    frame = read_table(arguments.input)
    classes = isinstance(model, TableClassifier)
    outputs: NDArray[Any] = model.predict_proba(frame) if classes else model.predict(frame)[:, None]
    if arguments.proba:
        return outputs
    predictions = model.classes_[outputs.argmax(axis=1)] if classes else outputs[:, 0]
    if (arguments.out or "").lower().endswith(".npy"):
        return predictions
    names = [f"probability_{name}" for name in model.classes_.tolist()] if classes else []
    table = {"prediction": predictions} | dict(zip(names, outputs.T, strict=False))
    return str(pd.DataFrame(table).to_csv(index=False, lineterminator="\n"))


def show_columns(model: Any) -> list[dict[str, Any]]:
    """Print what became of each column of a model's table, and return it for JSON."""
    names = model.encoder_.get_feature_names_out().tolist()
    target = getattr(model, "target_name_", None) or "target"
    what = f"{len(model.classes_)} classes" if isinstance(model, TableClassifier) else "numbers"
    print(f"{target}: {what}, to predict from {len(names)} features")
    rows = [plan._asdict() for plan in model.encoder_.columns_]
    for row in rows:
        print(f"{row['name']}: {row['kind']}" + (f" ({row['note']})" if row["note"] else ""))
    return rows
