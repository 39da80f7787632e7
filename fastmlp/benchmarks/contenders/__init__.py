"""Who takes part: each library in a file of its own, under one interface.

A contender's module is imported in its own process only. Peers are written as their users would
write them, and at their best: data in their own format, compiled ahead, optimizers fused.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from fastmlp.errors import invalid

if TYPE_CHECKING:
    from fastmlp.benchmarks.contenders.base import Contender
    from fastmlp.benchmarks.problem import Problem

__all__ = ["CONTENDERS", "Entry", "create", "installed", "scaling_twins"]


class Entry(NamedTuple):
    """Where a contender is implemented, and the library it needs."""

    title: str
    module: str
    name: str
    needs: str
    options: dict[str, object]


def _own(title: str, **options: object) -> Entry:
    return Entry(title, "own", "OwnContender", "fastmlp", options)


CONTENDERS: Final = {
    "fastmlp": _own("fastmlp"),
    "fastmlp-dense": _own("fastmlp, dense", zero_skipping=False),
    "fastmlp-1": _own("fastmlp, 1 thread", threads=1),
    "fastmlp-dense-1": _own("fastmlp, dense, 1 thread", threads=1, zero_skipping=False),
    "jax": Entry("JAX, jitted", "jax_scan", "JaxContender", "jax", {}),
    "torch": Entry("PyTorch, eager", "pytorch", "TorchContender", "torch", {}),
    "torch-compile": Entry(
        "PyTorch, compiled", "pytorch", "TorchContender", "torch", {"compiled": True}
    ),
    "scikit-learn": Entry("scikit-learn", "scikit_learn", "ScikitLearnContender", "sklearn", {}),
    "numpy": Entry("NumPy", "plain_numpy", "NumpyContender", "numpy", {}),
}


def scaling_twins() -> dict[str, str]:
    """Return the contenders on one thread, and by each the one it is compared with."""
    return {f"{name}-1": name for name in ("fastmlp", "fastmlp-dense")}


def installed(names: Sequence[str] = ()) -> list[str]:
    """Return the contenders of these names that can take part here, in order; without names all.

    Raises
    ------
    InvalidValueError
        A name is unknown, or was asked for and its library is not installed.

    Examples
    --------
    >>> installed(["numpy", "fastmlp"])
    ['fastmlp', 'numpy']
    """
    for name in names:
        if name not in CONTENDERS:
            raise invalid("contenders", f"names among {', '.join(CONTENDERS)}", name)
        if importlib.util.find_spec(CONTENDERS[name].needs) is None:
            expected = "the names of installed libraries"
            raise invalid("contenders", expected, f"{name}, which needs {CONTENDERS[name].needs}")
    chosen = set(names) or set(CONTENDERS)
    return [
        name
        for name, entry in CONTENDERS.items()
        if name in chosen and importlib.util.find_spec(entry.needs) is not None
    ]


def create(name: str, problem: Problem) -> Contender:
    """Return a contender, its data and network prepared."""
    entry = CONTENDERS[name]
    home = importlib.import_module(f"fastmlp.benchmarks.contenders.{entry.module}")
    made: Contender = getattr(home, entry.name)(problem, **entry.options)
    return made
