"""`partial_fit`, offered where it makes sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["PartialFitRefusedError", "offered"]


class PartialFitRefusedError(AttributeError, ValueError):
    """`partial_fit` was asked for where early stopping is on."""


class offered:  # noqa: N801  # a decorator
    """Make a method an attribute of those estimators alone whose parameters allow it.

    For the others `hasattr` is False, and asking for it says why not.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        self.__doc__, self.__name__ = method.__doc__, method.__name__

    def __get__(self, estimator: Any, owner: type | None = None) -> Any:
        """Return the method, bound, or raise."""
        if estimator is None:
            return self.method
        if estimator.solver not in ("sgd", "adam"):
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. "
                f"{estimator.solver} is not stochastic."
            )
        if estimator.early_stopping:
            raise PartialFitRefusedError(
                "partial_fit does not support early_stopping=True; fit_epochs(X, y) trains an "
                "epoch at a time with it"
            )
        return self.method.__get__(estimator, owner)
