"""TableEncoder: a table of numbers, words and dates as the numbers that a network learns from."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from itertools import compress
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack, issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import (
    _check_feature_names,
    _check_feature_names_in,
    _check_n_features,
    check_is_fitted,
)

from fastmlp.errors import DataError, invalid, invalid_type
from fastmlp.kernels.target import skips_zeros
from fastmlp.tables.columns import KINDS, Column, Plan, columns_of, look, read_as
from fastmlp.tables.features import FAR, Categories, Dates, Numbers, one_hot, texts
from fastmlp.validation import check_integer

__all__ = ["TableEncoder", "TakesTables"]

VERSION = 1
_ARGUMENTS = {
    "categorical": "category", "numerical": "number", "dates": "date", "drop": "left out",
}  # fmt: skip
_FEWEST_PIXELS, _LEAST_WHITE = 64, 128  # columns, and the largest value there, of an image
_MOST_FEATURES = 1024  # more columns of numbers get fewer intervals each
_VECTORS = 16  # of outputs of the first layer, as zero-skipping asks


class TakesTables:
    """What scikit-learn asks of an estimator: words and gaps are taken."""

    def __sklearn_tags__(self) -> Any:
        """Return the tags of the class beside."""
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = []
        return tags


class TableEncoder(TakesTables, TransformerMixin, BaseEstimator):
    """Encodes a table as it is: numbers, words, dates, gaps and all.

    Columns are known by their names: at prediction they may come in another order, and with others
    beside them. What a column is, is seen from all its values:

    - numbers, also in words ("1,234.5", "12 %", "$3"): squeezed, and cut into intervals
      (`fastmlp.tables.features.Numbers`); a missing one is the median, with a feature that says so;
    - words and booleans: a feature for each, rare ones together, a missing one as another word;
    - dates (ISO 8601 in words): days, and the place in year, week and day; durations are numbers;
    - 64 columns and more of integers from 0 to 255: pixels, times 1/255;
    - left out: constant ones and identifiers (words nearly all distinct, integers that count rows).

    Parameters
    ----------
    categorical, numerical, dates : sequences of column names, or of positions
        Columns to be taken as such whatever they hold.
    drop : sequence of column names, or of positions
        Columns to be left out.
    max_categories : int
        Features of a column of words, at the most.
    bins : int
        Intervals of a column of numbers, at the most; 0 is for none.

    Attributes
    ----------
    columns_ : list of (name, kind, note)
        What became of each column.
    messages_ : list of str
        What a user should know of it: columns left out, and numbers that were read from words.

    Examples
    --------
    >>> rows = [["12 %", "red"], ["3 %", "blue"], ["7 %", None]]
    >>> encoder = TableEncoder(bins=0).fit(rows)
    >>> encoder.get_feature_names_out().tolist()
    ['x0', 'x1_(missing)', 'x1_blue', 'x1_red']
    >>> encoder.transform(rows).toarray()[:, 1:].tolist()
    [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """

    def __init__(
        self, categorical: Iterable[Any] = (), numerical: Iterable[Any] = (),
        dates: Iterable[Any] = (), drop: Iterable[Any] = (), max_categories: int = 64,
        bins: int = 16,
    ) -> None:  # fmt: skip
        self.__dict__.update(given for given in locals().items() if given[0] != "self")

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find out what each column holds.

        Parameters
        ----------
        X : frame of pandas or polars, pyarrow table, or array-like of shape (n, columns)
        y : ignored

        Raises
        ------
        InvalidValueError
            A column is not what it was said to be, or holds an infinity; or none is left.
        """
        most = check_integer("max_categories", self.max_categories, 2)
        bins = check_integer("bins", self.bins, 0)
        columns = self._columns(X, reset=True)
        forced = self._forced([column.name for column in columns])
        self.columns_: list[Plan] = []
        self.messages_: list[str] = []
        held: dict[str, Any] = {}
        for column in columns:
            plan, found = look(column, forced.get(column.name), self.messages_)
            self.columns_.append(plan)
            if found is not None:
                held[column.name] = found
        if not held:
            n, why = len(columns[0].values), "; ".join(self.messages_) or "none"
            raise invalid("X", "a column that can help", f"{why} (n_samples = {n})")
        self._find_pixels(held, set(forced))
        words = self._named("category")
        self._categories = {name: Categories.fit(held[name], most) for name in words}
        self._dates = {name: Dates.fit(held[name]) for name in self._named("date")}
        table = self._numbers_of(held)
        self._numbers = Numbers.fit(table, min(bins, _MOST_FEATURES // max(table.shape[1], 1)))
        self._brightness = _brightness(self._stacked(held, "pixel"))
        features = self._assemble(held)
        self._sparse = bool(skips_zeros(features.nnz / max(np.prod(features.shape), 1), _VECTORS))
        return self

    def transform(self, X: Any) -> Any:
        """Return the features of a table.

        Parameters
        ----------
        X : as for `fit`, with all columns that are not left out; in any order if they have names

        Returns
        -------
        ndarray or CSR array of shape (n, features), float32
            Sparse where most are zero, which training then skips.

        Raises
        ------
        InvalidValueError
            A column is missing, or holds something else than when it was fitted.
        """
        check_is_fitted(self)
        columns = {column.name: column for column in self._columns(X, reset=False)}
        held = {}
        for name, kind, _ in self.columns_:
            if kind == "left out":
                continue
            if name not in columns:
                raise invalid("X", f"a column {name!r}, as fitted", _few(list(columns)))
            held[name] = read_as(kind, columns[name])
        features = self._assemble(held)
        far = list(compress(self._number_names, self._numbers.far(self._numbers_of(held))))
        bright = _brightness(self._stacked(held, "pixel"))
        if bright and self._brightness and not 1 / FAR <= bright / self._brightness <= FAR:
            far += self._named("pixel")
        if far:
            text = f"columns far outside what was fitted; is their unit the same? {_few(far)}"
            warnings.warn(text, UserWarning, stacklevel=2)
        dense = _get_output_config("transform", self)["dense"] != "default"
        return features if self._sparse and not dense else features.toarray()

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the features.

        Parameters
        ----------
        input_features : ignored, but that it must be the fitted names

        Examples
        --------
        >>> TableEncoder(bins=2).fit([[1.0], [2.0], [4.0]]).get_feature_names_out().tolist()
        ['x0', 'x0_from_1', 'x0_from_2']
        """
        check_is_fitted(self)
        if input_features is not None:
            _check_feature_names_in(self, input_features)
        names = self._numbers.names(self._number_names)
        for column, dates in self._dates.items():
            names += dates.names(column)
        names += self._named("pixel")
        for column, categories in self._categories.items():
            names += [f"{column}_{word}" for word in categories.kept]
        return np.array(names, object)

    # Files.

    def to_dict(self) -> dict[str, Any]:
        """Return all that `transform` needs, as JSON can hold it.

        Examples
        --------
        >>> encoder = TableEncoder().fit([["a"], ["b"]])
        >>> TableEncoder.from_dict(encoder.to_dict()).transform([["b"]]).tolist()
        [[0.0, 1.0]]
        """
        check_is_fitted(self)
        return {
            "version": VERSION,
            "columns": [list(plan) for plan in self.columns_],
            "named": hasattr(self, "feature_names_in_"),
            "numbers": self._numbers.to_dict(),
            "categories": [[c.kept, c.rare] for c in self._categories.values()],
            "dates": [[str(d.first), d.periods] for d in self._dates.values()],
            "brightness": self._brightness,
            "sparse": self._sparse,
        }

    @classmethod
    def from_dict(cls, state: Any) -> Self:
        """Return the encoder that `to_dict` described; its parameters are the defaults.

        Raises
        ------
        DataError
            It is none, is damaged, or of a newer version.
        """
        try:
            if state["version"] != VERSION:
                raise ValueError(f"version {state['version']!r}, expected {VERSION}")
            made = cls()
            made.columns_ = [Plan(*texts(row)) for row in state["columns"]]
            kinds = {plan.name: plan.kind for plan in made.columns_}
            if len(kinds) < len(made.columns_) or not {*kinds.values()} <= {*KINDS, "left out"}:
                raise ValueError("two columns of one name, or a kind that is unknown")
            made.n_features_in_, made.messages_ = len(kinds), []
            if state["named"] is True:
                made.feature_names_in_ = np.array(list(kinds), object)
            words = [Categories(texts(kept), texts(rare)) for kept, rare in state["categories"]]
            made._categories = dict(zip(made._named("category"), words, strict=True))
            dates = [Dates(np.datetime64(texts([at])[0], "us"), texts(periods))
                     for at, periods in state["dates"]]  # fmt: skip
            made._dates = dict(zip(made._named("date"), dates, strict=True))
            made._numbers = Numbers.from_dict(state["numbers"], len(made._number_names))
            made._brightness, made._sparse = float(state["brightness"]), state["sparse"] is True
            row = {"date": np.zeros(1, "M8[us]"), "category": np.array([None])}
            made._assemble(
                {name: row.get(kind, np.zeros(1)) for name, kind in kinds.items()}
            )  # all parts fit
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise DataError(f"encoder: expected what to_dict returned, got {error!r}") from None
        return made

    # Columns.

    def _columns(self, X: Any, reset: bool) -> list[Column]:
        """Return the columns of a frame or an array, and check or keep their names."""
        columns = columns_of(X)
        if columns is None:
            return self._columns_of_array(X, reset)
        if not columns or not len(columns[0].values):
            raise invalid("X", "rows and columns", f"shape {(*np.shape(X), 0, 0)[:2]}")
        if reset:
            self.feature_names_in_ = np.array([c.name for c in columns], object)
            self.n_features_in_ = len(columns)
        elif not hasattr(self, "feature_names_in_"):
            _check_n_features(self, np.empty((1, len(columns))), reset=False)
            columns = [Column(f"x{i}", c.values) for i, c in enumerate(columns)]
        return columns

    def _columns_of_array(self, X: Any, reset: bool) -> list[Column]:
        if not issparse(X) and getattr(X, "dtype", None) is None:
            X = _as_objects(X)
        array = check_array(X, dtype=None, ensure_all_finite=False, input_name="X", estimator=self)
        if array.dtype.kind not in "biufOUSMm":
            raise invalid_type("X", "a table of numbers, words and dates", array.dtype)
        if reset:
            self.__dict__.pop("feature_names_in_", None)
        else:
            _check_feature_names(self, X, reset=False)
        _check_n_features(self, X, reset=reset)
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(array.shape[1])])
        if array.dtype.kind in "US":
            array = array.astype(object)
        return [Column(name, array[:, i]) for i, name in enumerate(names)]

    def _forced(self, names: list[str]) -> dict[str, str]:
        """Return what the user said of columns, by name."""
        kinds: dict[str, str] = {}
        for argument, kind in _ARGUMENTS.items():
            given = getattr(self, argument)
            if isinstance(given, str) or not isinstance(given, Iterable):
                raise invalid_type(argument, "a sequence of column names or positions", given)
            for label in given:
                place = isinstance(label, int) and -len(names) <= label < len(names)
                name = names[label] if place else label
                if name not in names:
                    raise invalid(argument, f"columns of {_few(names)}", repr(label))
                if kinds.setdefault(name, kind) != kind:
                    raise invalid(argument, f"column {name!r} once", "two things said of it")
        return kinds

    def _named(self, kind: str) -> list[str]:
        return [plan.name for plan in self.columns_ if plan.kind == kind]

    @property
    def _number_names(self) -> list[str]:
        """Columns that `Numbers` gets: dates are numbers of days besides."""
        return [*self._named("number"), *self._named("date")]

    def _find_pixels(self, held: dict[str, Any], forced: set[str]) -> None:
        """Make the columns pixels that look like them, if there are as many as in an image."""
        free = [name for name in self._named("number") if name not in forced]
        names = {name for name in free if _is_bytes(held[name])}
        if len(names) < _FEWEST_PIXELS or max(held[name].max() for name in names) < _LEAST_WHITE:
            return
        self.messages_.append(f"{len(names)} columns of integers from 0 to 255: pixels, / 255")
        for i, plan in enumerate(self.columns_):
            if plan.name in names:
                self.columns_[i] = plan._replace(kind="pixel")

    # Features.

    def _stacked(self, held: dict[str, Any], kind: str) -> NDArray[np.float64]:
        """Return the columns of numbers of a kind side by side."""
        n = len(next(iter(held.values())))
        columns = [held[name] for name in self._named(kind)]
        return np.stack(columns, axis=1) if columns else np.zeros((n, 0))

    def _numbers_of(self, held: dict[str, Any]) -> NDArray[np.float64]:
        """Return what `Numbers` gets, (n, columns)."""
        held = held | {name: dates.days(held[name]) for name, dates in self._dates.items()}
        return np.concatenate([self._stacked(held, "number"), self._stacked(held, "date")], axis=1)

    def _assemble(self, held: dict[str, Any]) -> csr_array:
        """Return all features, in the order of their names."""
        dense = [self._numbers.transform(self._numbers_of(held))]
        dense += [dates.waves(held[name]) for name, dates in self._dates.items()]
        dense.append((np.nan_to_num(self._stacked(held, "pixel")) / 255.0).astype(np.float32))
        codes = np.zeros((len(dense[0]), len(self._categories)), np.int64)
        unknown = []
        for i, (name, categories) in enumerate(self._categories.items()):
            codes[:, i], word = categories.codes(held[name])
            if word is not None:
                unknown.append(f"{word!r} in column {name!r}")
        if unknown:
            text = f"words unknown when fitted are taken as none of the categories: {_few(unknown)}"
            warnings.warn(text, UserWarning, stacklevel=3)
        words = one_hot(codes, [len(c.kept) for c in self._categories.values()])
        return csr_array(hstack([csr_array(np.concatenate(dense, axis=1)), words], format="csr"))


def _is_bytes(values: NDArray[np.float64]) -> bool:
    return bool(((values >= 0) & (values <= 255) & (values == np.floor(values))).all())


def _brightness(pixels: NDArray[np.float64]) -> float:
    """Return the median of the pixels that are not black; 0 where all are."""
    lit = pixels[pixels > 0]
    return float(np.median(lit)) if len(lit) else 0.0


def _few(names: list[str]) -> str:
    """Return names with commas between them, the first few of many."""
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(map(str, names[:8])) + more


def _as_objects(X: Any) -> Any:
    """Return lists of mixed values as an array that keeps each as it is."""
    try:
        array = np.asarray(X)
        return np.array(X, object) if array.dtype.kind in "US" else array
    except (TypeError, ValueError, RuntimeError):
        return X
