"""What MLPClassifier and MLPRegressor share: parameters, fitting, prediction and pickling."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import _check_sample_weight, validate_data

from fastmlp.errors import invalid
from fastmlp.estimators.arguments import (
    CONSTRAINTS,
    hidden_codes,
    hidden_sizes,
    threads_of,
)
from fastmlp.estimators.fitted import FittedMLP
from fastmlp.estimators.lbfgs import fit_lbfgs
from fastmlp.estimators.observers import CallbackSupportMixin, Observers, tear_down
from fastmlp.estimators.optimizer import SolverState
from fastmlp.estimators.stochastic import StochasticFit, TrainingData, check_finite
from fastmlp.estimators.validation import HeldOut
from fastmlp.parameters import Parameters
from fastmlp.targets import Targets
from fastmlp.validation import as_samples, check_integer, check_readable

__all__ = ["BaseMLP"]

_NO_WEIGHT = np.zeros(0)


def _copy_parameters(source: Parameters, target: Parameters) -> None:
    """Copy weights and biases between networks of one shape; they may differ in dtype."""
    pairs = zip([*source.weights, *source.biases], [*target.weights, *target.biases], strict=True)
    for mine, its in pairs:
        its[:] = mine


class BaseMLP(CallbackSupportMixin, FittedMLP):
    """Base of the estimators; use `MLPClassifier` or `MLPRegressor`."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS
    _numeric_targets = False

    # What the two estimators differ in.

    def _validate_targets(self, y: Any, incremental: bool) -> Any:
        """Return checked y, after setting what is fitted from it."""
        raise NotImplementedError

    def _validate_held_out(self, y: Any) -> Any:
        """Return checked y of validation data."""
        raise NotImplementedError

    def _encode(self, y: Any, outputs: int, dtype: np.dtype[Any]) -> Targets:
        """Return targets for the kernels."""
        raise NotImplementedError

    def _output_units(self, y: Any) -> tuple[int, str]:
        """Return the number of outputs, and their activation."""
        raise NotImplementedError

    def _loss_code(self) -> int:
        """Return the code by which the kernels know the loss."""
        raise NotImplementedError

    def _loss_constants(self) -> NDArray[np.float64] | None:
        """Return the loss's constants, one an output."""
        return None

    def _stratified(self, y: Any) -> Any:
        """Return what the validation split is stratified by."""
        return None

    def _weighted_by_class(self, y: Any, sample_weight: Any, incremental: bool) -> Any:
        """Return the sample weights with class weights in them."""
        return sample_weight

    def _weighted_as_before(self, y: Any, sample_weight: Any) -> Any:
        """Return weights of validation data with the training's class weights in them."""
        return sample_weight

    def _score_outputs(self, outputs: Any, y: Any, sample_weight: Any) -> float:
        """Return the score that early stopping watches by default."""
        raise NotImplementedError

    # Fitting.

    def _fit(
        self, X: Any, y: Any, sample_weight: Any = None, validation: Any = (None, None, None),
        incremental: bool = False,
    ) -> None:  # fmt: skip
        epochs = 1 if incremental else self.max_iter
        training = self._begin(X, y, sample_weight, validation, incremental, epochs)
        if training is not None:
            for _ in training.train(epochs):
                pass
            if not (incremental or training.ended) and self.n_iter_ == self.max_iter:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                    "optimization hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=3,
                )

    def fit_epochs(
        self, X: Any, y: Any, n: int | None = None, sample_weight: Any = None, *,
        X_val: Any = None, y_val: Any = None, sample_weight_val: Any = None,
    ) -> Iterator[Any]:  # fmt: skip
        """Train as `fit` does, but return to the caller after each epoch.

        Parameters
        ----------
        X, y, sample_weight, X_val, y_val, sample_weight_val : as for `fit`
        n : int or None
            Epochs at most; None is max_iter.

        Yields
        ------
        self
            Fitted so far. Best weights are restored at the end, also when the loop is left.

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> model = MLPRegressor(random_state=0)
        >>> for now in model.fit_epochs([[0.0], [1.0]], [1.0, 2.0], 100):
        ...     if now.loss_ < 0.5:
        ...         break
        >>> model.n_iter_ < 100
        True
        """
        self._validate_params()
        if self.solver == "lbfgs":
            raise invalid("solver", "'sgd' or 'adam' for fit_epochs", "'lbfgs'")
        epochs = self.max_iter if n is None else check_integer("n", n, 1)
        validation = (X_val, y_val, sample_weight_val)
        training = self._begin(X, y, sample_weight, validation, False, epochs)
        assert training is not None

        def run() -> Iterator[Any]:
            try:
                for _ in training.train(1):
                    yield self
            finally:
                tear_down(self)

        return run()

    def _begin(
        self, X: Any, y: Any, sample_weight: Any, validation: Any, incremental: bool, epochs: int,
    ) -> StochasticFit | None:  # fmt: skip
        """Check the data, make what is to be trained; with lbfgs, train it and return None."""
        sizes = hidden_sizes(self.hidden_layer_sizes)
        hidden_codes(self.activation, len(sizes))
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X, y = self._checked_samples(X, reset=first, y=y)
        y = self._validate_targets(y, incremental)
        weight = sample_weight
        if weight is not None:
            check_readable("sample_weight", weight)
            weight = _check_sample_weight(weight, X, dtype=np.float64, ensure_non_negative=True)
        weight = self._weighted_by_class(y, weight, incremental)
        if weight is not None and not weight.any():
            raise invalid("sample_weight", "some above 0, with class weights in them", "all 0")
        random = check_random_state(self.random_state)
        outputs, out_activation = self._output_units(y)
        self.n_outputs_ = outputs
        dtype = np.dtype(self.dtype or (X.dtype if X.dtype == np.float32 else np.float64))
        if first:
            units = [X.shape[1], *sizes, outputs]
            self._initialise(units, out_activation, dtype, random)
        else:
            self._adopt()
            if self._network.sizes[-1] != outputs:
                raise invalid("y", f"{self._network.sizes[-1]} outputs, as fitted", outputs)
        rows, held_out = self._held_out(X, y, weight, validation, random)
        network = self._network
        data = TrainingData(
            as_samples(X, network.sizes[0], "X", finite=False),
            self._encode(y, outputs, network.dtype),
            _NO_WEIGHT if weight is None else weight,
            rows,
        )
        threads = threads_of(self.n_jobs)
        observers = Observers(self, X, y, epochs, incremental)
        curve = None if first else getattr(self, "validation_loss_curve_", None)
        if curve is None and held_out is not None:
            curve = [] if first else [math.nan] * len(getattr(self, "loss_curve_", ()))
        self.validation_loss_curve_: list[float] | None = curve
        if self.solver == "lbfgs":
            self._fit_lbfgs(data, held_out, threads, observers)
            return None
        state = self._solver_state(incremental)
        return StochasticFit(
            self, network, state, data, held_out, self._batch(len(rows)), epochs,
            0 if incremental else state.batches, random, threads, observers,
        )  # fmt: skip

    def _checked_samples(self, X: Any, reset: bool, **y: Any) -> Any:
        dtypes: list[Any] = [np.float64, np.float32]
        if self.dtype is not None:  # then bytes need no conversion: the kernels read them
            dtypes.append(np.uint8)
        for name, value in {"X": X, **y}.items():
            check_readable(name, value)
        if y:
            y |= {"multi_output": True, "y_numeric": self._numeric_targets}
        return validate_data(self, X, **y, accept_sparse=["csr", "csc"], dtype=dtypes, reset=reset)

    def _initialize(self, n_features: int, outputs: int, out_activation: str) -> None:
        """Make a network without data; forget what was fitted."""
        self._validate_params()
        for name in ("feature_names_in_", "loss_", "_class_totals"):
            self.__dict__.pop(name, None)
        self.validation_loss_curve_ = None
        self.n_features_in_ = check_integer("n_features", n_features, 1)
        self.n_outputs_ = outputs
        units = [self.n_features_in_, *hidden_sizes(self.hidden_layer_sizes), outputs]
        random = check_random_state(self.random_state)
        self._initialise(units, out_activation, np.dtype(self.dtype or np.float64), random)

    def _initialise(
        self, units: list[int], out_activation: str, dtype: np.dtype[Any],
        random: np.random.RandomState,
    ) -> None:  # fmt: skip
        """Make a network with random parameters, drawn as scikit-learn draws them."""
        self.out_activation_ = out_activation
        self.n_layers_ = len(units)
        self.n_iter_ = self.t_ = 0
        network = Parameters(units, self._codes(len(units) - 2), dtype, 1.0)
        names = self._hidden_names(len(units) - 2)
        for layer, (n_in, n_out) in enumerate(pairwise(units)):
            # The output layer takes its bound from the activation before it.
            name = names[min(layer, len(names) - 1)] if names else self._first_name()
            bound = math.sqrt((2.0 if name == "logistic" else 6.0) / (n_in + n_out))
            network.weights[layer][:] = random.uniform(-bound, bound, (n_in, n_out))
            network.biases[layer][:] = random.uniform(-bound, bound, n_out)
        self._use(network)
        self.__dict__.pop("_optimizer", None)
        if self.solver != "lbfgs":
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            early = self.early_stopping
            self.validation_scores_: list[float] | None = [] if early else None
            self.best_validation_score_ = -math.inf if early else None
            self.best_loss_ = None if early else math.inf

    def _adopt(self) -> None:
        """Make the network of `coefs_` the fitted one, before it is trained further."""
        network = self._current()
        if network is not self.__dict__.get("_network"):
            self._use(network)
        if self.solver != "lbfgs" and not hasattr(self, "loss_curve_"):
            self.loss_curve_, self._no_improvement_count = [], 0
        if self.solver == "lbfgs":
            return
        if self.early_stopping and getattr(self, "validation_scores_", None) is None:
            self.validation_scores_, self.best_validation_score_ = [], -math.inf
        if not self.early_stopping and getattr(self, "best_loss_", None) is None:
            self.best_loss_ = math.inf

    def _solver_state(self, incremental: bool) -> SolverState:
        """Return the optimizer's state: the old one where the training goes on, else a new one."""
        state: SolverState | None = self.__dict__.get("_optimizer")
        goes_on = incremental or (self.warm_start and not self.reset_optimizer)
        if state is None or not goes_on or not state.fits(self, self._network):
            state = SolverState(self, self._network)
            self._optimizer = state
        state.follow(self)
        return state

    def _batch(self, n: int) -> int:
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                "clipped",
                stacklevel=4,
            )
        return min(int(self.batch_size), n)

    def _held_out(
        self, X: Any, y: Any, weight: Any, validation: Any, random: np.random.RandomState
    ) -> tuple[NDArray[np.int64], HeldOut | None]:
        """Return the rows for training, and the validation data that were given or split off."""
        X_val, y_val, weight_val = validation
        if (X_val is None) != (y_val is None):
            given, missing = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
            raise ValueError(f"{given} is provided, but {missing} was not provided.")
        if X_val is None and weight_val is not None:
            raise ValueError("sample_weight_val is provided, but X_val was not provided.")
        rows = np.arange(y.shape[0])
        network = self._network
        if X_val is not None:
            check_readable("X_val", X_val)
            X_val = self._checked_samples(X_val, reset=False)
            if weight_val is not None:
                check_readable("sample_weight_val", weight_val)
                weight_val = _check_sample_weight(
                    weight_val, X_val, dtype=np.float64, ensure_non_negative=True
                )
            check_readable("y_val", y_val)
            y_val = self._validate_held_out(y_val)
            check_consistent_length(X_val, y_val)
            outputs, _ = self._output_units(y_val)
            if outputs != self.n_outputs_:
                raise invalid("y_val", f"{self.n_outputs_} outputs, as y has", outputs)
            weight_val = self._weighted_as_before(y_val, weight_val)
            if weight_val is not None and not weight_val.any():
                expected = "some above 0, with class weights in them"
                raise invalid("sample_weight_val", expected, "all 0")
        elif self.early_stopping and self.solver != "lbfgs":
            rows, held = train_test_split(
                rows, random_state=random, test_size=self.validation_fraction,
                stratify=self._stratified(y),
            )  # fmt: skip
            if len(held) < 2:
                raise ValueError(
                    "The validation set is too small. Increase 'validation_fraction' or the size "
                    "of your dataset."
                )
            X_val, y_val = X[held], y[held]
            weight_val = None if weight is None else weight[held]
            if weight is not None and not (weight[rows].any() and weight[held].any()):
                expected = "some above 0 for training and for validation"
                raise invalid("sample_weight", expected, "all 0 in one of them, as they were split")
        else:
            return rows, None
        return rows, HeldOut(
            X_val, y_val, as_samples(X_val, network.sizes[0], "X_val", finite=False),
            self._encode(y_val, self.n_outputs_, network.dtype),
            _NO_WEIGHT if weight_val is None else weight_val,
        )  # fmt: skip

    def _fit_lbfgs(
        self, data: TrainingData, held_out: HeldOut | None, threads: int | None,
        observers: Observers,
    ) -> None:  # fmt: skip
        for name in ("dropout", "weight_decay"):
            if getattr(self, name):
                raise invalid(name, "0 with solver='lbfgs'", getattr(self, name))
        # In float64 whatever the data: a line search needs the digits.
        network = self._network
        codes = self._codes(len(network.sizes) - 2)
        wide = Parameters(network.sizes, codes, np.dtype(np.float64), 1.0)
        _copy_parameters(network, wide)
        curve, least, best = self.validation_loss_curve_, math.inf, None

        def after(iteration: int, loss: float, seconds: float) -> bool:
            nonlocal least, best
            held_out_loss = math.nan
            if held_out is not None:
                held_out_loss = held_out.measure(
                    wide, self._loss_code(), self._loss_constants(), threads
                )
                if self.restore_best_weights and held_out_loss < least:
                    least, best = held_out_loss, wide.buffer.copy()
            if curve is not None:
                curve.append(held_out_loss)
            if not observers.active:
                return False
            _copy_parameters(wide, network)
            return observers.epoch_ended(
                epoch=iteration, steps=iteration, seconds=seconds, loss=loss,
                validation_loss=held_out_loss,
            )  # fmt: skip

        if network.dtype != wide.dtype:
            targets = data.targets
            values = targets.values.astype(np.float64)
            data = data._replace(targets=targets._replace(values=values))
        observers.begin()
        fit_lbfgs(self, wide, data, after, threads)
        if best is not None:
            wide.buffer[:] = best
        _copy_parameters(wide, network)
        observers.end()
        check_finite(network)
