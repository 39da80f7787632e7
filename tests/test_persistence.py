"""The container of named arrays: what goes in comes out, and nothing else is believed."""

from __future__ import annotations

import json
import os
import pickle
import stat
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from fastmlp.errors import DataError, InvalidTypeError
from fastmlp.output import OutputError, check_writable, write_atomically
from fastmlp.persistence import read_tensors, write_tensors

DESCRIPTION = {"sizes": [3, 2], "hidden": "relu", "scale": 1 / 255, "classes": ["é", "b"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


@pytest.fixture
def written(path: Path) -> Path:
    write_tensors(path, {"weights": np.arange(6.0).reshape(3, 2)}, DESCRIPTION)
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_arrays_and_description_come_back(path: Path, dtype: str) -> None:
    arrays = {"a": np.arange(12).reshape(3, 4).astype(dtype), "b": np.zeros((0, 4), dtype)}
    write_tensors(path, arrays, DESCRIPTION)
    tensors, description = read_tensors(path)
    assert description == DESCRIPTION
    assert set(tensors) == {"a", "b"}
    for name, array in arrays.items():
        assert tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(tensors[name], array)
        assert tensors[name].flags.writeable


def test_views_columns_first_and_the_other_byte_order_are_written_by_value(path: Path) -> None:
    base = np.arange(24.0).reshape(4, 6)
    arrays = {
        "slice": base[:, 1:4],
        "fortran": np.asfortranarray(base),
        "swapped": base.astype(">f8"),
    }
    write_tensors(path, arrays, {})
    tensors, _ = read_tensors(path)
    for name, array in arrays.items():
        np.testing.assert_array_equal(tensors[name], array)


def test_no_temporary_file_is_left(written: Path) -> None:
    assert [entry.name for entry in written.parent.iterdir()] == [written.name]


def test_what_the_file_cannot_hold_is_refused_before_writing(path: Path) -> None:
    with pytest.raises(InvalidTypeError, match="description"):
        write_tensors(path, {}, {"f": print})
    with pytest.raises(InvalidTypeError, match="tensors"):
        write_tensors(path, {"a": np.array([object()])}, {})
    assert not path.exists()


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, -1])
def test_a_file_cut_short_is_refused(written: Path, length: int) -> None:
    content = written.read_bytes()
    written.write_bytes(content[:length])
    assert_refused(written, "not a whole safetensors file")


def test_bytes_after_the_end_are_refused(written: Path) -> None:
    written.write_bytes(written.read_bytes() + b"\0")
    assert_refused(written, "not a whole safetensors file")


def test_a_header_larger_than_the_file_is_refused_before_it_is_read(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 1 << 62) + b"{}")
    assert_refused(path, "header claims 4611686018427387904 bytes")


def test_a_huge_header_is_refused_also_where_the_file_is_as_large(path: Path) -> None:
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 32 << 20))
        file.truncate((32 << 20) + 8)
    assert_refused(path, "header claims 33554432 bytes")


@pytest.mark.parametrize(
    "tensor",
    [
        {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0, 1 << 40]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "XYZ", "shape": [1], "data_offsets": [0, 4]},
    ],
)
def test_a_header_that_promises_what_is_not_there_is_refused(
    path: Path, tensor: dict[str, Any]
) -> None:
    write_raw(path, {"__metadata__": metadata(), "a": tensor}, b"\0" * 4)
    assert_refused(path, "not a whole safetensors file")


def test_a_pickle_is_refused_and_not_run(path: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "exploded"),)

    path.write_bytes(pickle.dumps(Bomb()))
    assert_refused(path, "not a whole safetensors file")
    assert not (tmp_path / "exploded").exists()


def test_a_safetensors_file_of_another_library_is_refused(path: Path) -> None:
    save_file({"a": np.zeros(3)}, path)
    assert_refused(path, "got format None")
    save_file({"a": np.zeros(3)}, path, metadata={"format": "pt"})
    assert_refused(path, "got format 'pt'")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format_version": "2"}, "got 2: update fastmlp"),
        ({"format_version": "one"}, "expected a format version, got 'one'"),
        ({"format_version": "0"}, "expected a format version, got '0'"),
        ({"description": "{"}, "not JSON"),
        ({"description": "[" * 100000}, "not JSON"),
        ({"description": "[1]"}, "got list"),
    ],
)
def test_metadata_that_is_not_ours_is_refused(
    path: Path, changes: dict[str, str], reason: str
) -> None:
    write_raw(path, {"__metadata__": metadata(**changes)}, b"")
    assert_refused(path, reason)


def test_the_metadata_the_tests_start_from_is_accepted(path: Path) -> None:
    write_raw(path, {"__metadata__": metadata()}, b"")
    assert read_tensors(path) == ({}, {})


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert_refused(tmp_path / "missing", "no such file")
    assert_refused(tmp_path, "is a directory")


@pytest.mark.parametrize("place", ["missing/model", "."])
def test_a_path_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    target = tmp_path / place
    for attempt in (check_writable, lambda path: write_tensors(path, {}, {})):
        with pytest.raises(OutputError) as caught:
            attempt(target)
        assert str(target) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_no_other(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no space left on device"):
        write_tensors(written, {}, {})
    assert written.read_bytes() == before
    assert [entry.name for entry in written.parent.iterdir()] == [written.name]


def test_check_writable_leaves_nothing_behind(written: Path) -> None:
    before = written.read_bytes()
    check_writable(written)
    check_writable(written.with_name("new"))
    assert [entry.name for entry in written.parent.iterdir()] == [written.name]
    assert written.read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="permission bits and links are POSIX")
def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"old")
    file.chmod(0o640)
    link.symlink_to(file)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="devices are POSIX")
def test_a_device_is_written_to_and_stays_a_device() -> None:
    write_atomically("/dev/null", b"gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def metadata(**changes: str) -> dict[str, str]:
    return {"format": "fastmlp", "format_version": "1", "description": "{}", **changes}


def write_raw(path: Path, header: dict[str, Any], body: bytes) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def assert_refused(path: Path, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        read_tensors(path)
    message = str(caught.value)
    assert str(path) in message
    assert reason in message
    assert "\n" not in message
