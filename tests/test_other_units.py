"""Data in other units than those a network was trained on are warned of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastmlp
from fastmlp import cli

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (40, 9)).astype(np.uint8)
LABELS = np.arange(40) % 2


@pytest.fixture
def model(tmp_path: Path) -> Path:
    np.savez(tmp_path / "bytes.npz", x=PIXELS, y=LABELS)
    np.savez(tmp_path / "shares.npz", x=PIXELS / 255, y=LABELS)
    words = ["train", tmp_path / "bytes.npz", "--epochs", "1", "--quiet", "--out", tmp_path / "m"]
    assert cli.main([str(word) for word in words]) == 0
    return tmp_path / "m"


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_bytes_and_shares_are_told_apart(
    model: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert cli.main([command, str(model), str(model.with_name("bytes.npz"))]) == 0
    assert capsys.readouterr().err == ""
    assert cli.main([command, str(model), str(model.with_name("shares.npz"))]) == 0
    error = capsys.readouterr().err
    assert error.startswith("fastmlp: warning: values are around 0.")
    assert error.endswith("is their unit the same?\n")
    assert error.count("\n") == 1


def test_the_size_of_the_first_data_is_kept(model: Path) -> None:
    net = fastmlp.Network.load(model)
    assert 100 < net.input_size < 150
    fastmlp.Trainer(net).fit(PIXELS / 1e6, LABELS, epochs=1)
    assert 100 < net.input_size < 150
    assert fastmlp.Network([2, 2]).input_size == 0.0


def test_numbers_that_are_no_classes_name_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "n.npz", x=PIXELS, y=LABELS * 1.0)
    assert cli.main(["train", str(tmp_path / "n.npz"), "--output", "softmax"]) == 2
    expected = "--output: expected identity or sigmoid, as the targets are numbers, got softmax"
    assert expected in capsys.readouterr().err
