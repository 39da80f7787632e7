"""Writers that are killed leave nothing for ever, and do not disturb one another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fastmlp.output import check_writable, write_atomically

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills and locks as POSIX does")

SIZE = 1 << 20


def killed_while_writing(target: Path) -> Path:
    """Have a process killed between writing a file and its name; return what it left."""
    code = (
        "import os, signal, sys\n"
        "from fastmlp.output import write_atomically\n"
        "os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"write_atomically(sys.argv[1], bytes({SIZE}))"
    )
    before = set(target.parent.iterdir())
    done = subprocess.run([sys.executable, "-c", code, str(target)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    (orphan,) = set(target.parent.iterdir()) - before
    assert orphan.name.endswith(".tmp")
    assert orphan.stat().st_size == SIZE
    return orphan


@pytest.mark.parametrize("name", ["model.safetensors", "n" * 255, "[a]*?"])
def test_the_next_writer_deletes_what_a_killed_one_left(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    for _ in range(3):
        killed_while_writing(target)
    # One at a time: each of the three deleted what the one before had left.
    assert len(list(tmp_path.iterdir())) == 1
    write_atomically(target, b"whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert target.read_bytes() == b"whole"
    killed_while_writing(target)
    check_writable(target)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert target.read_bytes() == b"whole"


def test_what_others_left_is_theirs(tmp_path: Path) -> None:
    orphan = killed_while_writing(tmp_path / "one")
    other = tmp_path / ".fastmlp-notes.tmp"
    other.write_text("the user's own")
    write_atomically(tmp_path / "two", b"whole")
    assert orphan.exists()
    write_atomically(tmp_path / "one", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, "one", "two"]


def test_a_writer_at_work_is_no_orphan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model"
    within, go_on, fsync = threading.Event(), threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        if threading.current_thread() is writer:
            within.set()
            assert go_on.wait(60)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    writer = threading.Thread(target=write_atomically, args=(target, b"slow"))
    writer.start()
    assert within.wait(60)
    write_atomically(target, b"quick")
    code = "import sys, fastmlp.output as o; o.write_atomically(sys.argv[1], b'other')"
    subprocess.run([sys.executable, "-c", code, str(target)], check=True, timeout=60)
    assert target.read_bytes() == b"other"
    go_on.set()
    writer.join()
    assert target.read_bytes() == b"slow"
    assert list(tmp_path.iterdir()) == [target]


def test_many_processes_write_one_file_at_once(tmp_path: Path) -> None:
    target = tmp_path / "model"
    code = (
        "import sys\n"
        "from fastmlp.output import check_writable, write_atomically\n"
        "for _ in range(100):\n"
        "    check_writable(sys.argv[1])\n"
        "    write_atomically(sys.argv[1], sys.argv[2].encode() * 10_000)\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(target), letter]) for letter in "abcd"
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0, 0]
    assert list(tmp_path.iterdir()) == [target]
    content = target.read_text()
    assert content in {letter * 10_000 for letter in "abcd"}
