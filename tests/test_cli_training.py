"""The command line at work: training, measuring and predicting, run as processes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastmlp import cli

COMMAND = [sys.executable, "-m", "fastmlp"]


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `fastmlp` with these words, in this process: what a process of its own adds takes 2 s."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("default")
        status = cli.main([str(word) for word in words])
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


def succeed(*words: str | Path) -> subprocess.CompletedProcess[str]:
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def fail(*words: str | Path) -> str:
    """Return the one line that a user's mistake is answered with."""
    done = run(*words)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("fastmlp: error: ")
    return lines[0]


def last_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    result = json.loads(done.stdout.splitlines()[-1], parse_constant=refuse)
    assert isinstance(result, dict)
    return result


@pytest.fixture(scope="module")
def words_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clouds of points, labelled with words."""
    random = np.random.default_rng(0)
    labels = np.array(["cat", "dog"] * 100)
    x = random.normal(size=(200, 4)) + np.where(labels == "cat", 2.0, -2.0)[:, None]
    path = tmp_path_factory.mktemp("data") / "words.npz"
    np.savez(path, x=x.astype(np.float32), y=labels)
    return path


@pytest.fixture(scope="module")
def numbers_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear function to learn."""
    x = np.random.default_rng(1).normal(size=(200, 3))
    path = tmp_path_factory.mktemp("data") / "numbers.npz"
    np.savez(path, x=x, y=x @ [1.0, -2.0, 0.5])
    return path


@pytest.fixture(scope="module")
def model(words_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that tells the two clouds apart."""
    path = tmp_path_factory.mktemp("model") / "words.safetensors"
    succeed("train", words_npz, "--hidden", "8", "--epochs", "30", "--out", path, "--quiet")
    return path


def test_training_does_not_overwrite_its_own_data(words_npz: Path) -> None:
    before = words_npz.read_bytes()
    assert "other than that of DATA" in fail("train", words_npz, "--out", words_npz)
    assert words_npz.read_bytes() == before


def test_train_without_a_flag_learns_digits() -> None:
    done = succeed("train")
    said = re.search(r"^held-out accuracy (\d\.\d+), loss ", done.stdout, re.MULTILINE)
    assert said is not None
    assert float(said[1]) >= 0.96
    lines = [line for line in done.stderr.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 60
    assert re.fullmatch(
        r"epoch 60/60  loss \d\.\d+  accuracy \d\.\d{4}  held-out accuracy \d\.\d{4}  "
        r"[\d,]+ samples/s",
        lines[-1],
    )


def test_the_last_line_is_the_json_object_and_the_files_agree_with_it(tmp_path: Path) -> None:
    out, history, plot = tmp_path / "m.safetensors", tmp_path / "h.csv", tmp_path / "p.png"
    words = ("--epochs", "4", "--out", out, "--history", history, "--plot", plot)
    done = succeed("train", "digits", *words, "--json", "--quiet")
    assert done.stderr == ""
    result = last_json(done)
    assert result["epochs"] == 4
    assert result["steps"] == 4 * 11
    assert 0 < result["seconds"] < 60
    assert result["model"] == str(out)
    with history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert float(rows[-1]["loss"]) == result["loss"]
    assert float(rows[-1]["validation_accuracy"]) == result["accuracy"]
    assert plot.read_bytes()[:4] == b"\x89PNG"

    measured = last_json(succeed("evaluate", out, "digits", "--json"))
    assert measured["accuracy"] == result["accuracy"]
    assert measured["loss"] == pytest.approx(result["held_out_loss"], rel=1e-6)


def test_the_seed_decides_and_the_threads_do_not() -> None:
    words = ("train", "--epochs", "2", "--json", "--quiet")
    first, again, threads, other = (
        last_json(succeed(*words, *more))["loss"]
        for more in (("--seed", "3"), ("--seed", "3"), ("--seed", "3", "--threads", "1"), ())
    )
    assert first == again == threads
    assert first != other


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam", "adamw"])
def test_every_optimizer_learns_with_its_own_learning_rate(words_npz: Path, optimizer: str) -> None:
    words = ("--optimizer", optimizer, "--epochs", "20", "--batch-size", "16", "--hidden", "8")
    assert last_json(succeed("train", words_npz, *words, "--json", "--quiet"))["accuracy"] > 0.9


def test_max_seconds_stops_training_early() -> None:
    words = ("--epochs", "1000000", "--max-seconds", "0.3", "--json", "--quiet")
    result = last_json(succeed("train", *words))
    assert 0.3 <= result["seconds"] < 3
    assert result["epochs"] < 1000000


def test_patience_ends_a_training_and_the_best_network_is_saved(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    np.savez(tmp_path / "noise.npz", x=random.normal(size=(80, 4)), y=["cat", "dog"] * 40)
    out, kept = tmp_path / "m.safetensors", tmp_path / "h.csv"
    words = ("--hidden", "32", "--batch-size", "8", "--learning-rate", "0.02", "--epochs", "500")
    early = ("--schedule", "one_cycle", "--patience", "5", "--restore-best")
    saved = ("--out", out, "--history", kept, "--json", "--quiet")
    result = last_json(succeed("train", tmp_path / "noise.npz", *words, *early, *saved))
    with kept.open(newline="") as file:
        losses = [float(row["validation_loss"]) for row in csv.DictReader(file)]
    assert 5 < len(losses) == result["epochs"] < 500
    assert np.argmin(losses) == len(losses) - 6
    assert result["held_out_loss"] == min(losses)
    measured = last_json(succeed("evaluate", out, tmp_path / "noise.npz", "--json"))
    assert measured["loss"] == pytest.approx(min(losses), rel=1e-6)


@pytest.mark.parametrize("words", [("--patience", "3"), ("--restore-best",)])
def test_without_a_held_out_part_no_epoch_is_the_best(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    np.savez(tmp_path / "d.npz", x_train=np.eye(4), y_train=[0, 1, 0, 1])
    said = f"{words[0]}: expected data with a held-out part, got {tmp_path / 'd.npz'}"
    assert said in fail("train", tmp_path / "d.npz", *words)


def test_words_as_labels_go_through_train_evaluate_and_predict(
    model: Path, words_npz: Path, tmp_path: Path
) -> None:
    with np.load(words_npz) as data:
        x, y = data["x"], data["y"]
    np.save(tmp_path / "x.npy", x)
    predicted = succeed("predict", model, tmp_path / "x.npy").stdout.splitlines()
    assert len(predicted) == len(y)
    accuracy = float(np.mean(np.array(predicted) == y))
    assert accuracy > 0.9
    done = succeed("evaluate", model, words_npz, "--part", "all", "--json")
    assert last_json(done)["accuracy"] == pytest.approx(accuracy)
    assert last_json(done)["samples"] == len(y)
    assert done.stdout.startswith(f"accuracy {accuracy:.4f}, loss ")


def test_predictions_are_the_same_in_each_format(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(4, dtype=np.float32))
    words = ("predict", model, tmp_path / "x.npy", "--proba")
    printed = succeed(*words).stdout
    assert succeed(*words, "--out", tmp_path / "p.csv").stdout == ""
    assert (tmp_path / "p.csv").read_text() == printed
    succeed(*words, "--out", tmp_path / "p.npy")
    probabilities = np.load(tmp_path / "p.npy")
    assert probabilities.shape == (4, 2)
    assert "other than that of INPUT" in fail(*words, "--out", tmp_path / "x.npy")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    rows = np.array([line.split(",") for line in printed.splitlines()], dtype=np.float32)
    np.testing.assert_array_equal(rows, probabilities)


def test_labels_are_matched_by_name_not_by_position(model: Path, tmp_path: Path) -> None:
    """A file with only the second class must not be taken for one with only the first."""
    x = np.full((8, 4), -2.0, np.float32)
    np.savez(tmp_path / "dogs.npz", x=x, y=np.array(["dog"] * 8))
    words = ("--part", "all", "--json")
    assert last_json(succeed("evaluate", model, tmp_path / "dogs.npz", *words))["accuracy"] == 1
    np.savez(tmp_path / "cows.npz", x=x, y=np.array(["cow"] * 8))
    assert "expected classes among cat, dog, got cow" in fail(
        "evaluate", model, tmp_path / "cows.npz"
    )


def test_another_loss_is_measured_as_it_was_trained(words_npz: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    words = ("--loss", "squared_error", "--epochs", "5", "--out", out, "--json", "--quiet")
    loss = last_json(succeed("train", words_npz, *words))["held_out_loss"]
    words = ("evaluate", out, words_npz, "--json")
    assert last_json(succeed(*words, "--loss", "squared_error"))["loss"] == loss
    assert last_json(succeed(*words))["loss"] != loss


def test_numbers_as_targets_are_regression(numbers_npz: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    words = ("--hidden", "none", "--learning-rate", "0.1", "--epochs", "200", "--out", out)
    done = succeed("train", numbers_npz, *words, "--json")
    result = last_json(done)
    assert result["accuracy"] is None
    assert result["held_out_loss"] < 1e-3
    assert done.stdout.startswith("held-out loss ")
    assert "accuracy" not in done.stderr
    np.save(tmp_path / "x.npy", np.eye(3))
    predicted = [float(line) for line in succeed("predict", out, tmp_path / "x.npy").stdout.split()]
    np.testing.assert_allclose(predicted, [1.0, -2.0, 0.5], atol=0.05)


def test_a_network_of_numbers_is_measured_on_the_numbers_of_classes(tmp_path: Path) -> None:
    from fastmlp import Network

    net = Network([64, 1], output="identity", init="zeros")
    net.save(tmp_path / "m")
    digits = last_json(succeed("evaluate", tmp_path / "m", "digits", "--part", "all", "--json"))
    assert digits["loss"] == pytest.approx(28.5, rel=0.02)  # the mean square of 0 to 9
    np.savez(tmp_path / "x.npz", x=np.zeros((20, 64)), y=np.arange(20) % 2 + 100)
    words = ("evaluate", tmp_path / "m", tmp_path / "x.npz", "--json")
    assert last_json(succeed(*words))["loss"] == pytest.approx(100.5**2, rel=0.01)
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 64)), y=np.array(["a", "b"] * 2))
    assert "y: expected numbers, got strings" in fail(*words)


def test_words_are_no_targets_for_an_identity_output(words_npz: Path) -> None:
    said = fail("train", words_npz, "--output", "identity")
    assert "expected numbers, got strings" in said


def test_a_wrong_number_of_columns_is_one_line(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 5), np.float32))
    said = fail("predict", model, tmp_path / "x.npy")
    assert "4" in said
    assert "5" in said


def test_data_of_a_single_class_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "dogs.npz", x=np.ones((8, 4), np.float32), y=np.array(["dog"] * 8))
    assert "DATA: expected at least 2 classes, got 1: dog" in fail("train", tmp_path / "dogs.npz")


def test_a_model_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("not a model")
    assert str(tmp_path / "m") in fail("evaluate", tmp_path / "m", "digits")


def test_divergence_is_told_without_a_traceback() -> None:
    words = ("--optimizer", "sgd", "--learning-rate", "1e6", "--epochs", "3", "--quiet", "--json")
    done = run("train", *words)
    assert done.returncode in (0, 2)
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert "epoch" in lines[0]
    assert "learning" in lines[0]


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A training that does not end by itself, past its first epoch."""
    words = ["train", "--epochs", "10000000", "--out", "m", "--history", "h.csv", "--plot", "p.png"]
    out = [str(tmp_path / word) if word in ("m", "h.csv", "p.png") else word for word in words]
    process = subprocess.Popen(
        [*COMMAND, *out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("epoch 1/")
    yield process
    process.kill()
    process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is sent as POSIX does")
def test_ctrl_c_saves_what_was_asked_for_and_exits_130(
    endless: subprocess.Popen[str], tmp_path: Path
) -> None:
    endless.send_signal(signal.SIGINT)
    out, err = endless.communicate(timeout=60)
    assert endless.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("fastmlp: interrupted; model saved to ")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["h.csv", "m", "p.png"]
    with (tmp_path / "h.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) >= 1
    accuracy = last_json(succeed("evaluate", tmp_path / "m", "digits", "--json"))["accuracy"]
    assert accuracy > 0.2


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal is POSIX")
def test_a_terminal_gets_a_bar() -> None:
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "train", "--epochs", "5", "--json"],
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
    )
    os.close(follower)
    shown = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            part = os.read(leader, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(leader)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out.splitlines()[-1])["epochs"] == 5
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert "epoch 5/5" in text
    assert "samples/s" in text
    assert "accuracy 0." in text


def test_a_reader_that_stops_early_is_no_error(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((200_000, 4), np.float32))
    process = subprocess.Popen(
        [*COMMAND, "predict", str(model), str(tmp_path / "x.npy")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": ""},  # unbuffered, Python takes half a write for one
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=60) == 141
