"""TableClassifier and TableRegressor: encoder, networks and targets as one estimator."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from fastmlp.datasets import hold_out
from fastmlp.errors import DataError, invalid
from fastmlp.estimators.arguments import check_numeric, hidden_sizes, threads_of
from fastmlp.network import Network
from fastmlp.optimizers import AdamW
from fastmlp.persistence import read_tensors, write_tensors
from fastmlp.tables.encoder import TableEncoder, TakesTables
from fastmlp.threads import available_threads
from fastmlp.training import Trainer
from fastmlp.validation import check_integer, check_number

__all__ = ["TableClassifier", "TableModel", "TableRegressor"]

VERSION = 1
_FEWEST_TO_HOLD_OUT = 50  # rows; with fewer all are trained on, for all epochs
_BETA_2 = 0.95  # of AdamW; Holzmueller et al. 2024


class TableModel(TakesTables, BaseEstimator):
    """What the two share; use `TableClassifier` or `TableRegressor`.

    What a training takes where it is not told, is from twenty tables of 1,500 to 40,000 rows: more
    epochs gained less than the seeds differed by; numbers wanted a larger learning rate.
    """

    _learning_rate: ClassVar[float]

    def __init__(
        self, hidden_layer_sizes: Any = (128, 128), activation: Any = "silu", *,
        learning_rate_init: float | None = None, max_iter: int | None = None,
        batch_size: int | None = None, weight_decay: float = 0.01,
        validation_fraction: float = 0.15, n_iter_no_change: int = 40, ensemble: int = 1,
        categorical: Iterable[Any] = (), numerical: Iterable[Any] = (),
        dates: Iterable[Any] = (), drop: Iterable[Any] = (), max_categories: int = 64,
        bins: int = 16, dtype: str = "float32", max_time: float | None = None,
        random_state: Any = None, n_jobs: int | None = None,
        callbacks: Iterable[Any] | None = None,
    ) -> None:  # fmt: skip
        self.__dict__.update(given for given in locals().items() if given[0] != "self")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the encoder, and train the network, or the networks, on its features.

        Parameters
        ----------
        X : frame of pandas or polars, pyarrow table, or array-like of shape (n, columns)
        y, sample_weight : array-like of shape (n,); of the second also None

        Raises
        ------
        FastMLPError
            An argument cannot be used, or the training diverged.
        KeyboardInterrupt
            Raised again; what was trained until then can be used.
        """
        self.prepare(X, y, sample_weight)
        self.train()
        return self

    def prepare(
        self, X: Any, y: Any, sample_weight: Any = None, init: Any = "he", **options: Any
    ) -> list[Trainer]:
        """Do what `fit` does before the first step, and return the trainers; `train` does the rest.

        `init` is as for `Network`, `options` are as for `Trainer`, in place of those of this class.
        """
        sizes = hidden_sizes(self.hidden_layer_sizes)
        members = check_integer("ensemble", self.ensemble, 1)
        if options.get("checkpoint") is not None and members > 1:
            raise invalid("ensemble", "1 with a checkpoint", members)
        share = check_number("validation_fraction", self.validation_fraction, below=0.5)
        shared = TableEncoder._get_param_names()
        encoder = TableEncoder(**{name: getattr(self, name) for name in shared})
        x = encoder.fit_transform(X)
        targets, groups, output, outputs = self._take_targets(y)
        check_consistent_length(x, targets)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, x, dtype=np.float64, ensure_non_negative=True
            )
        self._use_encoder(encoder)
        random = check_random_state(self.random_state)
        rows, held = np.arange(x.shape[0]), np.arange(0)
        if share and len(rows) >= _FEWEST_TO_HOLD_OUT:
            rows, held = hold_out(groups, seed=int(random.randint(2**31)), share=share)
        self.held_out_rows_ = held
        targets = self._scaled(targets, rows)
        seeds = [int(seed) for seed in random.randint(2**31, size=members)]
        units = [x.shape[1], *sizes, outputs]
        self.networks_ = [
            Network(units, self.activation, output, init, seed, self.dtype) for seed in seeds
        ]
        rate = self.learning_rate_init
        rate = self._learning_rate if rate is None else rate
        epochs = min(max(800_000 // max(len(rows), 1), 20), 60)
        self.epochs_ = epochs if self.max_iter is None else self.max_iter
        batch_size = 1 << min(max((len(rows) // 16).bit_length(), 4), 8)
        settings: dict[str, Any] = {
            "optimizer": AdamW(rate, beta_2=_BETA_2, weight_decay=self.weight_decay),
            "batch_size": batch_size if self.batch_size is None else self.batch_size,
            "threads": threads_of(self.n_jobs) if members == 1 else 1,
            "schedule": "one_cycle",
        }
        if len(held):
            settings |= {"patience": self.n_iter_no_change, "restore_best": True}
        self._trainers = [
            Trainer(net, seed=seed, **settings | options)
            for net, seed in zip(self.networks_, seeds, strict=True)
        ]
        self._data: dict[str, Any] = {
            "x": x[rows], "y": targets[rows], "epochs": self.epochs_,
            "validation": (x[held], targets[held]) if len(held) else None,
            "sample_weight": None if sample_weight is None else sample_weight[rows],
            "max_seconds": self.max_time,
        }  # fmt: skip
        return self._trainers

    def train(self) -> None:
        """Train what `prepare` made; the networks of an ensemble side by side, a thread each."""
        stop, callbacks, data = threading.Event(), list(self.callbacks or ()), self._data
        watch = SimpleNamespace(on_chunk_end=lambda trainer, history: stop.is_set())
        try:
            if len(self._trainers) == 1:
                self._trainers[0].fit(**data, callbacks=callbacks)
                return
            workers = threads_of(self.n_jobs) or available_threads()
            with ThreadPoolExecutor(workers) as pool:
                jobs = [  # the user's callbacks follow the first
                    pool.submit(trainer.fit, **data, callbacks=[watch, *(() if i else callbacks)])
                    for i, trainer in enumerate(self._trainers)
                ]
                try:
                    for job in jobs:
                        job.result()
                except BaseException:  # Ctrl-C reaches this thread alone
                    stop.set()
                    pool.shutdown(cancel_futures=True)
                    raise
        finally:
            self.histories_ = [trainer.history for trainer in self._trainers]
            self.n_iter_ = self._trainers[0].finished_epochs
            del self._trainers, self._data

    # Each of the two has these beside; `_target_from_dict` undoes `_target_to_dict`.

    def _take_targets(self, y: Any) -> tuple[NDArray[Any], NDArray[Any], str, int]:
        """Return targets, groups to hold out of, the network's output and number of outputs."""
        raise NotImplementedError

    def _predictions(self, outputs: NDArray[np.float64]) -> NDArray[Any]:
        """Return what the means of the networks' outputs, (n, outputs), say."""
        raise NotImplementedError

    def _scaled(self, targets: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return the targets as the network gets them, the scale taken of some rows."""
        return targets

    def _use_encoder(self, encoder: TableEncoder) -> None:
        self.encoder_ = encoder
        self.n_features_in_ = encoder.n_features_in_
        self.__dict__.pop("feature_names_in_", None)
        if hasattr(encoder, "feature_names_in_"):
            self.feature_names_in_ = encoder.feature_names_in_

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each row, or a number in the target's unit, (n,).

        Parameters
        ----------
        X : as for `fit`; columns with names may come in any order, and with others beside them
        """
        return self._predictions(self._outputs(X))

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        """Return the mean of the networks' outputs, (n, outputs)."""
        check_is_fitted(self)
        x = self.encoder_.transform(X)
        outputs = [net.predict_proba(x).astype(np.float64) for net in self.networks_]
        mean: NDArray[np.float64] = np.mean(outputs, axis=0)
        return mean

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write encoder, networks and targets to a safetensors file, whole or not at all.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        check_is_fitted(self)
        tensors: dict[str, Any] = {}
        for i, net in enumerate(self.networks_):
            tensors |= net.named(net.buffer, f"network_{i}_")
        description = {
            "table": VERSION,
            "encoder": self.encoder_.to_dict(),
            "target": {"name": getattr(self, "target_name_", None)} | self._target_to_dict(),
            "networks": [net.description() for net in self.networks_],
        }
        write_tensors(path, tensors, description)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save`, or `fastmlp train`, wrote; no code in the file is run.

        Raises
        ------
        DataError
            The file is missing, damaged, or not a model of this kind.
        """
        tensors, description = read_tensors(path)
        name, version = os.fspath(path), description.get("table")
        if "table" not in description:
            raise DataError(f"{name}: expected a model of a table, got a network: use Network.load")
        if version != VERSION:
            raise DataError(f"{name}: expected a table model of version {VERSION}, got {version!r}")
        try:
            target = description["target"]
            model = TableClassifier() if "classes" in target else TableRegressor()
            model._use_encoder(TableEncoder.from_dict(description["encoder"]))
            output, outputs = model._target_from_dict(target)
            model.networks_ = [
                Network.from_tensors(one, tensors, f"network_{i}_")
                for i, one in enumerate(description["networks"])
            ]
            features = len(model.encoder_.get_feature_names_out())
            shapes = {(net.sizes[0], net.sizes[-1], net.output) for net in model.networks_}
            if shapes != {(features, outputs, output)}:
                raise ValueError("networks that do not fit the encoder and the target")
            if isinstance(target.get("name"), str):
                model.target_name_ = target["name"]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{name}: expected a whole table model, got {reason}") from None
        if not isinstance(model, cls):
            raise DataError(
                f"{name}: expected a {cls.__name__}, got a {type(model).__name__}: use that class"
            )
        return model


class TableClassifier(ClassifierMixin, TableModel):
    """Predicts a class from the other columns of a table.

    Words, dates, gaps and booleans are taken as they are (see `TableEncoder`); the best epoch on
    rows that are held out is kept.

    Parameters
    ----------
    hidden_layer_sizes, activation, dtype, random_state, n_jobs
        As for `MLPClassifier`.
    learning_rate_init, max_iter, batch_size : number or None
        Of AdamW, the highest of one cycle; epochs; rows an update. None decides by the number of
        rows: 3e-3 for classes and 1e-2 for numbers, 20 to 60, 16 to 256.
    weight_decay : float
        Decoupled, as in AdamW.
    validation_fraction : float
        Share of the rows held out, class by class; with fewer than 50 rows none are.
    n_iter_no_change : int
        Epochs without a better loss on these rows after which the training ends.
    ensemble : int
        Networks, trained side by side, whose outputs are averaged.
    categorical, numerical, dates, drop, max_categories, bins
        As for `TableEncoder`.
    max_time : float or None
        Seconds of training, for each network.
    callbacks : iterable of objects or None
        As for `Trainer.fit`, of the first network.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    encoder_ : TableEncoder
    networks_ : list of Network
    histories_ : list of History
    n_iter_ : int
        Epochs of the first network.
    held_out_rows_ : ndarray of int

    Examples
    --------
    >>> rows = [["red", 3.0], ["blue", 1.0], ["red", 4.0], ["blue", None]] * 5
    >>> model = TableClassifier(random_state=0).fit(rows, ["stop", "go", "stop", "go"] * 5)
    >>> model.predict([["blue", 2.0], ["red", 3.5]]).tolist()
    ['go', 'stop']
    """

    _learning_rate = 3e-3

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class, (n, n_classes), of an X as for `predict`."""
        return self._outputs(X)

    def _predictions(self, outputs: NDArray[np.float64]) -> NDArray[Any]:
        classes: NDArray[Any] = self.classes_[outputs.argmax(axis=1)]
        return classes

    def _take_targets(self, y: Any) -> tuple[NDArray[Any], NDArray[Any], str, int]:
        y = column_or_1d(y, warn=True)
        check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=self)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise invalid("y", "at least 2 classes", f"1 class: {self.classes_[0]}")
        labels = labels.astype(np.int64)
        return labels, labels, "softmax", len(self.classes_)

    def _target_to_dict(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist()}

    def _target_from_dict(self, target: dict[str, Any]) -> tuple[str, int]:
        classes = self.classes_ = np.array(target["classes"])
        if classes.ndim != 1 or classes.dtype.kind not in "Ubif" or len(classes) < 2:
            raise ValueError("classes that are none")
        return "softmax", len(classes)


class TableRegressor(RegressorMixin, TableModel):
    """Predicts a number from the other columns of a table.

    The target is standardised for the training, and predictions are in its own unit. Parameters are
    those of `TableClassifier`.

    Attributes
    ----------
    mean_, scale_ : float
        Of the targets that were trained on.
    encoder_, networks_, histories_, held_out_rows_ : as of `TableClassifier`

    Examples
    --------
    >>> rows = [[i, ["low", "high"][i % 2]] for i in range(40)]
    >>> prices = [1000.0 + 10 * i + 500 * (i % 2) for i in range(40)]
    >>> model = TableRegressor(numerical=[0], random_state=0).fit(rows, prices)
    >>> model.score(rows, prices) > 0.9
    True
    """

    _learning_rate = 1e-2

    def _predictions(self, outputs: NDArray[np.float64]) -> NDArray[Any]:
        return outputs[:, 0] * self.scale_ + self.mean_

    def _take_targets(self, y: Any) -> tuple[NDArray[Any], NDArray[Any], str, int]:
        check_numeric("y", y)
        y = column_or_1d(y, warn=True)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self)
        return y, np.zeros(len(y)), "identity", 1

    def _scaled(self, targets: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
        with np.errstate(over="ignore"):
            known = targets[rows]
            self.mean_, self.scale_ = float(known.mean()), float(known.std()) or 1.0
        if not np.isfinite([self.mean_, self.scale_]).all():
            raise invalid("y", "numbers whose squares can be added up", "greater ones")
        return (targets - self.mean_) / self.scale_

    def _target_to_dict(self) -> dict[str, Any]:
        return {"mean": self.mean_, "scale": self.scale_}

    def _target_from_dict(self, target: dict[str, Any]) -> tuple[str, int]:
        self.mean_, self.scale_ = float(target["mean"]), float(target["scale"])
        if not (np.isfinite([self.mean_, self.scale_]).all() and self.scale_ > 0):
            raise ValueError("a mean or scale that is none")
        return "identity", 1
