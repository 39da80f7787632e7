"""A small table as people have it, and its rows in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest


def people(n: int = 300, seed: int = 0) -> pd.DataFrame:
    """Return a table whose income follows from the other columns, with gaps and noise."""
    random = np.random.default_rng(seed)
    age = random.integers(18, 80, n).astype(float)
    town = random.choice(["Ur", "Uruk", "Kish"], n)
    since = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 900, n), "D")
    frame = pd.DataFrame(
        {
            "id": [f"p{i:04}" for i in range(n)],
            "age": np.where(random.random(n) < 0.1, np.nan, age),
            "town": np.where(random.random(n) < 0.1, None, town),
            "since": since.strftime("%Y-%m-%d"),
            "fee": [f"$ {100 + i % 7}.50" for i in range(n)],
        }
    )
    income = 1000.0 * (age + 30 * (town == "Ur"))
    frame["income"] = np.round(income + random.normal(0, 2000, n), 2)
    frame["rich"] = np.where(frame.income > frame.income.median(), "yes", "no")
    return frame


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    people().to_csv(path, index=False)
    return path
