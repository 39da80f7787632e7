"""What is fitted: the network behind `coefs_`, predictions of it, and how it is pickled."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from fastmlp.errors import invalid, invalid_type
from fastmlp.estimators.arguments import OUTPUT, hidden_codes, threads_of
from fastmlp.estimators.convert import copy_fitted, their_kind, to_sklearn
from fastmlp.estimators.optimizer import SolverState
from fastmlp.inference import run_few
from fastmlp.kernels.layout import ACTIVATION
from fastmlp.parameters import Parameters
from fastmlp.passes import forward
from fastmlp.validation import as_samples, check_readable

__all__ = ["FittedMLP"]


def _same(arrays: list[Any], others: list[Any]) -> bool:
    """Return whether the arrays are the others themselves."""
    return len(arrays) == len(others) and all(a is b for a, b in zip(arrays, others, strict=True))


def _codes_of(network: Parameters) -> list[int]:
    codes: list[int] = network.table[:, ACTIVATION].tolist()
    return codes


class FittedMLP(BaseEstimator):
    """Holds a network; its parameters are seen as `coefs_` and `intercepts_`."""

    def _hidden_names(self, layers: int) -> list[str]:
        return [self.activation] * layers if isinstance(self.activation, str) else self.activation

    def _first_name(self) -> str:
        return self.activation if isinstance(self.activation, str) else "relu"

    def _codes(self, hidden: int) -> list[int]:
        return [*hidden_codes(self.activation, hidden), OUTPUT[self.out_activation_]]

    def _use(self, network: Parameters) -> None:
        """Make a network the fitted one; `coefs_` and `intercepts_` are views of it."""
        self._network = network
        self.coefs_ = list(network.weights)
        self.intercepts_ = list(network.biases)

    def _current(self) -> Parameters:
        """Return the network of `coefs_` and `intercepts_`, which may have been replaced.

        Of arrays that are not the network's own a copy is made once, and filled each time: they
        may change.
        """
        codes = self._codes(len(self.coefs_) - 1)
        arrays = [*self.coefs_, *self.intercepts_]
        network: Parameters | None = self.__dict__.get("_network")
        own = [] if network is None else [*network.weights, *network.biases]
        if network is not None and _same(own, arrays) and _codes_of(network) == codes:
            return network
        source, network = self.__dict__.get("_copied", ([], None))
        if network is None or not _same(source, arrays) or _codes_of(network) != codes:
            coefs = [np.asarray(coef) for coef in self.coefs_]
            units = [coefs[0].shape[0], *(coef.shape[1] for coef in coefs)]
            dtype = np.dtype(np.float32 if coefs[0].dtype == np.float32 else np.float64)
            network = Parameters(units, codes, dtype, 1.0)
            self._copied = arrays, network
        for view, array in zip([*network.weights, *network.biases], arrays, strict=True):
            view[:] = array
        return network

    # Prediction.

    def _outputs(self, X: Any) -> NDArray[Any]:
        """Return the outputs of checked samples, (n, n_outputs)."""
        check_is_fitted(self)
        check_readable("X", X)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return self._run(self._current(), X)

    def _run(self, network: Parameters, X: Any) -> NDArray[Any]:
        few = run_few(network, X)
        if few is not None and few[1] < 0:
            return few[0]
        samples = as_samples(X, network.sizes[0], "X", finite=False)
        out = np.empty((samples.n, network.sizes[-1]), network.dtype)
        forward(network, samples, out=out, threads=threads_of(self.n_jobs))
        return out

    def hidden_activations(self, X: Any, layer: int = -1) -> NDArray[Any]:
        """Return what the units of a hidden layer give for samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)
        layer : int
            Of the hidden layers, from 0; -1 is the last one.

        Returns
        -------
        ndarray of shape (n, units)

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> model = MLPRegressor(hidden_layer_sizes=(4, 3), random_state=0).initialize(2)
        >>> model.hidden_activations([[0.0, 1.0]]).shape
        (1, 3)
        """
        check_is_fitted(self)
        check_readable("X", X)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        network = self._current()
        hidden = len(network.sizes) - 2
        if not -hidden <= layer < hidden:
            raise invalid("layer", f"one of {hidden} hidden layers, from 0 or -1", layer)
        end = layer % hidden + 1
        codes = network.table[:end, ACTIVATION].tolist()
        part = Parameters(network.sizes[: end + 1], codes, network.dtype, 1.0)
        for i in range(end):
            part.weights[i][:], part.biases[i][:] = network.weights[i], network.biases[i]
        return self._run(part, X)

    def to_sklearn(self) -> Any:
        """Return a fitted estimator of scikit-learn that predicts the same.

        Parameters that scikit-learn has not are left out: they do not matter to predictions. Nor
        does the optimizer's state go along: training goes on as with a warm start.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or MLPRegressor

        Raises
        ------
        ValueError
            The activation, or the loss, is not one of scikit-learn's.

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> model = MLPRegressor(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [1.0, 2.0])
        >>> type(model.to_sklearn()).__module__.split(".")[0]
        'sklearn'
        """
        check_is_fitted(self)
        return to_sklearn(self)

    @classmethod
    def from_sklearn(cls, estimator: Any) -> Any:
        """Return a fitted estimator of fastmlp that predicts as scikit-learn's does.

        Parameters
        ----------
        estimator : fitted MLPClassifier or MLPRegressor of scikit-learn
            Of the kind of this class. Its optimizer's state does not go along.

        Returns
        -------
        MLPClassifier or MLPRegressor

        Raises
        ------
        TypeError
            Another estimator.
        sklearn.exceptions.NotFittedError
            It is not fitted.

        Examples
        --------
        >>> from sklearn import neural_network
        >>> from fastmlp import MLPRegressor
        >>> theirs = neural_network.MLPRegressor(solver="lbfgs", random_state=0)
        >>> MLPRegressor.from_sklearn(theirs.fit([[0.0], [1.0]], [1.0, 2.0])).n_layers_
        3
        """
        theirs = their_kind(cls)
        if not isinstance(estimator, theirs):
            raise invalid_type("estimator", f"scikit-learn's {theirs.__name__}", estimator)
        check_is_fitted(estimator)
        made = cls(**estimator.get_params(deep=False))
        copy_fitted(estimator, made)
        made._use(made._current())
        return made

    def _without_names(self) -> Any:
        """Return this estimator for arrays: it has no feature names to compare."""
        bare = object.__new__(type(self))
        bare.__dict__.update(self.__dict__)
        bare.__dict__.pop("feature_names_in_", None)
        return bare

    def _say(self, text: str) -> None:
        if self.verbose:
            sys.stdout.write(text + "\n")

    # Pickling.

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: arrays and numbers, without this machine's padding."""
        state = dict(super().__getstate__())
        network = state.pop("_network", None)
        state.pop("_copied", None)
        optimizer = state.pop("_optimizer", None)
        if optimizer is not None and optimizer.fits(self, self._current()):
            state["_optimizer"] = optimizer.pack(network)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the estimator again from `__getstate__`."""
        super().__setstate__(dict(state))
        if "coefs_" in self.__dict__:
            self._use(self._current())
        packed = self.__dict__.pop("_optimizer", None)
        if packed is not None:
            self._optimizer = SolverState.unpack(packed, self._network)

    def __sklearn_tags__(self) -> Any:
        """Return the tags: sparse input is accepted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
