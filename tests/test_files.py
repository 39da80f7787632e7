"""The user's own files: what is accepted, how it is split, what is refused and in which words."""

from __future__ import annotations

import io
import re
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fastmlp.errors import DataError, InvalidValueError
from fastmlp.files import load_file, load_inputs, load_named
from fastmlp.idx import write_idx

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5))
Y = np.tile([0, 1, 2, 3], 10)


def npz(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def table(folder: Path, suffix: str, frame: pd.DataFrame) -> Path:
    path = folder / f"data{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


def refused(path: Path, *words: str, load: Any = load_file, **options: Any) -> str:
    """Loading fails in one line that names the file and holds every word."""
    with pytest.raises((DataError, InvalidValueError)) as caught:
        load(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(path), "expected", "got", *words):
        assert word in message
    return message


# ------------------------------------------------------------------------------------------- .npz


def test_npz_with_its_own_split(tmp_path: Path) -> None:
    data = load_file(npz(tmp_path, x_train=X[:30], y_train=Y[:30], x_test=X[30:], y_test=Y[30:]))
    np.testing.assert_array_equal(data.x_train, X[:30])
    np.testing.assert_array_equal(data.x_test, X[30:])
    np.testing.assert_array_equal(data.y_test, Y[30:])
    np.testing.assert_array_equal(data.classes, [0, 1, 2, 3])
    assert data.y_train.dtype == np.int64
    assert data.input_scale == 1.0
    assert data.name.endswith("data.npz")


def test_npz_without_test_rows_trains_on_all(tmp_path: Path) -> None:
    data = load_file(npz(tmp_path, x_train=X, y_train=Y))
    assert data.x_train.shape == (40, 5)
    assert data.x_test.shape == (0, 5)
    assert data.y_test.shape == (0,)


def test_npz_without_a_split_holds_a_stratified_quarter_out(tmp_path: Path) -> None:
    path = npz(tmp_path, x=np.arange(40.0)[:, None], y=Y)
    data = load_file(path)
    assert np.bincount(data.y_test).tolist() == [3, 3, 3, 3]
    rows = np.append(data.x_train, data.x_test)
    np.testing.assert_array_equal(np.sort(rows), np.arange(40))
    np.testing.assert_array_equal(rows % 4, np.append(data.y_train, data.y_test))
    np.testing.assert_array_equal(load_file(path).x_test, data.x_test)
    assert not np.array_equal(load_file(path, seed=1).x_test, data.x_test)


def test_a_class_of_one_row_is_trained_on(tmp_path: Path) -> None:
    data = load_file(npz(tmp_path, x=X, y=np.append(Y[:39], 9)))
    assert 4 in data.y_train
    assert data.classes.tolist() == [0, 1, 2, 3, 9]


def test_regression_targets_stay_floats(tmp_path: Path) -> None:
    for y in (X[:, 0], X[:, :2], X[:, :1].astype(np.float32)):
        data = load_file(npz(tmp_path, x=X, y=y))
        assert len(data.classes) == 0
        assert data.y_train.dtype == y.dtype
        assert (len(data.x_train), len(data.x_test)) == (30, 10)
        assert data.y_train.shape == ((30, 2) if y.shape[1:] == (2,) else (30,))


@pytest.mark.parametrize(
    "y", [np.arange(40), Y.astype(np.uint8), np.eye(4, dtype=int)[Y], Y > 1, Y.astype(np.float32)]
)
def test_integers_are_numbers_where_numbers_are_asked_for(tmp_path: Path, y: np.ndarray) -> None:
    data = load_file(npz(tmp_path, x=np.arange(40.0)[:, None], y=y), numbers=True)
    assert data.classes.tolist() == []
    assert data.y_train.dtype == (np.float32 if y.dtype == np.float32 else np.float64)
    assert (len(data.x_train), len(data.x_test)) == (30, 10)
    np.testing.assert_array_equal(data.y_train, y[data.x_train[:, 0].astype(int)])
    given = npz(tmp_path, x_train=X, y_train=y, x_test=X[:3], y_test=y[:3])
    np.testing.assert_array_equal(load_named(given, numbers=True).y_test, y[:3])


def test_words_are_no_numbers(tmp_path: Path) -> None:
    path = npz(tmp_path, x=X, y=np.array(["a", "b"] * 20))
    refused(path, "y: expected numbers, got strings", numbers=True)


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.array(["b", "a", "b", "c"] * 10), ["a", "b", "c"]),
        (np.array([-1, 1, 1, 1] * 10), [-1, 1]),
        (np.array([True, False] * 20), [False, True]),
        (np.eye(4, dtype=int)[Y], [0, 1, 2, 3]),
        (np.eye(4)[Y], [0, 1, 2, 3]),
        (Y[:, None], [0, 1, 2, 3]),
    ],
    ids=["strings", "gaps", "bool", "one-hot", "one-hot floats", "column"],
)
def test_labels_become_indices_into_classes(tmp_path: Path, y: np.ndarray, classes: list) -> None:
    data = load_file(npz(tmp_path, x_train=X, y_train=y))
    assert data.classes.tolist() == classes
    assert data.y_train.dtype == np.int64
    labels = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.ravel()
    np.testing.assert_array_equal(data.classes[data.y_train], labels)


@pytest.mark.parametrize(
    "types",
    ["u1 u1", "f4 f4", "f8 f8", ">f4 f4", "f2 f4", "i2 f4", "i8 f8", "? f4"],
)
def test_types_of_features(tmp_path: Path, types: str) -> None:
    given, kept = types.split()
    x = (10 * np.abs(X)).astype(given)
    data = load_file(npz(tmp_path, x_train=x, y_train=Y))
    assert data.x_train.dtype == np.dtype(kept)
    assert data.input_scale == (1 / 255 if given == "u1" else 1.0)
    np.testing.assert_array_equal(data.x_train, x)


def test_images_are_flattened(tmp_path: Path) -> None:
    data = load_file(npz(tmp_path, x=np.zeros((40, 28, 28), np.uint8), y=Y))
    assert data.x_train.shape[1] == 784


def nan_at(row: int, column: int, value: float = np.nan) -> np.ndarray:
    x = X.copy()
    x[row, column] = value
    return x


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x_train": X, "labels": Y}, ["x_train and y_train, or x and y", "got x_train"]),
        ({"z": X}, ["got z"]),
        ({"x_train": X, "y_train": Y, "x_test": X}, ["x_test, y_test", "one"]),
        ({"x": X, "y": Y[:-1]}, ["y: ", "40", "(39,)"]),
        ({"x_train": X, "y_train": Y[:-1]}, ["y_train: ", "40", "(39,)"]),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y[1:]}, ["y_test: ", "40", "(39,)"]),
        ({"x_train": X, "y_train": Y, "x_test": X[:, 1:], "y_test": Y}, ["x_test: ", "5 ", "4 "]),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": ["a"] * 40}, ["y_test: ", "<U1"]),
        ({"x": nan_at(7, 3), "y": Y}, ["x: ", "got nan in row 7, column 3"]),
        ({"x": nan_at(0, 0, np.inf), "y": Y}, ["got inf in row 0, column 0"]),
        ({"x": X, "y": nan_at(9, 0)[:, 0]}, ["y: ", "got nan in row 9"]),
        ({"x": X[:0], "y": Y[:0]}, ["x: ", "(0, 5)"]),
        ({"x": X[:, :0], "y": Y}, ["x: ", "(40, 0)"]),
        ({"x": X[:, 0], "y": Y}, ["x: ", "(40,)"]),
        ({"x": X.astype(str), "y": Y}, ["x: expected numbers", "<U"]),
        ({"x": X.astype(complex), "y": Y}, ["x: expected numbers", "complex128"]),
        ({"x": X, "y": np.c_[Y, Y]}, ["y: expected one-hot"]),
        ({"x": X, "y": np.zeros((40, 0))}, ["y: ", "(40, 0)"]),
        ({"x": X.astype(object), "y": Y}, ["x: expected numbers or strings", "object"]),
    ],
)
def test_npz_that_cannot_be_trained_on(tmp_path: Path, arrays: dict, words: list[str]) -> None:
    refused(npz(tmp_path, **arrays), *words)


def test_a_pickle_in_an_archive_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (open, (str(tmp_path / "sprung"), "w"))

    path = tmp_path / "trap.npz"
    np.savez(path, x=np.array([Trap()], dtype=object), y=np.zeros(1))
    refused(path, "object")
    assert not (tmp_path / "sprung").exists()


def member(shape: tuple[int, ...], values: bytes = b"") -> bytes:
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + values


def test_archives_that_declare_too_much_cost_no_memory(tmp_path: Path) -> None:
    big, y = (1 << 20, 1 << 12), member((1,), b"\0")
    liar = tmp_path / "liar.npz"
    with zipfile.ZipFile(liar, "w") as archive:
        archive.writestr("x.npy", member(big))
        archive.writestr("y.npy", y)
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("x.npy", member(big))
        archive.writestr("y.npy", y)
    size = len(member(big))
    content = bomb.read_bytes().replace(
        size.to_bytes(4, "little") * 2,  # packed and unpacked size, in both of the zip's headers
        size.to_bytes(4, "little") + (size + (1 << 31)).to_bytes(4, "little"),
    )
    bomb.write_bytes(content)
    tracemalloc.start()
    try:
        refused(liar, "x: ", f"{size + (1 << 32)} bytes", f"got {size}")
        refused(bomb, "x: ", f"got {size + (1 << 31)}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_archives(tmp_path: Path, save: Any) -> None:
    path = tmp_path / "data.npz"
    save(path, x=X, y=Y)
    whole = path.read_bytes()
    at = len(whole) // 3
    flipped = whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]
    for content in (b"", b"rubbish", whole[:-30], whole[: len(whole) // 2], flipped):
        path.write_bytes(content)
        refused(path)


def test_missing_files(tmp_path: Path) -> None:
    for name in ("no.npz", "no.csv", "no.parquet"):
        refused(tmp_path / name, "No such file", target="t" if "npz" not in name else None)
        refused(tmp_path / name, "No such file", load=load_inputs)
    refused(tmp_path / "no.npy", "No such file", load=load_inputs)
    refused(tmp_path / "no.txt", ".txt")
    refused(tmp_path / "no.txt", ".txt", load=load_inputs)


# ------------------------------------------------------------------------------------- IDX folders


def idx_folder(folder: Path, suffix: str = ".gz", n: int = 20) -> Path:
    for part, rows in (("train", n), ("t10k", 8)):
        images = RNG.integers(0, 255, (rows, 4, 4), dtype=np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", np.arange(rows, dtype="u1") % 3)
    return folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_folder(tmp_path: Path, suffix: str) -> None:
    data = load_file(idx_folder(tmp_path, suffix))
    assert data.x_train.shape == (20, 16)
    assert data.x_test.shape == (8, 16)
    assert data.x_train.dtype == np.uint8
    assert data.y_train.dtype == np.int64
    assert data.input_scale == 1 / 255
    assert data.classes.tolist() == [0, 1, 2]
    assert load_file(tmp_path, numbers=True).y_test.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_idx_folder_that_lacks_a_file_or_rows(tmp_path: Path) -> None:
    path = idx_folder(tmp_path) / "t10k-labels-idx1-ubyte.gz"
    write_idx(path, np.zeros(7, np.uint8))
    refused(tmp_path, "y_test", "8", "(7,)")
    path.write_bytes(path.read_bytes()[:-9])
    assert str(path) in refused(tmp_path, "gzip")
    path.unlink()
    refused(tmp_path, "t10k-labels-idx1-ubyte")


# ------------------------------------------------------------------------------------------ tables

FRAME = pd.DataFrame(X, columns=list("abcde")).assign(kind=np.array(["no", "yes"] * 20))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables(tmp_path: Path, suffix: str) -> None:
    data = load_file(table(tmp_path, suffix, FRAME), target="kind")
    assert data.x_train.shape == (30, 5)
    assert data.x_test.shape == (10, 5)
    assert data.classes.tolist() == ["no", "yes"]
    lookup = {tuple(row): kind for row, kind in zip(X, FRAME["kind"], strict=True)}
    found = [lookup[tuple(row)] for row in data.x_test]
    assert data.classes[data.y_test].tolist() == found


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_targets_of_tables(tmp_path: Path, suffix: str) -> None:
    frame = FRAME[["a", "b"]].assign(number=X[:, 2], count=Y)
    frame["flag"] = pd.array([True, False] * 20, dtype="boolean")
    path = table(tmp_path, suffix, frame)
    assert load_file(path, target="count").classes.tolist() == [0, 1, 2, 3]
    assert load_file(path, target="flag").classes.tolist() == [False, True]
    assert load_file(path, target="number").classes.tolist() == []
    assert load_file(path, target="count", numbers=True).classes.tolist() == []
    assert load_file(path, target="number").x_train.shape == (30, 4)


def test_parquet_keeps_uint8(tmp_path: Path) -> None:
    frame = pd.DataFrame(RNG.integers(0, 255, (40, 3)).astype(np.uint8), columns=list("abc"))
    path = table(tmp_path, ".parquet", frame.assign(y=Y))
    data = load_file(path, target="y")
    assert data.x_train.dtype == np.uint8
    assert data.input_scale == 1 / 255


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_that_cannot_be_trained_on(tmp_path: Path, suffix: str) -> None:
    holes = FRAME.assign(kind=np.nan)
    refused(table(tmp_path, suffix, holes), "target 'kind'", "got none", target="kind")
    refused(table(tmp_path, suffix, FRAME.assign(kind="a")), "at least 2 classes", target="kind")
    endless = FRAME.copy()
    endless.loc[3, "b"] = np.inf
    refused(table(tmp_path, suffix, endless), "inf in row 3, column b", target="kind")
    refused(table(tmp_path, suffix, FRAME[["kind"]]), "(40, 0)", target="kind")
    refused(table(tmp_path, suffix, FRAME[:0]), "(0, 6)", target="kind")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_words_and_gaps_are_encoded_as_the_rows_to_train_on_have_them(
    tmp_path: Path, suffix: str
) -> None:
    frame = FRAME.assign(town=["Ur", "Uruk"] * 20, a=FRAME.a.where(FRAME.a > FRAME.a.min()))
    data = load_file(table(tmp_path, suffix, frame), target="kind")
    assert (len(data.x_train), len(data.x_test)) == (30, 10)
    assert data.x_train.shape[1] == data.x_test.shape[1] > 6
    assert data.classes.tolist() == sorted(set(FRAME.kind))
    numbers = load_file(table(tmp_path, suffix, frame), target="b")
    assert len(numbers.classes) == 0


def test_target_must_be_a_column(tmp_path: Path) -> None:
    path = table(tmp_path, ".csv", FRAME)
    refused(path, "target: ", "(a, b, c, d, e, kind)", "got 'price'", target="price")
    with pytest.raises(InvalidValueError, match=r"target: expected None .* got 'y'"):
        load_file(npz(tmp_path, x=X, y=Y), target="y")
    with pytest.raises(InvalidValueError, match=r"target: expected None .* got 'y'"):
        load_named("digits", target="y")


def test_damaged_tables(tmp_path: Path) -> None:
    for suffix, content in (
        (".csv", b""),
        (".csv", b"a,b\n1,2\n1,2,3,4\n"),
        (".csv", b"a,b\n\xff\xfe,2\n"),
        (".parquet", b""),
        (".parquet", b"PAR1 rubbish PAR1"),
    ):
        path = tmp_path / f"data{suffix}"
        path.write_bytes(content)
        refused(path, target="b")


@pytest.mark.parametrize(
    "text", ["a,b\n1,2,3\n4,5,6\n", "a,b\n1,2,3\n4,5\n", "b\n1,2\n", "a,b\n1,2,,,\n1,2\n"]
)
def test_rows_longer_than_the_names_are_not_shifted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    refused(path, "as many values in each row as there are names", target="b")
    refused(path, "as many values in each row as there are names", load=load_inputs)


def test_a_comma_at_the_end_of_each_row_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2,\n4,5,\n")
    np.testing.assert_array_equal(load_inputs(path), [[1, 2], [4, 5]])


@pytest.mark.parametrize("module", ["pandas", "pyarrow"])
def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    path = table(tmp_path, ".parquet", FRAME)
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.setitem(sys.modules, name, None)
    refused(path, 'pip install "fastmlp[data]"', target="kind")


# ----------------------------------------------------------------------------------- rows, by name


def test_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X.astype(np.float32))
    assert load_inputs(tmp_path / "x.npy").dtype == np.float32
    np.testing.assert_array_equal(load_inputs(npz(tmp_path, x=X, y=Y)), X)
    np.testing.assert_array_equal(load_inputs(npz(tmp_path, x_train=X, x_test=X[:3])), X[:3])
    for name in ("t10k-images-idx3-ubyte", "images.idx3-ubyte", "images.gz"):
        write_idx(tmp_path / name, np.ones((2, 4, 4), np.uint8))
        assert load_inputs(tmp_path / name).shape == (2, 16)
    for suffix in (".csv", ".parquet"):
        path = table(tmp_path, suffix, FRAME)
        np.testing.assert_allclose(load_inputs(path, target="kind"), X, rtol=1e-15)
        bare = table(tmp_path, suffix, FRAME.drop(columns="kind"))
        np.testing.assert_allclose(load_inputs(bare, target="kind"), X, rtol=1e-15)
        np.testing.assert_allclose(load_inputs(bare), X, rtol=1e-15)


def test_inputs_that_cannot_be_used(tmp_path: Path) -> None:
    refused(table(tmp_path, ".csv", FRAME), "kind (", load=load_inputs)
    refused(npz(tmp_path, y=Y), "x or x_test", load=load_inputs)
    refused(npz(tmp_path, x=nan_at(1, 2)), "x: ", "row 1, column 2", load=load_inputs)
    path = tmp_path / "x.npy"
    np.save(path, X)
    whole = path.read_bytes()
    for content in (whole[:-1], whole + b"\0", whole[:50], b"", member((1 << 20, 1 << 20))):
        path.write_bytes(content)
        refused(path, load=load_inputs)


def test_by_name(tmp_path: Path) -> None:
    assert load_named("digits").x_train.shape[1] == 64
    assert load_named(npz(tmp_path, x=X, y=Y)).x_train.shape == (28, 5)
    assert load_named(table(tmp_path, ".csv", FRAME), target="kind").x_test.shape == (10, 5)
    assert load_named(str(idx_folder(tmp_path))).x_train.shape == (20, 16)
    with pytest.raises(DataError, match=re.escape("minst: expected digits, mnist, fashion-mnist")):
        load_named("minst")
