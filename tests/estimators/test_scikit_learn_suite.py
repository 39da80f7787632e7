"""scikit-learn's own tests of its MLP estimators, run on ours.

The module that is installed with scikit-learn is executed with our classes in the place of its own.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

# Tests that use what is private to scikit-learn's classes, each with the reason.
PRIVATE = {
    "test_gradient": "calls _loss_grad_lbfgs with arrays that scikit-learn's own fit allocates",
}
THEIRS = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
OURS = "from fastmlp import MLPClassifier, MLPRegressor"


def _theirs() -> ModuleType:
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text("utf-8")
    assert source.count(THEIRS) == 1
    module = ModuleType("scikit_learn_test_mlp")
    exec(compile(source.replace(THEIRS, OURS), spec.origin, "exec"), module.__dict__)
    return module


_MODULE = _theirs()
_TESTS = {name for name in vars(_MODULE) if name.startswith("test_")}
# Those that fit many models and take seconds each: the others cover what is ours.
_LONG = {"test_multilabel_classification", "test_n_iter_no_change", "test_n_iter_no_change_inf"}
for _name in sorted(_TESTS - set(PRIVATE)):
    _test = getattr(_MODULE, _name)
    globals()[_name] = pytest.mark.slow(_test) if _name in _LONG else _test


@pytest.fixture(name="global_random_seed")
def _global_random_seed() -> int:
    """scikit-learn's fixture of that name, with its default seed."""
    return 42


@pytest.fixture(autouse=True)
def _warnings_as_in_scikit_learn() -> object:
    """Its tests do not turn warnings into errors."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        yield


def test_what_is_left_out_exists() -> None:
    assert set(PRIVATE) | _LONG <= _TESTS
    assert len(_TESTS) > 35


def test_ours_are_tested() -> None:
    import fastmlp

    assert _MODULE.MLPClassifier is fastmlp.MLPClassifier
    assert _MODULE.MLPRegressor is fastmlp.MLPRegressor
    np.testing.assert_equal(_MODULE.ACTIVATION_TYPES, ["identity", "logistic", "tanh", "relu"])
