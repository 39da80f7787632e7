"""L-BFGS: SciPy's optimizer on the kernels' loss and gradient, over one flat vector."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from sklearn.exceptions import ConvergenceWarning

from fastmlp.estimators.stochastic import TrainingData
from fastmlp.kernels.layout import LOSS_SUM, WEIGHT
from fastmlp.parameters import Parameters
from fastmlp.passes import Rule, TrainingPass

__all__ = ["fit_lbfgs"]

_minimize: Any = minimize  # its types know no callable object


class LossAndGradient:
    """The mean loss over all samples, and its gradient, as functions of the parameters' buffer."""

    def __init__(
        self, estimator: Any, network: Parameters, data: TrainingData, threads: int | None
    ) -> None:
        self.network = network
        self.alpha, self.rows = float(estimator.alpha), data.rows
        self._pass = TrainingPass(
            network, data.samples, data.targets, data.weight, estimator._loss_code(),
            Rule(l2=self.alpha), len(data.rows), None, threads, estimator.max_iter,
            constants=estimator._loss_constants(),
        )  # fmt: skip

    def __call__(self, parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return loss and gradient; where a loss is not finite, infinity and NaN."""
        run, network = self._pass, self.network
        network.buffer[:] = parameters
        run.begin(self.rows)
        while run.position < len(self.rows):
            if not run.advance(len(self.rows)):
                return math.inf, np.full_like(parameters, math.nan)
        total = float(run.records[0, WEIGHT])
        gradient: NDArray[np.float64] = run.gradient.copy()
        for start, biases, _ in network.layer_bounds():
            gradient[start:biases] += self.alpha / total * network.buffer[start:biases]
        return float(run.records[0, LOSS_SUM]) / total, gradient

    def close(self) -> None:
        """Give the buffers back."""
        self._pass.close()


def fit_lbfgs(
    estimator: Any, network: Parameters, data: TrainingData, after: Callable[..., bool],
    threads: int | None,
) -> None:  # fmt: skip
    """Minimise the loss; set the estimator's `loss_` and `n_iter_`.

    network : of dtype float64; its buffer is the vector of parameters, padding included, which has
        gradient zero and stays zero.
    after : called after each iteration, with its number, the loss and the seconds so far; True ends
        the training.
    """
    function = LossAndGradient(estimator, network, data, threads)
    started = time.perf_counter()
    limit = math.inf if estimator.max_time is None else float(estimator.max_time)
    iterations, stopped = 0, False

    def after_iteration(intermediate_result: OptimizeResult) -> None:
        nonlocal iterations, stopped
        iterations += 1
        estimator._say(f"Iteration {iterations}, loss = {intermediate_result.fun:.8f}")
        network.buffer[:] = intermediate_result.x
        seconds = time.perf_counter() - started
        stopped = after(iterations, float(intermediate_result.fun), seconds) or seconds > limit
        if stopped:
            raise StopIteration

    options = {"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol}
    try:
        result = _minimize(
            function, network.buffer.copy(), method="L-BFGS-B", jac=True, options=options,
            callback=after_iteration,
        )  # fmt: skip
    finally:
        function.close()
    network.buffer[:] = result.x
    estimator.loss_ = float(result.fun)
    estimator.n_iter_ = min(int(result.nit), estimator.max_iter)
    if result.status != 0 and not stopped:
        cure = "Scale the data to unit variance"
        if result.nit >= estimator.max_iter:
            cure = (
                "Increase the number of iterations to improve the convergence "
                f"(max_iter={estimator.max_iter}), or scale the data to unit variance"
            )
        elif result.nfev >= estimator.max_fun:
            cure = f"Increase max_fun (it is {estimator.max_fun}), or scale the data"
        warnings.warn(
            f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}):\n"
            f"{result.message}\n\n{cure}.",
            ConvergenceWarning,
            stacklevel=4,
        )
