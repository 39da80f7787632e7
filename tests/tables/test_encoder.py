"""TableEncoder: what each kind of column becomes, and what is said, refused and kept of it."""

from __future__ import annotations

import datetime
import json
import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastmlp
from fastmlp import FastMLPError, MLPClassifier, TableEncoder

RANDOM = np.random.default_rng(0)


def dense(features: Any) -> np.ndarray:
    return features.toarray() if scipy.sparse.issparse(features) else np.asarray(features)


def features(values: Any, **options: Any) -> tuple[list[str], np.ndarray]:
    """Return the features of one column, and their names."""
    frame = pd.DataFrame({"a": values})
    encoder = TableEncoder(**options).fit(frame)
    return encoder.get_feature_names_out().tolist(), dense(encoder.transform(frame))


def kind(values: Any, **options: Any) -> str:
    frame = pd.DataFrame({"a": values, "other": np.arange(len(values)) % 2})
    return TableEncoder(**options).fit(frame).columns_[0].kind


def mixed(n: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "price": np.where(RANDOM.random(n) < 0.1, np.nan, RANDOM.lognormal(size=n)),
            "count": RANDOM.integers(0, 5, n),
            "colour": RANDOM.choice(["red", "blue", None], n),
            "sold": RANDOM.choice([True, False], n),
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(RANDOM.integers(0, 300, n), "D"),
            "took": pd.to_timedelta(RANDOM.integers(0, 9, n), "h"),
            "fare": [f"$ {1000 + i:,}.5" for i in range(n)],
            "one": 1,
        }
    )


@parametrize_with_checks([TableEncoder(), TableEncoder(bins=0)])
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="columns far outside|words unknown")
        check(estimator)


# Numbers.


def test_numbers_are_squeezed_and_cut_into_intervals() -> None:
    names, found = features([0.0, 1.0, 2.0, 3.0, 1e9], bins=2)
    z = (np.array([0.0, 1.0, 2.0, 3.0, 1e9]) - 2.0) / 2.0
    np.testing.assert_allclose(found[:, 0], z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-6)
    assert names == ["a", "a_from_0", "a_from_2"]
    np.testing.assert_allclose(found[:, 1], [0, 0.5, 1, 1, 1])
    np.testing.assert_allclose(found[:, 2], [0, 0, 0, 1e-9, 1], atol=1e-8)


def test_a_missing_number_is_the_median_and_says_so() -> None:
    names, found = features([1.0, np.nan, 2.0, 4.0], bins=0)
    assert names == ["a", "a_missing"]
    assert_array_equal(found[:, 1], [0, 1, 0, 0])
    assert found[1, 0] == found[2, 0] == 0


def test_a_number_missing_only_later_is_the_median() -> None:
    encoder = TableEncoder(bins=0).fit(pd.DataFrame({"a": [1.0, 2.0, 4.0]}))
    assert dense(encoder.transform(pd.DataFrame({"a": [np.nan]}))).tolist() == [[0.0]]


def test_far_values_stay_finite() -> None:
    _, found = features([-1e308, 0.0, 1.0, 2.0, 1e308])
    assert np.isfinite(found).all()
    assert abs(found).max() <= 3


@pytest.mark.parametrize("when", ["fit", "transform"])
def test_infinities_are_refused_by_column(when: str) -> None:
    good, bad = pd.DataFrame({"a": [1.0, 2.0]}), pd.DataFrame({"a": [1.0, np.inf]})
    with pytest.raises(FastMLPError, match=r"^X: expected finite numbers in column 'a', got inf"):
        TableEncoder().fit(bad) if when == "fit" else TableEncoder().fit(good).transform(bad)


def test_many_columns_of_numbers_get_fewer_intervals() -> None:
    encoder = TableEncoder().fit(RANDOM.normal(size=(50, 300)))
    assert len(encoder.get_feature_names_out()) <= 1024 + 300


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["1,234.5", "-3", "2e3", None], [1234.5, -3.0, 2000.0, np.nan]),
        (["12 %", "3%", "0.5 %"], [12.0, 3.0, 0.5]),
        (["$3", "$ 1,000", "€5"], [3.0, 1000.0, 5.0]),
        (["1.234,5", "3,25", "7"], [1234.5, 3.25, 7.0]),
        ([" 1 ", "?", "NA", "-", "2"], [1.0, np.nan, np.nan, np.nan, 2.0]),
    ],
)
def test_numbers_in_words_are_recognised(words: list[Any], numbers: list[float]) -> None:
    frame = pd.DataFrame({"a": pd.Series(words, dtype=object)})
    encoder = TableEncoder(bins=0).fit(frame)
    assert encoder.columns_[0].kind == "number"
    as_numbers = TableEncoder(bins=0).fit(pd.DataFrame({"a": numbers}))
    wanted = dense(as_numbers.transform(pd.DataFrame({"a": numbers})))
    assert_array_equal(dense(encoder.transform(frame)), wanted)


def test_numbers_read_from_words_are_said() -> None:
    encoder = TableEncoder().fit(pd.DataFrame({"a": ["$3", "$4"], "b": ["3", "4"]}))
    assert encoder.messages_ == ["column 'a': numbers read from words"]


@pytest.mark.parametrize(
    "words",
    [["00501", "10001"], ["1234567890123456", "1"], ["1", "two"], ["inf", "1"], ["1_0", "2"]],
)
def test_codes_that_look_like_numbers_stay_words(words: list[str]) -> None:
    assert kind(words) == "category"


# Categories.


def test_words_and_booleans_are_one_feature_each() -> None:
    names, found = features(["b", "a", "b", "c"])
    assert names == ["a_b", "a_a", "a_c"]
    assert_array_equal(found, [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
    assert kind([True, False, True]) == "category"


def test_a_missing_word_is_a_word_of_its_own() -> None:
    names, found = features(["x", None, "", np.nan, "x"])
    assert names == ["a_(missing)", "a_x"]
    assert_array_equal(found[:, 0], [0, 1, 1, 1, 0])
    assert "a_None" in features(["None", "x"])[0]


def test_rare_words_are_together() -> None:
    words = ["a"] * 5 + ["b"] * 4 + ["c", "d", None]
    names, found = features(words, max_categories=4)
    assert names == ["a_a", "a_b", "a_(missing)", "a_(rare)"]
    assert_array_equal(found.sum(axis=0), [5, 4, 1, 2])
    assert len(features([f"w{i % 90}" for i in range(900)])[0]) == 64


def test_unknown_words_are_zeros_and_one_warning() -> None:
    encoder = TableEncoder().fit(pd.DataFrame({"a": ["x", "y"], "b": ["u", "v"]}))
    with pytest.warns(UserWarning, match=r"'new' in column 'a', 'w' in column 'b'$") as said:
        found = encoder.transform(pd.DataFrame({"a": ["new", "x"], "b": ["w", "u"]}))
    assert len(said) == 1
    assert dense(found)[0].tolist() == [0, 0, 0, 0]


def test_integers_are_categories_where_that_is_said() -> None:
    assert kind([1, 2, 1]) == "number"
    assert kind([1, 2, 1], categorical=["a"]) == "category"
    assert kind([1, 2, 1], categorical=[0]) == "category"
    frame = pd.DataFrame({"a": [1, 2, 1], "b": [0, 1, 0]})
    encoder = TableEncoder(categorical=["a"]).fit(frame)
    assert_array_equal(
        dense(encoder.transform(frame.astype(float))), dense(encoder.transform(frame))
    )


def test_many_categories_are_sparse_and_few_are_not() -> None:
    many = pd.DataFrame({"a": [f"w{i % 50}" for i in range(500)]})
    assert scipy.sparse.issparse(TableEncoder().fit_transform(many))
    few = pd.DataFrame({"a": RANDOM.normal(size=50)})
    assert TableEncoder().fit_transform(few).dtype == np.float32


# Dates.


def test_dates_are_days_and_places_in_their_periods() -> None:
    names, found = features(["2026-01-05", "2026-04-06", "2026-07-07T12:00", "2026-10-08"], bins=0)
    assert names == [
        "a", *(f"a_{period}_{wave}" for period in ("month", "weekday", "hour")
               for wave in ("sin", "cos")),
    ]  # fmt: skip
    np.testing.assert_allclose(found[:, 1], [0, 1, 0, -1], atol=1e-6)  # January, April, July, …
    np.testing.assert_allclose(
        found[:, 3], np.sin(2 * np.pi * np.array([0, 0, 1, 3]) / 7), atol=1e-6
    )
    np.testing.assert_allclose(found[:, 6], [1, 1, -1, 1], atol=1e-6)
    assert (np.diff(found[:, 0]) > 0).all()


@pytest.mark.parametrize(
    "dates",
    [
        pd.to_datetime(["2026-01-05", "2026-02-06", None]),
        pd.to_datetime(["2026-01-05", "2026-02-06", None]).tz_localize("UTC"),
        ["2026-01-05", "2026-02-06", None],
        ["2026-01-05T00:00:00Z", "2026-02-06 01:00+01:00", "NA"],
        [datetime.date(2026, 1, 5), datetime.date(2026, 2, 6), None],
    ],
)
def test_typed_dates_and_words_are_the_same(dates: Any) -> None:
    names, found = features(dates, bins=0)
    assert kind(dates) == "date"
    assert "a_missing" in names
    assert_array_equal(
        found, features(pd.to_datetime(["2026-01-05", "2026-02-06", None]), bins=0)[1]
    )


def test_durations_are_seconds() -> None:
    hours = pd.to_timedelta([1, 2, 4], "h")
    assert kind(hours) == "number"
    assert_array_equal(features(hours)[1], features([3600.0, 7200.0, 14400.0])[1])


@pytest.mark.parametrize("gap", ["n/a", "#N/A", "<NA>", "NaT"])
def test_what_spreadsheets_and_pandas_write_for_a_gap_is_one(gap: str) -> None:
    assert kind(["1.5", gap, "2"]) == "number"
    assert kind(["2026-01-01", gap, "2026-02-01"]) == "date"


def test_words_are_dates_where_that_is_said_or_an_error() -> None:
    assert kind([1, 2, 1], dates=[]) == "number"
    with pytest.raises(FastMLPError, match=r"^X: expected dates in column 'a', got 'soon'"):
        kind([None, "?", "2026-01-01", "soon", "later"], dates=["a"])
    with pytest.raises(FastMLPError, match=r"^X: expected numbers in column 'a', got 'soon'"):
        kind([None, "?", "1.5", "soon", "later"], numerical=["a"])


# Columns that are left out, and pixels.


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["same"] * 40, "constant"),
        ([7] * 40, "constant"),
        ([None] * 40, "all missing"),
        ([np.nan] * 40, "all missing"),
        ([f"name {i}" for i in range(40)], "an identifier, 40 different words"),
        (np.arange(40) + 1000, "an identifier, integers that count the rows"),
        (RANDOM.permutation(40), "an identifier, integers that count the rows"),
        (np.cumsum(RANDOM.integers(1, 4, 40)), "an identifier, integers that count the rows"),
    ],
)
def test_columns_that_cannot_help_are_left_out_and_said(values: Any, why: str) -> None:
    frame = pd.DataFrame({"a": values, "b": RANDOM.normal(size=40)})
    encoder = TableEncoder().fit(frame)
    assert encoder.columns_[0] == ("a", "left out", why)
    assert encoder.messages_ == [f"column 'a' is left out: {why}"]
    assert not any(name.startswith("a") for name in encoder.get_feature_names_out())
    assert dense(encoder.transform(frame[["b"]])).shape[0] == 40  # it need not be there


def test_a_column_that_the_rows_are_sorted_by_is_kept() -> None:
    assert kind(np.cumsum(RANDOM.integers(1, 50, 40))) == "number"


def test_what_is_said_of_a_column_counts() -> None:
    rows = np.arange(40)
    assert kind(rows, numerical=["a"]) == "number"
    assert kind([f"name {i}" for i in rows], categorical=["a"]) == "category"
    assert kind(RANDOM.normal(size=40), drop=["a"]) == "left out"
    with pytest.raises(FastMLPError, match=r"^drop: expected columns of a, other, got 'b'"):
        kind(rows, drop=["b"])
    with pytest.raises(FastMLPError, match=r"^drop: expected column 'a' once"):
        kind(rows, drop=["a"], numerical=["a"])
    with pytest.raises(FastMLPError, match=r"^drop: expected a sequence"):
        kind(rows, drop="a")


def test_no_column_left_is_an_error() -> None:
    with pytest.raises(
        FastMLPError, match=r"^X: expected a column that can help, got column 'a' is"
    ):
        TableEncoder().fit(pd.DataFrame({"a": [1, 1, 1]}))


def test_many_columns_of_bytes_are_pixels() -> None:
    pixels = RANDOM.integers(0, 256, (30, 80)) * (RANDOM.random((30, 80)) < 0.3)
    encoder = TableEncoder().fit(pixels)
    assert encoder.messages_ == ["80 columns of integers from 0 to 255: pixels, / 255"]
    np.testing.assert_allclose(dense(encoder.transform(pixels)), pixels / 255, rtol=1e-6)
    assert scipy.sparse.issparse(encoder.transform(pixels))
    counts = np.minimum(pixels, 9)
    assert TableEncoder().fit(counts).columns_[0].kind == "number"


def test_data_of_another_unit_are_warned_of() -> None:
    pixels = RANDOM.integers(0, 256, (30, 80))
    with pytest.warns(UserWarning, match=r"^columns far outside what was fitted.*x0, x1"):
        TableEncoder().fit(pixels).transform(pixels / 255.0)
    frame = pd.DataFrame({"metres": RANDOM.normal(170, 10, 100), "b": RANDOM.normal(size=100)})
    encoder = TableEncoder().fit(frame)
    with pytest.warns(UserWarning, match=r"the same\? metres$"):
        encoder.transform(frame.assign(metres=frame.metres / 100))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in (1, 5, 20, 100):
            encoder.transform(frame[:n])
        encoder.transform(frame.assign(b=0.0))


# Frames and arrays.


@pytest.mark.parametrize("as_other", [pl.from_pandas, pa.Table.from_pandas])
def test_pandas_polars_and_pyarrow_give_the_same_bits(as_other: Any) -> None:
    frame = mixed()
    encoder = TableEncoder().fit(frame)
    other = TableEncoder().fit(as_other(frame))
    assert other.columns_ == encoder.columns_
    wanted = dense(encoder.transform(frame))
    assert_array_equal(dense(other.transform(as_other(frame))), wanted)
    assert_array_equal(dense(encoder.transform(as_other(frame))), wanted)


def test_columns_are_known_by_name() -> None:
    frame = mixed()
    encoder = TableEncoder().fit(frame)
    other = frame[frame.columns[::-1]].assign(more=1.0)
    assert_array_equal(dense(encoder.transform(other)), dense(encoder.transform(frame)))
    with pytest.raises(FastMLPError, match=r"^X: expected a column 'price', as fitted, got count"):
        encoder.transform(frame.drop(columns="price"))


def test_columns_of_one_name_are_refused() -> None:
    frame = pd.DataFrame([[1.0, 2.0], [3.0, 5.0]], columns=["a", "a"])
    with pytest.raises(
        FastMLPError, match=r"^X: expected columns of different names, got 'a' twice"
    ):
        TableEncoder().fit(frame)


def test_nested_columns_are_refused() -> None:
    with pytest.raises(FastMLPError, match=r"in column 'a'"):
        TableEncoder().fit(pd.DataFrame({"a": [[1], [2]], "b": [1, 2]}))
    with pytest.raises(FastMLPError, match=r"in column 'a'"):
        TableEncoder().fit(pl.DataFrame({"a": [[1], [2]]}))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_gives_a_frame(library: str) -> None:
    frame = pd.DataFrame({"a": [f"w{i % 30}" for i in range(90)]})
    encoder = TableEncoder().fit(frame)
    found = encoder.set_output(transform=library).transform(frame)
    assert type(found).__module__.startswith(library)
    assert list(found.columns) == encoder.get_feature_names_out().tolist()


def test_it_is_cloned_pickled_and_the_first_step_of_a_pipeline() -> None:
    frame = mixed()
    encoder = TableEncoder(max_categories=9).fit(frame)
    assert clone(encoder).max_categories == 9
    twin = pickle.loads(pickle.dumps(encoder))
    assert_array_equal(dense(twin.transform(frame)), dense(encoder.transform(frame)))
    model = make_pipeline(TableEncoder(), MLPClassifier((5,), solver="lbfgs", random_state=0))
    assert model.fit(frame, frame.sold).score(frame, frame.sold) > 0.9


# Its state as JSON.


def test_a_round_trip_through_json_gives_the_same_bits() -> None:
    frame = mixed()
    encoder = TableEncoder().fit(frame)
    state = json.loads(json.dumps(encoder.to_dict(), allow_nan=False))
    twin = TableEncoder.from_dict(state)
    assert twin.columns_ == encoder.columns_
    assert_array_equal(twin.get_feature_names_out(), encoder.get_feature_names_out())
    assert_array_equal(dense(twin.transform(frame)), dense(encoder.transform(frame)))
    assert twin.to_dict() == encoder.to_dict()


def test_a_damaged_state_is_refused_in_one_line() -> None:
    state = TableEncoder().fit(mixed()).to_dict()
    damaged: list[Any] = [None, [], {}, {**state, "version": 2}]
    for key, value in state.items():
        damaged += [{k: v for k, v in state.items() if k != key}]
        if isinstance(value, list | dict):
            damaged += [{**state, key: None}, {**state, key: [1]}, {**state, key: value and "x"}]
    numbers = state["numbers"]
    for key in numbers:
        damaged += [{**state, "numbers": {**numbers, key: bad}} for bad in (None, [], [1e400], "x")]
    for bad in damaged:
        with pytest.raises(fastmlp.DataError, match=r"^encoder: expected .*") as caught:
            TableEncoder.from_dict(bad)
        assert "\n" not in str(caught.value)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5),
    st.sampled_from(["?", "NA", "1,5", "$3", "2026-01-01", "00501"]), st.dates(), st.datetimes(),
    st.timedeltas(), st.binary(max_size=3), st.complex_numbers(),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 30).flatmap(
    lambda n: st.dictionaries(st.text(max_size=3), st.one_of(
        st.lists(VALUES, min_size=n, max_size=n),
        *(st.lists(one, min_size=n, max_size=n) for one in VALUES.element_strategies),
    ), max_size=4)
))  # fmt: skip
def test_frames_of_all_kinds_raise_nothing_but_errors_of_ours(columns: dict[str, Any]) -> None:
    frame = pd.DataFrame(
        {name: pd.Series(values, dtype=object) for name, values in columns.items()}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for table in (frame, frame.infer_objects()):
            try:
                encoder = TableEncoder().fit(table)
            except FastMLPError:
                continue
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="columns far outside")
                found = dense(encoder.transform(table))
            assert found.shape == (len(table), len(encoder.get_feature_names_out()))
            assert np.isfinite(found).all()
