"""Folders of images: what they become, and what is refused in which words."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastmlp.cli import main
from fastmlp.datasets import load_image_folder
from fastmlp.errors import DataError
from fastmlp.files import load_named

RNG = np.random.default_rng(0)


def put(path: Path, pixels: np.ndarray) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def grey(height: int = 6, width: int = 5) -> np.ndarray:
    return RNG.integers(0, 256, (height, width), dtype=np.uint8)


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        load_image_folder(folder)
    message = str(caught.value)
    assert "\n" not in message
    for word in ("expected", "got", *words):
        assert word in message


@pytest.mark.parametrize("valid", ["valid", "validation", "test", "testing"])
def test_train_and_valid_are_the_two_parts(tmp_path: Path, valid: str) -> None:
    threes = [put(tmp_path / "train" / "3" / f"{i}.png", grey()) for i in range(3)]
    tens = [put(tmp_path / "train" / "10" / f"{i}.png", grey()) for i in range(2)]
    held = put(tmp_path / valid / "10" / "a.PNG", grey())
    (tmp_path / "train" / "3" / "notes.txt").write_text("not an image")
    (tmp_path / "train" / "3" / ".hidden.png").write_text("not an image")
    (tmp_path / "labels.csv").write_text("name,label")
    data = load_image_folder(tmp_path)
    assert data.classes.tolist() == [3, 10]
    # Folders in the order of their names, files too.
    np.testing.assert_array_equal(data.x_train, np.reshape([*tens, *threes], (5, 30)))
    np.testing.assert_array_equal(data.y_train, [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(data.x_test, held.reshape(1, 30))
    np.testing.assert_array_equal(data.y_test, [1])
    assert data.x_train.dtype == np.uint8
    assert data.input_scale == 1 / 255


def test_without_parts_a_quarter_is_held_out(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for i in range(8):
            put(tmp_path / name / f"{i}.jpg", grey())
    data = load_named(tmp_path)
    assert data.classes.tolist() == ["cat", "dog"]
    assert np.bincount(data.y_train).tolist() == [6, 6]
    assert np.bincount(data.y_test).tolist() == [2, 2]
    assert data.name == str(tmp_path)


def test_colours_are_three_features_a_pixel(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (4, 3, 3), dtype=np.uint8)
    put(tmp_path / "train" / "a" / "1.png", pixels)
    data = load_image_folder(tmp_path)
    np.testing.assert_array_equal(data.x_train, pixels.reshape(1, 36))
    assert len(data.x_test) == 0
    assert data.x_test.shape == (0, 36)


def test_black_and_white_is_0_and_255(tmp_path: Path) -> None:
    put(tmp_path / "train" / "a" / "1.png", np.eye(3, dtype=bool))
    assert set(load_image_folder(tmp_path).x_train.ravel()) == {0, 255}


def test_the_command_line_trains_on_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(20):
        for name, ink in (("dark", 0), ("light", 255)):
            put(tmp_path / "in" / name / f"{i}.png", (grey() // 4 + ink // 2).astype(np.uint8))
    words = ["--epochs", "20", "--hidden", "4", "--learning-rate", "0.05", "--quiet"]
    assert main(["train", str(tmp_path / "in"), *words]) == 0
    assert "held-out accuracy 1.0000" in capsys.readouterr().out


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    refused(tmp_path, str(tmp_path), "train/3/a.png")
    (tmp_path / "train" / "a").mkdir(parents=True)
    refused(tmp_path, str(tmp_path))
    put(tmp_path / "train" / "a" / "1.png", grey())
    odd = tmp_path / "train" / "a" / "2.png"
    put(odd, grey(7))
    refused(tmp_path, str(odd), "5 x 6 grey pixels", "5 x 7 grey pixels")
    put(odd, RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8))
    refused(tmp_path, str(odd), "5 x 6 coloured pixels")
    put(odd, grey().astype(np.uint16))
    refused(tmp_path, str(odd), "8 bits")
    whole = (tmp_path / "train" / "a" / "1.png").read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2]):
        odd.write_bytes(damaged)
        refused(tmp_path, str(odd), "an image")


@pytest.mark.parametrize("other", ["train/007", "valid/007", "train/07"])
def test_two_folders_of_one_number_are_refused_by_their_names(tmp_path: Path, other: str) -> None:
    for name in ("train/3", "train/7", "valid/3", other):
        put(tmp_path / name / "a.png", grey())
    refused(tmp_path, str(tmp_path), "class 7", f"{Path(other).name} and 7")


def test_names_of_digits_too_long_for_a_number_are_words(tmp_path: Path) -> None:
    names = ["1" * 30, "2"]
    for name in names:
        for i in range(2):
            put(tmp_path / name / f"{i}.png", grey())
    assert load_image_folder(tmp_path).classes.tolist() == names


def test_a_file_too_small_for_its_pixels_is_refused_before_they_have_memory(tmp_path: Path) -> None:
    path = tmp_path / "train" / "a" / "1.bmp"
    put(path, grey())
    content = bytearray(path.read_bytes())
    content[22:26] = (1 << 21).to_bytes(4, "little")  # its height
    path.write_bytes(content)
    refused(tmp_path, str(path), "5 x 2097152")


def test_one_colour_may_be_packed_tightly(tmp_path: Path) -> None:
    pixels = np.zeros((3000, 3000), np.uint8)
    path = tmp_path / "train" / "a" / "1.png"
    put(path, pixels)
    assert path.stat().st_size < pixels.size / 900
    assert load_image_folder(tmp_path).x_train.shape == (1, pixels.size)


def test_without_pillow_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "train" / "a" / "1.png", grey())
    for name in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, name, None)
    refused(tmp_path, 'pip install "fastmlp[data]"')
