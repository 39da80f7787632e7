"""TableClassifier and TableRegressor: two lines from a frame to predictions, and their files."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastmlp
from fastmlp import DataError, FastMLPError, TableClassifier, TableRegressor
from fastmlp.tables.files import load_model
from tests.tables.conftest import people

FRAME = people()
X = FRAME.drop(columns=["income", "rich"])
QUICK: dict[str, Any] = {"hidden_layer_sizes": (16,), "max_iter": 20, "random_state": 0}


# As of scikit-learn's own estimators that draw batches: a weight of 0 takes a place in a batch.
WEIGHTS = dict.fromkeys(
    ("check_sample_weight_equivalence_on_dense_data",), "rows are shuffled into batches"
)


@parametrize_with_checks(
    [TableClassifier(random_state=0), TableRegressor(random_state=0)],
    expected_failed_checks=lambda estimator: WEIGHTS,
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="columns far outside|words unknown")
        check(estimator)


def test_a_frame_is_learnt_as_it_is() -> None:
    new = people(200, seed=1)
    classifier = TableClassifier(random_state=0).fit(X, FRAME.rich)
    assert classifier.score(new, new.rich) > 0.85
    assert classifier.predict(new).dtype.kind in "UO"
    assert_array_equal(classifier.classes_, ["no", "yes"])
    regressor = TableRegressor(random_state=0).fit(X, FRAME.income)
    assert regressor.score(new, new.income) > 0.75


def test_numbers_are_predicted_in_their_own_unit() -> None:
    model = TableRegressor(**QUICK).fit(X, FRAME.income)
    small = TableRegressor(**QUICK).fit(X, FRAME.income / 1e6 + 5)
    np.testing.assert_allclose(small.predict(X), model.predict(X) / 1e6 + 5, rtol=1e-4)


def test_the_best_epoch_on_rows_held_out_is_kept() -> None:
    model = TableClassifier(random_state=0).fit(X, FRAME.rich)
    held = model.held_out_rows_
    assert len(held) == pytest.approx(0.15 * len(X), abs=2)
    shares = (FRAME.rich.iloc[held] == "yes").mean(), (FRAME.rich == "yes").mean()
    assert shares[0] == pytest.approx(shares[1], abs=0.02)
    p = model.predict_proba(X.iloc[held])
    labels = (FRAME.rich.iloc[held] == "yes").astype(int)
    loss = -np.log(p[np.arange(len(held)), labels]).mean()
    assert loss == pytest.approx(min(model.histories_[0].validation_loss), rel=1e-4)


def test_few_rows_are_all_trained_on() -> None:
    model = TableClassifier(**QUICK).fit(X[:20], FRAME.rich[:20])
    assert len(model.held_out_rows_) == 0


def test_an_ensemble_is_the_mean_of_its_networks() -> None:
    model = TableRegressor(ensemble=3, **QUICK).fit(X, FRAME.income)
    x = model.encoder_.transform(X)
    outputs = np.mean([net.predict_proba(x)[:, 0] for net in model.networks_], axis=0)
    np.testing.assert_allclose(model.predict(X), outputs * model.scale_ + model.mean_, rtol=1e-6)
    assert len({net.weights[0].sum() for net in model.networks_}) == 3
    again = TableRegressor(ensemble=3, n_jobs=1, **QUICK).fit(X, FRAME.income)
    assert_array_equal(again.predict(X), model.predict(X))


def test_what_ends_one_network_of_an_ensemble_ends_all() -> None:
    class Interrupt:
        def on_epoch_end(self, trainer: Any, history: Any) -> None:
            raise KeyboardInterrupt

    model = TableRegressor(ensemble=2, callbacks=[Interrupt()], **QUICK | {"max_iter": 10**6})
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, FRAME.income)
    assert np.isfinite(model.predict(X)).all()


def test_sample_weights_count() -> None:
    weight = np.where(FRAME.town == "Ur", 1.0, 0.0)
    model = TableRegressor(**QUICK).fit(X, FRAME.income, sample_weight=weight)
    other = TableRegressor(**QUICK).fit(X, FRAME.income)
    assert not np.array_equal(model.predict(X), other.predict(X))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ensemble": 0}, r"^ensemble: expected"),
        ({"validation_fraction": 0.9}, r"^validation_fraction: expected"),
        ({"max_categories": 1}, r"^max_categories: expected"),
        ({"activation": "cube"}, r"^hidden: expected"),
        ({"categorical": ["height"]}, r"^categorical: expected columns of"),
        ({"max_iter": -1}, r"^epochs: expected"),
    ],
)
def test_arguments_are_refused_by_name(options: Any, message: str) -> None:
    with pytest.raises(FastMLPError, match=message):
        TableClassifier(**options).fit(X, FRAME.rich)


def test_targets_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^y: expected at least 2 classes"):
        TableClassifier().fit(X, ["a"] * len(X))
    with pytest.raises(ValueError, match=r"^y: expected numbers"):
        TableRegressor().fit(X, FRAME.rich)
    with pytest.raises(ValueError, match="squares can be added up"):
        TableRegressor().fit(X, np.linspace(-1e300, 1e300, len(X)))


def test_it_is_cloned_pickled_and_cross_validated() -> None:
    model = TableRegressor(**QUICK).fit(X, FRAME.income)
    assert clone(model).get_params() == model.get_params()
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    assert cross_val_score(TableRegressor(**QUICK), X, FRAME.income, cv=3).mean() > 0.5


# Files.


@pytest.mark.parametrize("members", [1, 2])
def test_a_file_gives_the_same_bits(tmp_path: Path, members: int) -> None:
    path = tmp_path / "m.safetensors"
    classifier = TableClassifier(ensemble=members, **QUICK).fit(X, FRAME.rich)
    classifier.save(path)
    loaded = TableClassifier.load(path)
    assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    assert_array_equal(loaded.predict(X), classifier.predict(X))
    regressor = TableRegressor(ensemble=members, **QUICK).fit(X, FRAME.income)
    regressor.save(path)
    assert_array_equal(load_model(path).predict(X), regressor.predict(X))


@pytest.mark.parametrize("classes", [[1, 5], [False, True], ["a", "b"]])
def test_classes_keep_their_type(tmp_path: Path, classes: list[Any]) -> None:
    y = np.array(classes)[np.arange(len(X)) % 2]
    TableClassifier(**QUICK | {"max_iter": 1}).fit(X, y).save(tmp_path / "m")
    assert TableClassifier.load(tmp_path / "m").classes_.tolist() == classes


def test_another_kind_of_file_names_the_class_to_use(tmp_path: Path) -> None:
    path = tmp_path / "m"
    TableRegressor(**QUICK | {"max_iter": 1}).fit(X, FRAME.income).save(path)
    with pytest.raises(DataError, match=r"use fastmlp\.TableRegressor\.load$"):
        fastmlp.Network.load(path)
    with pytest.raises(DataError, match=r"expected a TableClassifier, got a TableRegressor"):
        TableClassifier.load(path)
    fastmlp.Network([2, 1], output="identity").save(path)
    with pytest.raises(DataError, match=r"use Network\.load$"):
        TableRegressor.load(path)
    assert isinstance(load_model(path), fastmlp.Network)


def test_a_damaged_description_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m"
    TableClassifier(ensemble=2, **QUICK | {"max_iter": 1}).fit(X, FRAME.rich).save(path)
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    whole = json.loads(metadata["description"])
    damaged = [
        {**whole, "table": 2}, {**whole, "encoder": None}, {**whole, "networks": []},
        {**whole, "networks": whole["networks"][:1] * 3}, {**whole, "target": {"classes": ["a"]}},
        {**whole, "target": {"mean": 0.0, "scale": 1.0}}, {**whole, "target": {"mean": 0.0}},
        {**whole, "target": {"classes": [["a"], ["b"]]}}, {**whole, "target": 3},
        *({name: value for name, value in whole.items() if name != key} for key in whole),
    ]  # fmt: skip
    for description in damaged:
        save_file(tensors, path, metadata | {"description": json.dumps(description)})
        with pytest.raises(DataError) as caught:
            load_model(path)
        assert "\n" not in str(caught.value)
