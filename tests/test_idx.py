"""IDX files: what is written comes back; what is damaged is refused in one line."""

from __future__ import annotations

import gzip
import hashlib
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fastmlp.errors import DataError, InvalidValueError
from fastmlp.idx import read_idx, write_idx

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


def plain(array: np.ndarray, folder: Path) -> bytes:
    write_idx(folder / "plain", array)
    return (folder / "plain").read_bytes()


def refused(path: Path, *words: str) -> None:
    """Reading fails in one line that names the file and holds every word."""
    with pytest.raises(DataError) as caught:
        read_idx(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(path), "expected", "got", *words):
        assert word in message


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 4, 5), (0, 28, 28)])
def test_round_trip(tmp_path: Path, suffix: str, dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    path = tmp_path / f"array{suffix}"
    write_idx(path, array)
    back = read_idx(str(path))
    assert back.dtype == np.dtype(dtype)
    assert back.dtype.isnative
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)


def test_bytes_on_disk(tmp_path: Path) -> None:
    array = np.array([[1, -2]], dtype=np.int16)
    assert plain(array, tmp_path) == bytes.fromhex("00000b02 00000001 00000002 0001 fffe")


def test_gzip_is_seen_by_content_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(plain(IMAGES, tmp_path)))
    (tmp_path / "b.gz").write_bytes(plain(IMAGES, tmp_path))
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), IMAGES)
    np.testing.assert_array_equal(read_idx(tmp_path / "b.gz"), IMAGES)


@pytest.mark.parametrize("array", [np.arange(3), np.zeros(3, bool), np.uint8(3)])
def test_write_refuses_what_idx_cannot_hold(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(InvalidValueError, match="array: expected"):
        write_idx(tmp_path / "array", array)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-1], ["76 bytes", "(3, 4, 5)", "75"]),
        (lambda data: data[:16], ["76 bytes", "16"]),
        (lambda data: data + b"\0", ["76 bytes"]),
        (lambda data: data[:10], ["3 dimensions", "6 bytes"]),
        (lambda data: data[:3], ["IDX", "00 00 08"]),
        (lambda data: b"", ["IDX", "an empty file"]),
        (lambda data: b"\1" + data[1:], ["IDX", "01 00 08 03"]),
        (lambda data: b"\0\0\x0a" + data[3:], ["IDX", "00 00 0a 03"]),
        (lambda data: data[:3] + b"\0" + data[4:], ["dimensions", "got 0"]),
        (lambda data: data[:3] + b"\xff" + data[4:], ["dimensions", "got 255"]),
    ],
    ids=[
        "truncated",
        "header only",
        "trailing byte",
        "half a header",
        "three bytes",
        "empty",
        "bad magic",
        "bad type",
        "no dimension",
        "255 dimensions",
    ],
)
def test_damage(tmp_path: Path, pack, change, words: list[str]) -> None:
    path = tmp_path / "damaged"
    path.write_bytes(pack(change(plain(IMAGES, tmp_path))))
    refused(path, *words)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "shape",
    [(60000, 28, 28), (2**32 - 1,), (2**32 - 1,) * 3, (0, 2**32 - 1, 2**32 - 1), (1,) * 30 + (9,)],
)
def test_header_that_promises_more_costs_no_memory(tmp_path: Path, pack, shape) -> None:
    path = tmp_path / "liar"
    path.write_bytes(pack(struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)))
    read_idx_peak(path)


def read_idx_peak(path: Path) -> None:
    tracemalloc.start()
    try:
        refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


def test_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    bomb = gzip.compress(plain(IMAGES, tmp_path) + bytes(64 << 20), compresslevel=9)
    path.write_bytes(bomb)
    read_idx_peak(path)


def test_damaged_gzip(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    packed = gzip.compress(plain(IMAGES, tmp_path))
    for damaged in (
        packed[:-1],
        packed[: len(packed) // 2],
        packed[:5],
        packed + b"rubbish",
        packed[:-8] + bytes(4) + packed[-4:],
        packed[:20] + b"\xff" * 8 + packed[28:],
    ):
        path.write_bytes(damaged)
        refused(path, "gzip")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    refused(tmp_path / "nothing", "No such file")
    refused(tmp_path, "directory")


def test_checksum_is_of_the_uncompressed_bytes(tmp_path: Path) -> None:
    data = plain(IMAGES, tmp_path)
    right = hashlib.md5(data).hexdigest()
    for level in (1, 9):
        path = tmp_path / f"{level}.gz"
        path.write_bytes(gzip.compress(data, level))
        np.testing.assert_array_equal(read_idx(path, md5=right), IMAGES)
        with pytest.raises(DataError, match=f"{level}.gz: expected md5 {'0' * 32}, got {right}"):
            read_idx(path, md5="0" * 32)
