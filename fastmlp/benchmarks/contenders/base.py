"""What a contender is: a network that can be fitted again and again from the same weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import NDArray

from fastmlp.benchmarks.problem import Problem

__all__ = ["Contender"]

Array = NDArray[Any]


class Contender(ABC):
    """One library at one problem.

    The constructor puts data and network into the library's own format; that is not timed.
    `fit`, `classes` and `outputs` are, and return only when all is computed.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.work = problem.work

    @abstractmethod
    def reset(self) -> None:
        """Take back the parameters and the optimizer's state to the start; not timed."""

    @abstractmethod
    def fit(self) -> None:
        """Train for the work's epochs, samples in their order, the last batch partial."""

    @abstractmethod
    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return weights, (n_in, n_out) each, and biases; not timed."""

    @abstractmethod
    def outputs(self) -> Any:
        """Compute the outputs of all rows, in whatever form the library gives them."""

    @abstractmethod
    def classes(self) -> Any:
        """Compute the classes of all rows, in whatever form the library gives them."""

    def facts(self) -> dict[str, str]:
        """Return what is worth knowing of the library here, its version first."""
        return {}
