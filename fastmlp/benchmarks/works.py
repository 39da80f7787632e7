"""The works of the benchmarks: a network, its data and what is to be done with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from fastmlp.errors import invalid

__all__ = ["QUICK", "WORKS", "Work", "find_works"]


@dataclass(frozen=True)
class Work:
    """One thing to do, the same for every contender.

    Attributes
    ----------
    name : str
        One word.
    title : str
        A few words for a table.
    sizes : tuple of int
        Units of each level. One output is a sigmoid with binary cross entropy, more are a softmax
        with cross entropy.
    rows : int
        Samples, the first so many of the data.
    data : {"mnist", "digits", "clusters", "noise"}
        Images of bytes, or generated floats; noise has labels that cannot be learned.
    task : {"train", "predict", "row"}
        Fit from given weights; classes of all rows; outputs of one row.
    hidden, optimizer, learning_rate, dtype
        As fastmlp names them.
    batch : int or None
        None is the full batch: an epoch is then one iteration.
    epochs : int
        Of one fit.
    scaling : bool
        Whether fastmlp on one thread takes part.
    """

    name: str
    title: str
    sizes: tuple[int, ...]
    rows: int
    data: str = "mnist"
    task: str = "train"
    hidden: str = "sigmoid"
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    batch: int | None = 128
    epochs: int = 5
    dtype: str = "float32"
    scaling: bool = False

    @property
    def output(self) -> str:
        """Activation of the outputs."""
        return "sigmoid" if self.sizes[-1] == 1 else "softmax"

    @property
    def unit(self) -> str:
        """What is timed."""
        names = {"predict": "pass", "row": "row"}
        return names.get(self.task, "iteration" if self.batch is None else "epoch")

    @property
    def operations(self) -> float:
        """Floating-point operations of the dense products in one unit; nothing else is counted.

        Training takes three products a layer, but no gradient by the inputs of the first.
        """
        layers = [inputs * outputs for inputs, outputs in pairwise(self.sizes)]
        if self.task == "row":
            return 2.0 * sum(layers)
        if self.task == "predict":
            return 2.0 * self.rows * sum(layers)
        return 2.0 * self.rows * (3 * sum(layers) - layers[0])

    def quick(self) -> Work:
        """Return a small work of the same kind, on data that every machine has."""
        hidden = [min(units, 32) for units in self.sizes[1:-1]]
        first, last = (64, 10) if self.data == "mnist" else (min(self.sizes[0], 16), self.sizes[-1])
        return replace(
            self,
            title=self.title + " (small)",
            data="digits" if self.data == "mnist" else self.data,
            sizes=(first, *hidden, last),
            rows=min(self.rows, 700),
            epochs=2,
        )


_IMAGES: Final = (784, 200, 10)

_WORKS: Final = (
    Work("b128", "784-200-10, batch 128", _IMAGES, 60000, scaling=True),
    Work("b32", "784-200-10, batch 32", _IMAGES, 60000, batch=32),
    Work("full", "784-200-10, full batch", _IMAGES, 60000, batch=None, epochs=20),
    Work("h100", "784-100-10, batch 128", (784, 100, 10), 60000),
    Work("b1", "784-200-10, batch 1", _IMAGES, 5000, batch=1, learning_rate=0.01),
    # Their rate is a tenth of the usual: at that, roundings grow until losses differ by a percent.
    Work(
        "adam", "784-100-10 relu, Adam, batch 200", (784, 100, 10), 60000, hidden="relu",
        optimizer="adam", learning_rate=1e-4, batch=200,
    ),
    Work(
        "adam64", "784-100-10 relu, Adam, batch 200, float64", (784, 100, 10), 60000,
        hidden="relu", optimizer="adam", learning_rate=1e-4, batch=200, dtype="float64",
    ),
    Work(
        "table", "8-128-32-1 relu, Adam, batch 70", (8, 128, 32, 1), 200000, "noise",
        hidden="relu", optimizer="adam", learning_rate=1e-3, batch=70,
    ),
    Work(
        "small", "4-16-3 tanh, batch 8", (4, 16, 3), 20000, "clusters", hidden="tanh", batch=8,
        learning_rate=0.01,
    ),
    Work(
        "wide", "784-1024-1024-10 relu, batch 256", (784, 1024, 1024, 10), 10000, "clusters",
        hidden="relu", batch=256, learning_rate=0.01,
    ),
    Work(
        "wider", "3072-2048-10 relu, batch 256", (3072, 2048, 10), 5000, "clusters",
        hidden="relu", batch=256, learning_rate=0.01,
    ),
    Work("row200", "784-200-10, outputs of one row", _IMAGES, 1, task="row"),
    Work(
        "row256", "80-256-256-10 relu, outputs of one row", (80, 256, 256, 10), 1, "clusters",
        task="row", hidden="relu",
    ),
    Work("predict", "784-200-10, classes of 60,000 rows", _IMAGES, 60000, task="predict"),
)  # fmt: skip

WORKS: Final = {work.name: work for work in _WORKS}

# What `--quick` does unless told: seconds in all, one work of each kind.
QUICK: Final = ("b128", "table", "row200")


def find_works(names: Sequence[str] = (), quick: bool = False) -> list[Work]:
    """Return works by name, in the order of the table; without names all, or the quick ones.

    Raises
    ------
    InvalidValueError
        There is no work of that name.

    Examples
    --------
    >>> [work.title for work in find_works(["b32", "b128"])]
    ['784-200-10, batch 128', '784-200-10, batch 32']
    """
    for name in names:
        if name not in WORKS:
            raise invalid("works", f"names among {', '.join(WORKS)}", name)
    chosen = set(names) or set(QUICK if quick else WORKS)
    works = [work for work in _WORKS if work.name in chosen]
    return [work.quick() for work in works] if quick else works
