"""The cache of compiled kernels: nowhere to be put, shared by many, and damaged."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import pytest

import fastmlp

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")

# Compiles in a second.
SMALL = """
import numpy as np
from fastmlp import kernels
w = np.zeros(6, np.float64)
kernels.sgd_update(w, np.full(6, -1.0, np.float64), 1.0)
assert w.tolist() == [1.0] * 6
hits = sum(kernels.sgd_update.stats.cache_hits.values())
"""
# Takes ten seconds and more.
FIT = """
import numpy as np
import fastmlp
net = fastmlp.Network([3, 2], seed=0)
history = fastmlp.Trainer(net, threads=1).fit(np.eye(3), [0, 1, 0], epochs=1)
assert net.predict(np.eye(3)).shape == (3,)
from fastmlp.kernels import step
hits = sum(step.train.stats.cache_hits.values())
"""
NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that any user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="fastmlp-"))
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def run(text: str, *, timeout: float = 150, user: int | None = None, **environment: str) -> str:
    """Run a program without home and cache folder; return its warnings."""
    keep = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT")
    whole = {name: os.environ[name] for name in keep if name in os.environ}
    whole["PYTHONPATH"] = str(Path(fastmlp.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-B", "-W", "always", "-c", text],
        env=whole | environment, capture_output=True, text=True, timeout=timeout, user=user,
    )  # fmt: skip
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr}"
    return done.stderr


def enters(user: int) -> bool:
    """Return whether a user can run this Python at all."""
    try:
        subprocess.run([sys.executable, "-c", "import numba"], user=user, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
@pytest.mark.parametrize("temporary", [True, False], ids=["temporary folder", "nothing to write"])
@pytest.mark.parametrize(
    "text", [SMALL, pytest.param(FIT, marks=pytest.mark.slow)], ids=["", "fit"]
)
def test_a_read_only_installation_without_a_home(place: Path, temporary: bool, text: str) -> None:
    user = NOBODY if os.getuid() == 0 else None  # permissions do not bind the superuser
    if user is not None and not enters(user):
        pytest.skip("this Python is the superuser's own")
    package = place / "fastmlp"
    shutil.copytree(Path(fastmlp.__file__).parent, package, ignore=shutil.ignore_patterns("__py*"))
    rest = place / "tmp"
    rest.mkdir()
    rest.chmod(0o777 if temporary else 0o555)
    for path in package.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    package.chmod(0o555)
    environment = {
        "PYTHONPATH": str(place), "TMPDIR": str(rest), "HOME": "/nonexistent",
        "XDG_CACHE_HOME": "/nonexistent",
    }  # fmt: skip
    if not temporary:
        where = "import tempfile; tempfile.tempdir = " + repr(str(rest)) + "\n"
        assert run(where + text, user=user, **environment) == ""
        assert not list(rest.iterdir())
        return
    for hits in (0, 1):
        checked = f"{text}assert hits == {hits}, hits"
        assert run(checked, user=user, **environment) == ""
    assert [path.name for path in rest.iterdir()] == [f"fastmlp-kernels-{user or os.getuid()}"]


def start(text: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", text],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def eight_at_once(texts: list[str], folder: Path, timeout: float) -> None:
    processes = [start(texts[number % len(texts)], folder) for number in range(8)]
    for process in processes:
        _, err = process.communicate(timeout=timeout)
        assert process.returncode == 0, err


def test_eight_processes_begin_at_once_on_an_empty_cache(tmp_path: Path) -> None:
    """Of two dtypes: what one process has compiled is not run under the other's name."""
    texts = [SMALL, SMALL.replace("float64", "float32")]
    eight_at_once(texts, tmp_path, 150)
    for text in texts:
        assert run(text + "assert hits == 1", NUMBA_CACHE_DIR=str(tmp_path)) == ""
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.slow
def test_eight_trainings_begin_at_once_on_an_empty_cache(tmp_path: Path) -> None:
    eight_at_once([FIT, FIT.replace("seed=0", "seed=0, dtype='float64'")], tmp_path, 400)
    assert run(FIT + "assert hits == 1", NUMBA_CACHE_DIR=str(tmp_path)) == ""


def noise(content: bytes) -> bytes:
    return random.Random(0).randbytes(len(content))


DAMAGES: dict[str, Any] = {
    "empty": lambda content: b"",
    "one byte": lambda content: content[:1],
    "half": lambda content: content[: len(content) // 2],
    "one byte less": lambda content: content[:-1],
    "noise": noise,
    "noise in the middle": lambda content: (
        content[: len(content) // 2] + noise(content[:99]) + content[len(content) // 2 + 99 :]
    ),
    "one bit": lambda content: content[:-200] + bytes([content[-200] ^ 1]) + content[-199:],
}


def damaged_one_by_one(text: str, folder: Path, damages: list[str]) -> None:
    """Damage all files, run, and see that they are whole again."""
    assert run(text, NUMBA_CACHE_DIR=str(folder)) == ""
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files
    for name in damages:
        for path, content in files.items():
            path.write_bytes(DAMAGES[name](content))
        said = run(text + "assert hits == 0", NUMBA_CACHE_DIR=str(folder))
        assert len(said.splitlines()) <= 2  # one warning
        assert run(text + "assert hits == 1", NUMBA_CACHE_DIR=str(folder)) == ""


def test_damaged_files_are_compiled_anew(tmp_path: Path) -> None:
    damaged_one_by_one(SMALL, tmp_path, ["empty", "half", "noise", "one bit"])


@pytest.mark.slow
def test_damaged_files_of_a_training_are_compiled_anew(tmp_path: Path) -> None:
    damaged_one_by_one(SMALL, tmp_path / "small", list(DAMAGES))
    damaged_one_by_one(FIT, tmp_path / "fit", ["noise in the middle"])


def test_a_cache_folder_of_another_user_is_not_used(place: Path) -> None:
    """Its files are code."""
    if os.name != "posix" or os.getuid() != 0:
        pytest.skip("gives a folder away as the superuser can")
    given = place / "fastmlp-kernels"
    given.mkdir(mode=0o777)
    os.chown(given, NOBODY, NOBODY)
    text = "from fastmlp.kernels.cache import cache_folder\nassert cache_folder() is None"
    assert run(text, NUMBA_CACHE_DIR=str(place)) == ""


CLEAR = """
from fastmlp.kernels.cache import clear_cache
count = clear_cache()
"""


def test_clearing_leaves_what_is_not_of_the_cache(place: Path) -> None:
    """`NUMBA_CACHE_DIR` may be a home folder, with a clone of fastmlp and much else in it."""
    kernels = place / "fastmlp-kernels"
    kept = [
        place / "fastmlp" / "0123456789abcdef" / "kernel.nbc",
        place / "fastmlp" / "README.md",
        kernels / "notes.txt",
        kernels / "src" / "f.0123456789abcdef.nbc",
        kernels / "0123456789abcdef" / "thesis.txt",
        kernels / "0123456789abcdef" / "other.nbc",
        kernels / "0123456789abcdef" / "f.0123456789abcdef.nbc.d" / "file",
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    run(SMALL, NUMBA_CACHE_DIR=str(place))
    part = kernels / "0123456789abcdef" / "f.0123456789abcdef.nbc.fedcba9876543210.tmp"
    part.write_bytes(b"left by a process that was killed")
    before = {path for path in place.rglob("*") if path.is_file()}
    run(CLEAR + "assert count == " + str(len(before) - len(kept)), NUMBA_CACHE_DIR=str(place))
    assert {path for path in place.rglob("*") if path.is_file()} == set(kept)
    assert run(SMALL + "assert hits == 0", NUMBA_CACHE_DIR=str(place)) == ""


def test_clearing_leaves_nothing_behind_where_nothing_else_is(place: Path) -> None:
    run(SMALL, NUMBA_CACHE_DIR=str(place / "cache"))
    run(CLEAR, NUMBA_CACHE_DIR=str(place / "cache"))
    assert not list((place / "cache").iterdir())


def test_clearing_a_folder_that_is_a_link_deletes_the_files_it_counts(place: Path) -> None:
    (place / "elsewhere").mkdir()
    (place / "cache").mkdir()
    try:
        (place / "cache" / "fastmlp-kernels").symlink_to(place / "elsewhere")
    except OSError:
        pytest.skip("no links here")
    run(SMALL, NUMBA_CACHE_DIR=str(place / "cache"))
    files = [path for path in (place / "elsewhere").rglob("*") if path.is_file()]
    text = CLEAR + f"assert count == {len(files)} > 0"
    run(text, NUMBA_CACHE_DIR=str(place / "cache"))
    assert not list((place / "elsewhere").iterdir())
    run(CLEAR + "assert count == 0", NUMBA_CACHE_DIR=str(place / "cache"))
