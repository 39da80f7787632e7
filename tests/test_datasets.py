"""Data sets by name: what they hold, where they are looked for, how downloads fail."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from fastmlp import datasets
from fastmlp.datasets import hold_out, load_digits, load_fashion_mnist, load_mnist
from fastmlp.errors import DataError
from fastmlp.idx import write_idx

LOADERS = {"mnist": load_mnist, "fashion-mnist": load_fashion_mnist}
FIRST = "train-images-idx3-ubyte.gz"


class Mirrors:
    """An HTTP server on loopback; each top folder is a mirror that can be told to misbehave."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.faults: dict[str, str] = {}
        self.requests: list[str] = []
        mirrors = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirrors.requests.append(self.path)
                _, mirror, file = self.path.split("/")
                fault = mirrors.faults.get(mirror)
                body = mirrors.files[file]
                if fault == "missing":
                    self.send_error(404)
                    return
                if fault == "wrong":
                    content = bytearray(gzip.decompress(body))
                    content[-1] ^= 1
                    body = gzip.compress(content)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if fault == "truncated" else body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def url(self, mirror: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{mirror}/"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with four small files that stand for either data set; no data, an empty cache."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "small"
    folder.mkdir()
    sums = {}
    for part, n in (("train", 50), ("t10k", 20)):
        for kind, shape in (("images-idx3-ubyte", (n, 28, 28)), ("labels-idx1-ubyte", (n,))):
            plain = folder / f"{part}-{kind}"
            write_idx(plain, rng.integers(0, 10, shape, dtype=np.uint8))
            sums[plain.name] = hashlib.md5(plain.read_bytes()).hexdigest()
            plain.with_name(f"{plain.name}.gz").write_bytes(gzip.compress(plain.read_bytes()))
            plain.unlink()
    monkeypatch.setattr(datasets, "CHECKSUMS", {name: sums for name in LOADERS})
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.delenv("FASTMLP_DATA", raising=False)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return folder


@pytest.fixture
def mirrors(small: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirrors]:
    server = Mirrors({path.name: path.read_bytes() for path in small.iterdir()})
    urls = (server.url("first"), server.url("second"))
    monkeypatch.setattr(datasets, "MIRRORS", {name: urls for name in LOADERS})
    yield server
    server.close()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    monkeypatch.setattr(datasets, "MIRRORS", {name: (closed,) for name in LOADERS})


def cached(tmp_path: Path, name: str = "mnist") -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "fastmlp" / name).rglob("*"))


def check_small(data: datasets.Dataset) -> None:
    assert data.x_train.shape == (50, 784)
    assert data.x_test.shape == (20, 784)
    assert data.x_train.dtype == data.x_test.dtype == np.uint8
    assert data.y_train.shape == (50,)
    assert data.y_train.dtype == data.y_test.dtype == np.int64
    assert data.input_scale == 1 / 255
    np.testing.assert_array_equal(data.classes, np.arange(10))


def test_digits() -> None:
    data = load_digits()
    assert data.x_train.dtype == np.uint8
    assert data.x_train.shape[1] == 64
    assert data.x_train.max() * data.input_scale == 1.0
    assert len(data.x_train) + len(data.x_test) == 1797
    held_out = np.bincount(data.y_test) / np.bincount(np.append(data.y_train, data.y_test))
    np.testing.assert_allclose(held_out, 0.25, atol=0.005)
    assert "1346 + 451 rows of 64 uint8" in repr(data)
    with pytest.raises(FrozenInstanceError):
        data.name = "mine"


def test_digits_are_split_by_seed() -> None:
    np.testing.assert_array_equal(load_digits().x_test, load_digits(seed=0).x_test)
    assert not np.array_equal(load_digits(seed=1).y_test, load_digits(seed=0).y_test)


@pytest.mark.parametrize("counts", [[1], [2], [1, 1, 1], [1, 2, 3, 4, 5, 100], [40, 1], [0]])
def test_hold_out_is_a_stratified_partition(counts: list[int]) -> None:
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    train, held_out = hold_out(labels, seed=3)
    np.testing.assert_array_equal(np.sort(np.append(train, held_out)), np.arange(len(labels)))
    left = np.bincount(labels[held_out], minlength=len(counts))
    np.testing.assert_array_equal(left, (np.array(counts) + 2) // 4)


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_fastmlp_data_comes_first(
    tmp_path: Path,
    small: Path,
    mirrors: Mirrors,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    dotted: bool,
    packed: bool,
) -> None:
    folder = tmp_path / "data" / name
    folder.mkdir(parents=True)
    for path in small.iterdir():
        file = path.name if packed else path.stem
        content = path.read_bytes()
        (folder / (file.replace("-idx", ".idx") if dotted else file)).write_bytes(
            content if packed else gzip.decompress(content)
        )
    monkeypatch.setenv("FASTMLP_DATA", str(tmp_path / "data"))
    check_small(LOADERS[name]())
    assert mirrors.requests == []
    assert not (tmp_path / "cache").exists()


def test_a_wrong_file_in_fastmlp_data_is_refused(
    small: Path, mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small.rename(small.with_name("mnist"))
    write_idx(folder / FIRST, np.zeros((50, 28, 28), np.uint8))
    monkeypatch.setenv("FASTMLP_DATA", str(folder.parent))
    with pytest.raises(
        DataError, match=f"^{folder / FIRST}: expected md5 [0-9a-f]+, got [0-9a-f]+$"
    ):
        load_mnist()
    assert mirrors.requests == []


@pytest.mark.parametrize("name", LOADERS)
def test_download_then_cache(tmp_path: Path, small: Path, mirrors: Mirrors, name: str) -> None:
    data = LOADERS[name]()
    check_small(data)
    assert cached(tmp_path, name) == sorted(path.name for path in small.iterdir())
    assert len(mirrors.requests) == 4
    mirrors.faults.update(first="missing", second="missing")
    again = LOADERS[name]()
    assert len(mirrors.requests) == 4
    np.testing.assert_array_equal(again.x_train, data.x_train)


@pytest.mark.parametrize("fault", ["missing", "wrong", "truncated"])
def test_the_second_mirror_helps(tmp_path: Path, mirrors: Mirrors, fault: str) -> None:
    mirrors.faults["first"] = fault
    check_small(load_mnist())
    assert len(cached(tmp_path)) == 4
    assert sum(path.startswith("/second/") for path in mirrors.requests) == 4


@pytest.mark.parametrize(
    ("fault", "got"),
    [
        ("missing", "HTTP status 404"),
        ("wrong", "expected md5 [0-9a-f]{32}, got [0-9a-f]{32}"),
        ("truncated", "ChunkedEncodingError"),
    ],
)
def test_all_mirrors_fail(tmp_path: Path, mirrors: Mirrors, fault: str, got: str) -> None:
    mirrors.faults.update(first=fault, second=fault)
    with pytest.raises(DataError, match=rf"^{FIRST}: expected .*, got .*/first/: {got}") as caught:
        load_mnist()
    assert "\n" not in str(caught.value)
    assert "/second/: " in str(caught.value)
    assert cached(tmp_path) == []
    assert len(mirrors.requests) == 2 * datasets.ROUNDS


def test_no_network_says_where_to_put_the_files(
    tmp_path: Path, small: Path, no_network: None
) -> None:
    with pytest.raises(DataError, match=r"\$FASTMLP_DATA/mnist .*ConnectionError") as caught:
        load_mnist()
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path / "cache" / "fastmlp" / "mnist") in message
    assert cached(tmp_path) == []


def test_a_damaged_cached_file_is_refused(tmp_path: Path, mirrors: Mirrors) -> None:
    load_mnist()
    path = tmp_path / "cache" / "fastmlp" / "mnist" / FIRST
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"^{path}: expected .*, got "):
        load_mnist()


def test_the_cache_cannot_be_made(tmp_path: Path, mirrors: Mirrors) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(DataError, match=r"expected a folder to download .* got: Not a directory"):
        load_mnist()


def test_reading_local_files_imports_no_downloader(small: Path) -> None:
    folder = small.rename(small.with_name("mnist"))
    program = (
        "import sys, fastmlp.datasets as d, hashlib, gzip, pathlib\n"
        f"folder = pathlib.Path({str(folder)!r})\n"
        "d.CHECKSUMS['mnist'] = {file: hashlib.md5(gzip.decompress((folder / f'{file}.gz')"
        ".read_bytes())).hexdigest() for file in d.CHECKSUMS['mnist']}\n"
        "d.load_mnist()\n"
        "assert not {'pooch', 'requests', 'sklearn', 'numba'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "FASTMLP_DATA": str(folder.parent)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


if "FASTMLP_DATA" in os.environ:  # the real files, where there are any

    def test_the_real_mnist() -> None:
        data = load_mnist()
        assert data.x_train.shape == (60000, 784)
        assert data.x_test.shape == (10000, 784)
        np.testing.assert_array_equal(np.bincount(data.y_test)[[0, 9]], [980, 1009])
        assert 0.18 < np.count_nonzero(data.x_train) / data.x_train.size < 0.2
