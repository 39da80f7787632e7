"""MLPClassifier: scikit-learn's, trained by compiled kernels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target

from fastmlp.estimators.documentation import documented
from fastmlp.estimators.labels import LabelledMLP
from fastmlp.estimators.observers import with_callbacks
from fastmlp.estimators.partial import offered

__all__ = ["MLPClassifier"]


@documented
class MLPClassifier(ClassifierMixin, LabelledMLP):
    """Multilayer perceptron for classes: scikit-learn's MLPClassifier, several times as fast.

    The same parameters, attributes and, in float64, the same numbers: with the same random_state,
    losses, weights and predictions follow scikit-learn's to rounding. Classes may be binary,
    several, or several at once (multilabel).

    Parameters
    ----------
    {parameters}
    class_weight : dict, 'balanced' or None, default=None
        Factor on the weights of each class's samples; 'balanced' is inverse to the sum of their
        sample weights, in partial_fit of all batches so far. Where a sample may have several
        classes, the factors of all are multiplied. Held-out data, and its score, are weighted as
        the training's.
    {more_parameters}

    Attributes
    ----------
    classes_ : ndarray
        The labels.
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastmlp import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier(learning_rate_init=0.01, max_iter=500, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    >>> model.predict(X[:2]).tolist(), model.predict_proba(X[:2]).shape
    ([0, 0], (2, 3))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **LabelledMLP._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
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
        class_weight: Any = None,
        scoring: Any = None,
        restore_best_weights: bool | None = None,
        reset_optimizer: bool = True,
        dropout: float = 0.0,
        weight_decay: float = 0.0,
        max_time: float | None = None,
        dtype: Any = None,
        n_jobs: int | None = None,
        callbacks: Any = None,
    ) -> None:
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
        self.class_weight = class_weight
        self.scoring = scoring
        self.restore_best_weights = restore_best_weights
        self.reset_optimizer = reset_optimizer
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.max_time = max_time
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.callbacks = callbacks

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPClassifier:  # fmt: skip
        """Train from new parameters, or with warm_start from those there are.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)
            float32 and float64 are read in place.
        y : array-like of shape (n,) or (n, n_outputs)
            Classes, of any kind; or indicators of several classes at once.
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
        >>> from fastmlp import MLPClassifier
        >>> model = MLPClassifier((5,), solver="lbfgs", random_state=0)
        >>> model = model.fit([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "b"])
        >>> model.predict([[0.0], [3.0]]).tolist()
        ['a', 'b']
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @offered
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> MLPClassifier:
        """Train for one epoch on a batch of data.

        Not offered with lbfgs, nor with early_stopping, where scikit-learn's raises: `fit_epochs`
        trains an epoch at a time with it. A schedule over max_iter epochs has ended after as many
        calls: its learning rate is then the last one.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`
        classes : array-like of shape (n_classes,) or None
            All classes that will come, in the first call; batches may lack some.

        Returns
        -------
        self

        Examples
        --------
        >>> from fastmlp import MLPClassifier
        >>> model = MLPClassifier(random_state=0)
        >>> model = model.partial_fit([[0.0], [1.0]], ["a", "b"], classes=["a", "b", "c"])
        >>> model.partial_fit([[2.0]], ["c"]).t_
        3
        """
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer()
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer.fit(y if multilabel else classes)
        self._fit(X, y, sample_weight, incremental=True)
        return self

    def predict(self, X: Any) -> Any:
        """Return the classes, (n,), or indicators, (n, n_classes), of several at once.

        A row does not depend on the rows beside it, to the last bit.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,) or (n, n_classes)
            Or a CSR matrix, if the indicators it was fitted to were sparse.

        Examples
        --------
        >>> from fastmlp import MLPClassifier
        >>> model = MLPClassifier((5,), solver="lbfgs", random_state=0)
        >>> model = model.fit([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "b"])
        >>> model.predict([[0.5]]).tolist()
        ['a']
        """
        return self._decide(self._outputs(X))

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the classes' probabilities, (n, n_classes).

        A row does not depend on the rows beside it, to the last bit.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes)

        Examples
        --------
        >>> from fastmlp import MLPClassifier
        >>> model = MLPClassifier((5,), solver="lbfgs", random_state=0)
        >>> model = model.fit([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "b"])
        >>> model.predict_proba([[0.5], [2.5]]).round(1).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        outputs = self._outputs(X)
        if outputs.shape[1] == 1:
            return np.hstack([1 - outputs, outputs])
        return outputs

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithms of `predict_proba`, (n, n_classes).

        A row does not depend on the rows beside it, to the last bit.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes)

        Examples
        --------
        >>> from fastmlp import MLPClassifier
        >>> model = MLPClassifier((5,), solver="lbfgs", random_state=0)
        >>> model = model.fit([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "b"])
        >>> model.predict_log_proba([[0.5]]).shape
        (1, 2)
        """
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            logarithms: NDArray[Any] = np.log(probabilities, out=probabilities)
        return logarithms

    def initialize(self, n_features: int, classes: Any, multilabel: bool = False) -> MLPClassifier:
        """Make the network with its first random parameters, as `fit` would, without training it.

        `coefs_` and `intercepts_` may then be changed; `partial_fit`, and `fit` with warm_start,
        go on from there.

        Parameters
        ----------
        n_features : int
        classes : array-like of shape (n_classes,)
            All labels.
        multilabel : bool
            Whether a sample may have several of them; labels are then 0, 1, ….

        Returns
        -------
        self

        Examples
        --------
        >>> from fastmlp import MLPClassifier
        >>> model = MLPClassifier((8,), random_state=0).initialize(4, ["a", "b", "c"])
        >>> [coef.shape for coef in model.coefs_]
        [(4, 8), (8, 3)]
        """
        self._label_binarizer = LabelBinarizer()
        k = len(classes)
        self._label_binarizer.fit(np.eye(k, dtype=np.int64) if multilabel else classes)
        self.classes_ = self._label_binarizer.classes_
        self._initialize(n_features, *self._output_units(np.zeros((1, k))))
        return self

    def __sklearn_tags__(self) -> Any:
        """Return the tags: several labels a sample are allowed."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
