"""MLPRegressor: scikit-learn's, trained by compiled kernels."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions

from fastmlp.errors import invalid
from fastmlp.estimators.arguments import check_numeric
from fastmlp.estimators.base import BaseMLP
from fastmlp.estimators.documentation import documented
from fastmlp.estimators.observers import with_callbacks
from fastmlp.estimators.partial import offered
from fastmlp.kernels import losses
from fastmlp.targets import Targets
from fastmlp.validation import check_integer

__all__ = ["MLPRegressor"]

_LOSSES = {
    "squared_error": losses.HALF_SQUARED_ERROR,
    "poisson": losses.POISSON,
    "absolute_error": losses.ABSOLUTE_ERROR,
    "huber": losses.HUBER,
    "quantile": losses.QUANTILE,
}
_NO_LABELS = np.zeros(0, np.int64)


@documented
class MLPRegressor(RegressorMixin, BaseMLP):
    """Multilayer perceptron for numbers: scikit-learn's MLPRegressor, several times as fast.

    The same parameters, attributes and, in float64, the same numbers: with the same random_state,
    losses, weights and predictions follow scikit-learn's to rounding.

    Parameters
    ----------
    loss : str, default='squared_error'
        'squared_error' (half of it, the mean over outputs) or 'poisson' (half the deviance, y >= 0,
        outputs are exponentials), as in scikit-learn; here also 'absolute_error', 'huber' and
        'quantile', sums over outputs.
    {parameters}
    {more_parameters}
    quantile : float in (0, 1) or sequence of float, default=0.5
        Of loss='quantile'. Several give one output each, for each target the quantiles in turn.
    huber_delta : float, default=1.0
        Of loss='huber': errors beyond it count linearly.

    Attributes
    ----------
    {attributes}

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp import MLPRegressor
    >>> X = np.linspace(0, 1, 200)[:, None]
    >>> y = np.sin(6 * X[:, 0])
    >>> model = MLPRegressor(solver="lbfgs", max_iter=500, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.99
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(set(_LOSSES))],
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
    }
    _numeric_targets = True

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        scoring: Any = None,
        restore_best_weights: bool | None = None,
        reset_optimizer: bool = True,
        dropout: float = 0.0,
        weight_decay: float = 0.0,
        max_time: float | None = None,
        dtype: Any = None,
        n_jobs: int | None = None,
        callbacks: Any = None,
        quantile: Any = 0.5,
        huber_delta: float = 1.0,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.scoring = scoring
        self.restore_best_weights = restore_best_weights
        self.reset_optimizer = reset_optimizer
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.max_time = max_time
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.callbacks = callbacks
        self.quantile = quantile
        self.huber_delta = huber_delta

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPRegressor:  # fmt: skip
        """Train from new parameters, or with warm_start from those there are.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)
            float32 and float64 are read in place.
        y : array-like of shape (n,) or (n, n_outputs)
            Numbers.
        sample_weight : array-like of shape (n,) or None
            Not negative. A batch's loss is divided by the sum of its weights.
        X_val, y_val, sample_weight_val : as X, y and sample_weight, or None
            Held-out data, of which `validation_loss_curve_` is made and which early stopping scores
            instead of a share of X. Not in scikit-learn; the names are those of its histogram
            gradient boosting.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Parameters or data cannot be used, or a loss was not finite (DivergenceError) and no
            best weights are to be restored.

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> model = MLPRegressor(activation="identity", solver="lbfgs", random_state=0)
        >>> model = model.fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 7.0])
        >>> model.predict([[4.0]]).round(2).tolist()
        [9.0]
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @offered
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train for one epoch on a batch of data.

        Not offered with lbfgs, nor with early_stopping, where scikit-learn's raises: `fit_epochs`
        trains an epoch at a time with it. A schedule over max_iter epochs has ended after as many
        calls: its learning rate is then the last one.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`

        Returns
        -------
        self

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> MLPRegressor(random_state=0).partial_fit([[0.0], [1.0]], [1.0, 2.0]).t_
        2
        """
        self._fit(X, y, sample_weight, incremental=True)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the outputs, (n,) or (n, n_outputs).

        A row does not depend on the rows beside it, to the last bit.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> model = MLPRegressor(activation="identity", solver="lbfgs", random_state=0)
        >>> model = model.fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 7.0])
        >>> model.predict([[1.0], [2.0]]).round(2).tolist()
        [3.0, 5.0]
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def score(self, X: Any, y: ArrayLike, sample_weight: Any = None) -> float:
        """Return R², or for several quantiles their mean D² (the share of pinball loss explained).

        Parameters
        ----------
        X, y, sample_weight : as for `fit`

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> model = MLPRegressor(activation="identity", solver="lbfgs", random_state=0)
        >>> model = model.fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 7.0])
        >>> model.score([[4.0], [5.0]], [9.0, 11.0]) > 0.99
        True
        """
        targets = np.asarray(y)
        return self._score_outputs(self._outputs(X), targets, sample_weight)

    def initialize(self, n_features: int, n_outputs: int = 1) -> MLPRegressor:
        """Make the network with its first random parameters, as `fit` would, without training it.

        `coefs_` and `intercepts_` may then be changed; `partial_fit`, and `fit` with warm_start,
        go on from there.

        Parameters
        ----------
        n_features : int
        n_outputs : int
            Targets a sample.

        Returns
        -------
        self

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> model = MLPRegressor(hidden_layer_sizes=(8,), random_state=0).initialize(4)
        >>> [coef.shape for coef in model.coefs_]
        [(4, 8), (8, 1)]
        """
        targets = check_integer("n_outputs", n_outputs, 1)
        self._initialize(n_features, *self._output_units(np.zeros((1, targets))))
        return self

    # What `BaseMLP` asks for.

    def _checked_samples(self, X: Any, reset: bool, **y: Any) -> Any:
        for value in y.values():
            check_numeric("y", value)
        return super()._checked_samples(X, reset, **y)

    def _validate_targets(self, y: Any, incremental: bool) -> Any:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and (y < 0).any():
            raise invalid("y", "no negative numbers with loss='poisson'", f"{y.min()}")
        return y

    def _validate_held_out(self, y: Any) -> Any:
        check_numeric("y_val", y)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y_val")
        return self._validate_targets(y, True)

    def _quantiles(self) -> NDArray[np.float64]:
        """Return the quantiles that are asked for; empty for other losses."""
        if self.loss != "quantile":
            return np.zeros(0)
        quantiles = np.atleast_1d(np.asarray(self.quantile, np.float64))
        if quantiles.ndim != 1 or not ((quantiles > 0) & (quantiles < 1)).all():
            raise invalid("quantile", "numbers between 0 and 1", self.quantile)
        return quantiles

    def _output_units(self, y: Any) -> tuple[int, str]:
        targets = 1 if y.ndim == 1 else y.shape[1]
        outputs = targets * max(1, len(self._quantiles()))
        return outputs, "exp" if self.loss == "poisson" else "identity"

    def _loss_code(self) -> int:
        return _LOSSES[self.loss]

    def _loss_constants(self) -> NDArray[np.float64] | None:
        if self.loss == "huber":
            return np.full(self.n_outputs_, float(self.huber_delta))
        quantiles = self._quantiles()
        return np.resize(quantiles, self.n_outputs_) if len(quantiles) else None

    def _encode(self, y: Any, outputs: int, dtype: np.dtype[Any]) -> Targets:
        columns = y.reshape(len(y), -1)
        values = np.repeat(columns, outputs // columns.shape[1], axis=1)
        return Targets(_NO_LABELS, np.array(values, dtype, order="C"), False)

    def _score_outputs(self, outputs: Any, y: Any, sample_weight: Any) -> float:
        quantiles = self._quantiles()
        if len(quantiles) < 2:
            return float(r2_score(y, outputs, sample_weight=sample_weight))
        y = np.asarray(y)
        scores = [
            d2_pinball_score(
                y, outputs[:, i :: len(quantiles)], alpha=q, sample_weight=sample_weight
            )
            for i, q in enumerate(quantiles)
        ]
        return float(np.mean(scores))

    def __sklearn_tags__(self) -> Any:
        """Return the tags: several targets are allowed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
