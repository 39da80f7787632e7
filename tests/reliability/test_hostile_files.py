"""Files that were damaged, or made to do harm: refused, or read, and nothing else."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import fastmlp
from fastmlp.errors import DataError, FastMLPError
from fastmlp.files import load_file, load_inputs
from fastmlp.idx import read_idx, write_idx
from fastmlp.persistence import read_tensors, write_tensors

READERS = (
    *(
        "idx",
        "gz",
        "npy",
        "npz",
        "csv",
        "parquet",
        "tsv.gz",
        "feather",
        "jsonl",
        "arff",
        "svmlight",
    ),
    *("png", "bmp", "model", "checkpoint"),
)
FUZZ = Path(__file__).with_name("fuzz.py")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits memory as POSIX does")


def fuzz(reader: str, files: int, seed: int, timeout: float) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(FUZZ), reader, str(files), str(seed)],
        capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert found["accepted"] + found["refused"] == files + 1
    assert found["refused"] > files / 10  # the damage was real
    return dict(found)


@pytest.mark.parametrize("reader", READERS)
def test_a_thousand_damaged_files(reader: str) -> None:
    fuzz(reader, 1000, 1, 120)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_thousands_more(reader: str) -> None:
    of_others = ("tsv.gz", "feather", "jsonl", "arff", "svmlight")  # their own libraries fuzz them
    fuzz(reader, 2000 if reader in of_others else 9000, 2, 500)


# --- what is no file ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["x.npz", "x.npy", "x.csv", "x.parquet", "x.gz", "x-idx3-ubyte", "a/x.png", "model"]
)
def test_a_pipe_is_refused_where_it_would_be_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    readers: list[Callable[[Path], Any]] = [load_inputs]
    if name == "model":
        readers = [read_tensors, fastmlp.Network.load]
    elif name == "a/x.png":
        readers = [lambda path: load_file(path.parent.parent)]
    elif name in ("x.csv", "x.parquet"):
        readers.append(lambda path: load_file(path, target="y"))
    elif name == "x.npz":
        readers.append(load_file)
    for read in readers:
        with pytest.raises(DataError, match=rf"{name}: expected a file, got a pipe$"):
            read(path)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no /dev/zero here")
def test_a_device_without_an_end_is_refused(tmp_path: Path) -> None:
    for name, read in (("x.csv", load_inputs), ("x.npy", load_inputs), ("x", read_idx)):
        (tmp_path / name).symlink_to("/dev/zero")
        with pytest.raises(DataError, match=r"expected a file, got a device$"):
            read(tmp_path / name)


# --- bombs ----------------------------------------------------------------------------------------


def idx_bomb(path: Path, size: int) -> None:
    with gzip.open(path, "wb") as file:
        file.write(struct.pack(">BBBBII", 0, 0, 8, 2, size >> 10, 1 << 10))
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))


def npz_bomb(path: Path, size: int) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as file,
    ):
        header = {"descr": "|u1", "fortran_order": False, "shape": (size >> 10, 1 << 10)}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))


@pytest.mark.parametrize(
    ("make", "read", "name"),
    [(idx_bomb, read_idx, "bomb.gz"), (npz_bomb, load_inputs, "bomb.npz")],
)
def test_a_file_that_unpacks_to_hundreds_of_times_its_size_is_refused(
    tmp_path: Path, make: Any, read: Any, name: str
) -> None:
    make(tmp_path / name, 256 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"expected at most \d+ bytes from \d+ packed, got"):
            read(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("make", "read", "name"),
    [(idx_bomb, read_idx, "zeros.gz"), (npz_bomb, load_inputs, "zeros.npz")],
)
def test_zeros_that_pack_well_are_read(tmp_path: Path, make: Any, read: Any, name: str) -> None:
    make(tmp_path / name, 16 << 20)
    assert read(tmp_path / name).shape == (16 << 10, 1 << 10)


def test_a_line_of_very_many_columns_is_read_or_refused_soon(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{i}" for i in range(20_000)) + "\n" + "1," * 19_999 + "1\n" * 1)
    assert load_inputs(path).shape == (1, 20_000)
    path.write_text("," * 20_000)
    with pytest.raises(FastMLPError):
        load_inputs(path)


# --- code, and places outside ---------------------------------------------------------------------


class Trap:
    """What runs when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("x.npy", load_inputs),
        ("x.npz", load_file),
        ("m.safetensors", fastmlp.Network.load),
        ("m.safetensors", lambda path: fastmlp.Trainer(fastmlp.Network([2, 2])).resume(path)),
        ("x.csv", lambda path: load_file(path, target="a")),
        ("x.parquet", lambda path: load_file(path, target="a")),
        ("x-idx3-ubyte", load_inputs),
        ("x.gz", load_inputs),
    ],
)
def test_no_reader_runs_a_pickle(tmp_path: Path, name: str, read: Callable[[Path], Any]) -> None:
    trap, sprung = Trap(tmp_path / "sprung"), tmp_path / "sprung"
    array = np.array([trap], dtype=object)
    contents = [pickle.dumps(trap), gzip.compress(pickle.dumps(trap))]
    for save in (np.save, np.savez):
        with (tmp_path / "array").open("wb") as file:
            save(file, array, allow_pickle=True) if save is np.save else save(file, x=array)
        contents.append((tmp_path / "array").read_bytes())
    for content in contents:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FastMLPError):
            read(tmp_path / name)
        assert not sprung.exists()


def test_an_archive_writes_nothing(tmp_path: Path) -> None:
    """Members with names that lead out of the folder are not looked at, let alone unpacked."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    path = folder / "data.npz"
    np.savez(path, x=np.eye(4), y=np.arange(4))
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../x.npy", "/escaped.npy", "../../escaped", "y.npy/../../escaped"):
            archive.writestr(name, b"out")
    before = sorted(tmp_path.rglob("*"))
    assert load_file(path).x_train.shape == (4, 4)
    assert sorted(tmp_path.rglob("*")) == before


# --- properties -----------------------------------------------------------------------------------

NUMBERS = st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"])
FINITE = st.floats(allow_nan=False, allow_infinity=False)
quick = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quick
@given(values=NUMBERS.flatmap(lambda t: arrays.arrays(t, arrays.array_shapes(max_dims=4))))
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_holds_any_array(tmp_path: Path, suffix: str, values: np.ndarray) -> None:
    path = tmp_path / f"file{suffix}"
    write_idx(path, values)
    found = read_idx(path)
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


@quick
@given(
    tensors=st.dictionaries(
        st.text(min_size=1).filter(lambda name: name != "__metadata__"),
        NUMBERS.filter(lambda t: t != "i1").flatmap(
            lambda t: arrays.arrays(t, arrays.array_shapes(min_dims=0, min_side=0))
        ),
        max_size=4,
    ),
    description=st.dictionaries(
        st.text(),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.text()
            | st.floats(allow_nan=False, allow_infinity=False),
            st.lists,
        ),
        max_size=4,
    ),
)
def test_a_model_file_holds_any_arrays_and_description(
    tmp_path: Path, tensors: dict[str, np.ndarray], description: dict[str, Any]
) -> None:
    write_tensors(tmp_path / "file", tensors, description)
    found, said = read_tensors(tmp_path / "file")
    assert said == description
    assert set(found) == set(tensors)
    for name, array in tensors.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@quick
@given(content=st.binary(max_size=400))
@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.gz", "x-idx1-ubyte", "x.csv", "x.parquet"])
def test_no_bytes_are_a_surprise(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with suppress(FastMLPError):
        assert np.isfinite(load_inputs(tmp_path / name)).all()
