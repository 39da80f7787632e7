"""TableClassifier and TableRegressor: from a table as it is to a trained network, and back.

Encoder, networks and the scale of the targets are one estimator of scikit-learn's. What it takes
where it is not told is for tables: one cycle of AdamW, and the best epoch on rows held out.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, NamedTuple, Self

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
from fastmlp.tables.encoder import TableEncoder
from fastmlp.tables.files import load_table_model, save_table_model
from fastmlp.threads import available_threads
from fastmlp.training import Trainer
from fastmlp.validation import check_integer, check_number

__all__ = ["TableClassifier", "TableModel", "TableRegressor"]

_FEWEST_TO_HOLD_OUT = 50  # rows; with fewer all are trained on, for all epochs
_BETA_2 = 0.95  # of AdamW; Holzmueller et al. 2024
_ENCODER = ("categorical", "numerical", "dates", "drop", "max_categories", "bins")


class Recipe(NamedTuple):
    """What a training on a table takes where it is not told."""

    epochs: int
    batch_size: int
    learning_rate: float

    @classmethod
    def of(cls, rows: int, classes: bool) -> Recipe:
        """Return the recipe for a number of rows.

        On twenty tables of 1,500 to 40,000 rows more epochs than these gained less than the seeds
        differed by; numbers wanted a larger learning rate than classes.

        Examples
        --------
        >>> Recipe.of(40_000, classes=False)
        Recipe(epochs=20, batch_size=256, learning_rate=0.01)
        >>> Recipe.of(500, classes=True)
        Recipe(epochs=60, batch_size=32, learning_rate=0.003)
        """
        epochs = min(max(800_000 // max(rows, 1), 20), 60)
        batch_size = 1 << min(max((rows // 16).bit_length(), 4), 8)
        return cls(epochs, batch_size, 3e-3 if classes else 1e-2)


class TableModel(BaseEstimator):
    """What the two share; use `TableClassifier` or `TableRegressor`."""

    _classifies: ClassVar[bool]

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
        self.hidden_layer_sizes, self.activation = hidden_layer_sizes, activation
        self.learning_rate_init, self.max_iter = learning_rate_init, max_iter
        self.batch_size, self.weight_decay = batch_size, weight_decay
        self.validation_fraction = validation_fraction
        self.n_iter_no_change, self.ensemble = n_iter_no_change, ensemble
        self.categorical, self.numerical, self.dates = categorical, numerical, dates
        self.drop, self.max_categories, self.bins = drop, max_categories, bins
        self.dtype, self.max_time, self.random_state = dtype, max_time, random_state
        self.n_jobs, self.callbacks = n_jobs, callbacks

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the encoder, and train the network, or the networks, on its features.

        Parameters
        ----------
        X : frame of pandas or polars, pyarrow table, or array-like of shape (n, columns)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,) or None

        Returns
        -------
        self

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
        self, X: Any, y: Any, sample_weight: Any = None,
        init: Any = "he", **options: Any,
    ) -> list[Trainer]:  # fmt: skip
        """Do what `fit` does before the first step, and return the trainers; `train` does the rest.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`
        init : as for `Network`
        **options : as for `Trainer`, in place of what this class gives it
        """
        sizes = hidden_sizes(self.hidden_layer_sizes)
        members = check_integer("ensemble", self.ensemble, 1)
        if options.get("checkpoint") is not None and members > 1:
            raise invalid("ensemble", "1 with a checkpoint", members)
        share = check_number("validation_fraction", self.validation_fraction, below=0.5)
        encoder = TableEncoder(**{name: getattr(self, name) for name in _ENCODER})
        x = encoder.fit_transform(X)
        targets, output, outputs = self._take_targets(y)
        check_consistent_length(x, targets)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, x, dtype=np.float64, ensure_non_negative=True
            )
        self._use_encoder(encoder)
        random = check_random_state(self.random_state)
        n = x.shape[0]
        rows, held = np.arange(n), np.arange(0)
        if share and n >= _FEWEST_TO_HOLD_OUT:
            groups = targets if self._classifies else np.zeros(n)
            rows, held = hold_out(groups, seed=int(random.randint(2**31)), share=share)
        self.held_out_rows_ = held
        if not self._classifies:
            self._scale(targets[rows])
            targets = (targets - self.mean_) / self.scale_
        seeds = [int(seed) for seed in random.randint(2**31, size=members)]
        units = [x.shape[1], *sizes, outputs]
        self.networks_ = [
            Network(units, self.activation, output, init, seed, self.dtype) for seed in seeds
        ]
        recipe = Recipe.of(len(rows), self._classifies)
        self.epochs_ = recipe.epochs if self.max_iter is None else self.max_iter
        rate = recipe.learning_rate if self.learning_rate_init is None else self.learning_rate_init
        settings: dict[str, Any] = {
            "optimizer": AdamW(rate, beta_2=_BETA_2, weight_decay=self.weight_decay),
            "batch_size": recipe.batch_size if self.batch_size is None else self.batch_size,
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
        stop, callbacks = _Stop(), list(self.callbacks or ())
        data = self._data
        try:
            if len(self._trainers) == 1:
                self._trainers[0].fit(**data, callbacks=callbacks)
                return
            workers = threads_of(self.n_jobs) or available_threads()
            with ThreadPoolExecutor(workers) as pool:
                jobs = [  # the user's callbacks follow the first
                    pool.submit(trainer.fit, **data, callbacks=[stop, *(() if i else callbacks)])
                    for i, trainer in enumerate(self._trainers)
                ]
                try:
                    for job in jobs:
                        job.result()
                except BaseException:  # Ctrl-C reaches this thread alone
                    stop.asked.set()
                    pool.shutdown(cancel_futures=True)
                    raise
        finally:
            self.histories_ = [trainer.history for trainer in self._trainers]
            self.n_iter_ = self._trainers[0].finished_epochs
            del self._trainers, self._data

    def _take_targets(self, y: Any) -> tuple[NDArray[Any], str, int]:
        """Return targets for the network, its output activation and number of outputs."""
        raise NotImplementedError

    def _scale(self, targets: NDArray[np.float64]) -> None:
        """Take mean and spread of the targets."""

    def _use_encoder(self, encoder: TableEncoder) -> None:
        self.encoder_ = encoder
        self.n_features_in_ = encoder.n_features_in_
        self.__dict__.pop("feature_names_in_", None)
        if hasattr(encoder, "feature_names_in_"):
            self.feature_names_in_ = encoder.feature_names_in_

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
        save_table_model(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save`, or `fastmlp train`, wrote; no code in the file is run.

        Raises
        ------
        DataError
            The file is missing, damaged, or not a model of this kind.
        """
        model = load_table_model(path)
        if not isinstance(model, cls):
            expected = f"{os.fspath(path)}: expected a {cls.__name__}"
            raise DataError(f"{expected}, got a {type(model).__name__}: use that class")
        return model

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks of an estimator: words and gaps are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


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

    _classifies = True

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each row, (n,).

        Parameters
        ----------
        X : as for `fit`; columns with names may come in any order, and with others beside them
        """
        labels = self._outputs(X).argmax(axis=1)
        classes: NDArray[Any] = self.classes_[labels]
        return classes

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class, (n, n_classes).

        Parameters
        ----------
        X : as for `predict`
        """
        return self._outputs(X)

    def _take_targets(self, y: Any) -> tuple[NDArray[Any], str, int]:
        y = column_or_1d(y, warn=True)
        check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=self)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise invalid("y", "at least 2 classes", f"1 class: {self.classes_[0]}")
        return labels.astype(np.int64), "softmax", len(self.classes_)


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

    _classifies = False

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return a number for each row, (n,).

        Parameters
        ----------
        X : as for `fit`; columns with names may come in any order, and with others beside them
        """
        outputs = self._outputs(X)[:, 0]
        return outputs * self.scale_ + self.mean_

    def _take_targets(self, y: Any) -> tuple[NDArray[Any], str, int]:
        check_numeric("y", y)
        y = column_or_1d(y, warn=True)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self)
        return y, "identity", 1

    def _scale(self, targets: NDArray[np.float64]) -> None:
        with np.errstate(over="ignore"):
            self.mean_, self.scale_ = float(targets.mean()), float(targets.std()) or 1.0
        if not np.isfinite([self.mean_, self.scale_]).all():
            raise invalid("y", "numbers whose squares can be added up", "greater ones")


class _Stop:
    """A callback that ends a training in another thread when it is asked to."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def on_chunk_end(self, trainer: Any, history: Any) -> bool:
        """Return whether to stop."""
        return self.asked.is_set()
