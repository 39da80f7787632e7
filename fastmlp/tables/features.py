"""Features made of columns: numbers, categories and dates, as arrays of float32."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

__all__ = ["FAR", "Categories", "Dates", "Numbers", "one_hot", "texts"]

RARE, MISSING = "(rare)", "(missing)"
FAR = 30.0  # times the spread, or the size, of what was fitted
_FEWEST = 10  # values that a size is taken of
_PERIODS = (("month", 12), ("weekday", 7), ("hour", 24))


class Numbers(NamedTuple):
    """Columns of numbers: each squeezed, and cut into intervals of equal counts.

    A column x becomes

    - z / √(1 + (z/3)²) of z = (x − median) / (third quartile − first), so that tails stay in sight
      and far values do no harm (Holzmueller et al., "Better by default", 2024);
    - for each interval [a, b) between neighbouring quantiles, (x − a) / (b − a) cut to [0, 1]: the
      piecewise linear code of Gorishniy et al. ("On embeddings for numerical features", 2022);
    - 1 where it is missing, 0 elsewhere, if any was when it was fitted; x is the median then.
    """

    median: NDArray[np.float64]
    spread: NDArray[np.float64]  # half the quartiles' distance; a quarter of the range if it is 0
    size: NDArray[np.float64]  # median of the absolute values that are not 0; 0 of too few
    gaps: NDArray[np.bool_]
    edges: list[NDArray[np.float64]]

    @classmethod
    def fit(cls, values: NDArray[np.float64], bins: int) -> Self:
        """Return what (n, columns) with NaN needs; no column is constant or all missing."""
        gaps = np.array(np.isnan(values).any(axis=0))
        if not values.shape[1]:
            return cls(values[0], values[0], values[0], gaps, [])
        halves = np.nanquantile(values, [0, 0.25, 0.5, 0.75, 1], axis=0) / 2  # no sum overflows
        spread, reach = halves[3] - halves[1], (halves[4] - halves[0]) / 2
        spread = np.where(spread > 0, spread, np.where(reach > 0, reach, 1.0))
        steps, edges = np.linspace(0, 1, bins + 1), []
        for column in values.T:
            found = np.unique(np.nanquantile(column, steps)) if bins else column[:0]
            edges.append(found if len(found) > 2 else found[:0])
        return cls(2 * halves[2], spread, _sizes(values), gaps, edges)

    def transform(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the features, (n, len(self.names([…])))."""
        missing = np.isnan(values)
        filled = np.where(missing, self.median, values)
        z = self._z(filled)
        parts = [z / np.hypot(1.0, z / 3.0)]
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is cut
            for column, edges in zip(filled.T, self.edges, strict=True):
                if len(edges):
                    share = (column[:, None] - edges[:-1]) / np.diff(edges)
                    parts.append(np.nan_to_num(np.clip(share, 0.0, 1.0), nan=0.5))
        parts.append(missing[:, self.gaps])
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="unsafe")

    def _z(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return robustly scaled values, below the square root of the largest number."""
        with np.errstate(over="ignore"):
            return np.clip((values / 2 - self.median / 2) / self.spread, -1e150, 1e150)

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the numbers as JSON can hold them."""
        fields = {name: field.tolist() for name, field in self._asdict().items() if name != "edges"}
        return fields | {"edges": [edges.tolist() for edges in self.edges]}

    @classmethod
    def from_dict(cls, state: Any, columns: int) -> Self:
        """Return what `to_dict` described; ValueError or TypeError where it is damaged."""
        gaps = np.array([bool(gap) for gap in state["gaps"]], bool)
        median, spread = (_finite(state[name]) for name in ("median", "spread"))
        size = _finite([one or 0.0 for one in state["size"]])  # once unknown ones were null
        edges = [_finite(one) for one in state["edges"]]
        if {len(one) for one in (gaps, median, spread, size, edges)} != {columns}:
            raise ValueError("numbers of other columns")
        if (spread <= 0).any() or any((np.diff(one) <= 0).any() for one in edges):
            raise ValueError("spreads that are 0, or edges that do not grow")
        return cls(median, spread, size, gaps, edges)

    def names(self, columns: list[str]) -> list[str]:
        """Return a name for each feature."""
        cuts = [
            f"{name}_from_{low:.6g}"
            for name, edges in zip(columns, self.edges, strict=True)
            for low in edges[:-1].tolist()
        ]
        gaps = [f"{name}_missing" for name, gap in zip(columns, self.gaps, strict=True) if gap]
        return [*columns, *cuts, *gaps]

    def far(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which columns lie far outside what was fitted: shifted, or of another size."""
        enough = np.count_nonzero(~np.isnan(values), axis=0) >= _FEWEST
        sizes = _sizes(values)
        with np.errstate(all="ignore"):
            shift = np.abs(_median(self._z(values)))
            ratio = np.maximum(sizes / self.size, self.size / sizes)
        far: NDArray[np.bool_] = enough & ((shift > FAR) | (np.nan_to_num(ratio, posinf=0.0) > FAR))
        return far


def _finite(values: Any) -> NDArray[np.float64]:
    array = np.array(values, np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("numbers that are not finite")
    return array


def texts(values: Any) -> list[str]:
    """Return a list of words from a file; TypeError for what is none."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("something else than a list of words")
    return values


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each column's numbers; NaN where there are none."""
    found = np.full(values.shape[1], np.nan)
    some = ~np.isnan(values).all(axis=0)
    found[some] = 2 * np.nanmedian(values[:, some] / 2, axis=0)
    return found


def _sizes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each column's absolute values that are not 0; 0 of too few."""
    sizes = np.where(values == 0, np.nan, np.abs(values))
    enough = np.count_nonzero(~np.isnan(sizes), axis=0) >= _FEWEST
    return np.where(enough, _median(sizes), 0.0)


class Categories(NamedTuple):
    """A column of words: a feature for each, rare ones together, a gap as a word of its own."""

    kept: list[str]  # most frequent first; RARE and MISSING are in it where they are features
    rare: list[str]

    @classmethod
    def fit(cls, words: NDArray[Any], most: int) -> Self:
        """Return the words of a column that get a feature, `most` of them at the most."""
        counts = Counter(MISSING if word is None else word for word in words)
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        if len(ordered) <= most:
            return cls(ordered, [])
        gap = [MISSING] if MISSING in counts else []
        kept = [word for word in ordered if word != MISSING][: max(most - 1 - len(gap), 0)]
        rare = [word for word in ordered if word not in {*kept, *gap}]
        return cls([*kept, *gap, RARE], rare)

    def codes(self, words: NDArray[Any]) -> tuple[NDArray[np.int64], str | None]:
        """Return the feature of each word, −1 for unknown ones, and the first that is unknown."""
        codes = {word: code for code, word in enumerate(self.kept)}
        codes |= dict.fromkeys(self.rare, len(self.kept) - 1)
        found = [codes.get(MISSING if word is None else word, -1) for word in words]
        unknown = next((w for w, code in zip(words, found, strict=True) if code < 0 and w), None)
        return np.array(found, np.int64), unknown


def one_hot(codes: NDArray[np.int64], widths: list[int]) -> csr_array:
    """Return (n, Σ widths) with a 1 for each code of (n, columns) that is not −1."""
    known = codes >= 0
    starts = np.concatenate([[0], np.cumsum(widths)])
    indices = (codes + starts[:-1])[known].astype(np.int32)
    rows = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
    ones = np.ones(len(indices), np.float32)
    return csr_array((ones, indices, rows), shape=(len(codes), int(starts[-1])))


class Dates(NamedTuple):
    """A column of dates: days since the first as a number, and where it stands in each period."""

    first: np.datetime64
    periods: list[str]  # of `_PERIODS`, those in which the dates differ

    @classmethod
    def fit(cls, dates: NDArray[np.datetime64]) -> Self:
        """Return what the dates need."""
        known = dates[~np.isnat(dates)]
        places = _places(known)
        return cls(known.min(), [name for name, _ in _PERIODS if len(np.unique(places[name])) > 1])

    def days(self, dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Return the days since the first date, NaN where there is none."""
        days: NDArray[np.float64] = (dates - self.first) / np.timedelta64(1, "D")
        return days

    def waves(self, dates: NDArray[np.datetime64]) -> NDArray[np.float32]:
        """Return sine and cosine of the place in each period, 0 where there is no date."""
        places, lengths = _places(dates), dict(_PERIODS)
        turns = [2.0 * math.pi * places[name] / lengths[name] for name in self.periods]
        waves = np.array([wave(turn) for turn in turns for wave in (np.sin, np.cos)], np.float32)
        return np.where(np.isnat(dates)[:, None], np.float32(0), waves.reshape(-1, len(dates)).T)

    def names(self, column: str) -> list[str]:
        """Return a name for each wave."""
        return [f"{column}_{name}_{wave}" for name in self.periods for wave in ("sin", "cos")]


def _places(dates: NDArray[np.datetime64]) -> dict[str, NDArray[np.float64]]:
    """Return where dates stand in each period."""
    days = dates.astype("datetime64[D]")
    return {
        "month": (dates.astype("datetime64[M]").astype(np.int64) % 12).astype(float),
        "weekday": ((days.astype(np.int64) + 3) % 7).astype(float),  # 0 is Monday
        "hour": (dates - days) / np.timedelta64(1, "h"),
    }
