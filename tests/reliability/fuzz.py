"""Feed damaged files to a reader: `python fuzz.py READER FILES SEED` prints what came of it.

Files are damaged as disks, networks and malice do it: bits flipped, bytes cut, doubled and
inserted, numbers made huge or negative; in a container with checksums also the content, before it
is packed, so that damage gets past the checksums. A reader may accept a file or refuse it with a
FastMLPError. Whatever else it raises, and a file that takes long or much memory, is a failure.
"""

from __future__ import annotations

import faulthandler
import gzip
import io
import json
import os
import random
import resource
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fastmlp
from fastmlp.files import load_file, load_inputs
from fastmlp.idx import read_idx, write_idx
from fastmlp.images import read_images

SECONDS = 5.0  # for one file; a whole one takes milliseconds
TIMES, SPARE = 64, 8 << 20  # bytes allowed for one of the file's, and besides
ADDRESSES = 2 << 30  # more than the process has when it begins

Random = random.Random
RNG = np.random.default_rng(0)


# --- damage ---------------------------------------------------------------------------------------


def damage(content: bytes, rng: Random) -> bytes:
    """Return bytes with one to four damages."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, length = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 8, 64))
        kind = rng.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + length] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * length
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = rng.randbytes(length)
        elif kind == 5:
            data[at:at] = data[at : at + length] * rng.choice((1, 1, 1000))
        else:
            number = rng.choice((-1, 0, 1, 1 << 31, 1 << 40, 1 << 62, (1 << 63) - 1))
            data[at : at + 8] = struct.pack(rng.choice("<>") + "q", number)
    return bytes(data)


def odd_value(rng: Random) -> Any:
    """Return something JSON can hold that a reader may not expect."""
    odd = (
        None, True, -1, 0, 1, 1 << 31, 1 << 62, 1 << 200, -(1 << 70), 1e308, 0.5, "", "x" * 1000,
        "nan", "relu", [], {}, [[[]]], [1, "a"], {"state": -1}, [10**9, 10**9], "1e400",
    )  # fmt: skip
    return rng.choice(odd)


def damage_json(value: Any, rng: Random) -> Any:
    """Return a JSON value with one thing in it replaced, left out or renamed."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        kind = rng.randrange(8)
        if kind == 0:
            return {k: v for k, v in value.items() if k != key}
        if kind == 1:
            return {(k + "x" if k == key else k): v for k, v in value.items()}
        return value | {key: damage_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], damage_json(value[at], rng), *value[at + 1 :]]
    if isinstance(value, str) and rng.random() < 0.5 and value[:1] == "{":
        return json.dumps(damage_json(json.loads(value), rng))
    return odd_value(rng)


def damage_safetensors(content: bytes, rng: Random) -> bytes:
    """Damage the file, or its header as JSON and the header's own descriptions."""
    if rng.random() < 0.3:
        return damage(content, rng)
    length = struct.unpack("<Q", content[:8])[0]
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    if rng.random() < 0.2:
        body = damage(body, rng)[: len(body)].ljust(len(body), b"\x7f")
    text = json.dumps(damage_json(header, rng)).encode()
    return struct.pack("<Q", len(text)) + text + body


def damage_gzip(content: bytes, rng: Random) -> bytes:
    if rng.random() < 0.5:
        return damage(content, rng)
    return gzip.compress(damage(gzip.decompress(content), rng), 1)


def damage_npz(content: bytes, rng: Random) -> bytes:
    if rng.random() < 0.4:
        return damage(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    victim = rng.choice(sorted(members))
    members[victim] = damage(members[victim], rng)
    out = io.BytesIO()
    kind = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return out.getvalue()


# --- readers, each with a whole file to begin with ------------------------------------------------


def written(write: Callable[[Path], Any], suffix: str = "") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"file{suffix}")
        write(path)
        return path.read_bytes()


IMAGES = RNG.integers(0, 255, (9, 4, 5), np.uint8)
TABLE = "a,b,kind\n" + "".join(f"{i / 7},{-i}e{i},{'xyz'[i % 3]}\n" for i in range(40))
X = RNG.normal(size=(12, 3)).astype("float32")
Y = np.arange(12) % 2


def trainer(checkpoint: Path | None = None) -> fastmlp.Trainer:
    net = fastmlp.Network([3, 4, 2], seed=0)
    return fastmlp.Trainer(net, batch_size=4, threads=1, checkpoint=checkpoint)


def save_checkpoint(path: Path) -> None:
    trainer(path).fit(X, Y, epochs=3)


def use_model(path: Path) -> None:
    net = fastmlp.Network.load(path)
    net.predict_proba(np.ones((1, net.sizes[0]), "float32"))


def use_checkpoint(path: Path) -> None:
    ours = trainer()
    ours.resume(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours.fit(X, Y, epochs=4)


def save_npz(path: Path) -> None:
    np.savez(path, x=X, y=np.array(["a", "bc"] * 6))


def save_parquet(path: Path) -> None:
    import pandas as pd

    pd.read_csv(io.StringIO(TABLE)).to_parquet(path)


def save_feather(path: Path) -> None:
    import pandas as pd

    pd.read_csv(io.StringIO(TABLE)).to_feather(path)


def save_jsonl(path: Path) -> None:
    import pandas as pd

    pd.read_csv(io.StringIO(TABLE)).to_json(path, orient="records", lines=True)


def save_arff(path: Path) -> None:
    names, *rows = TABLE.splitlines()
    kinds = ("numeric", "numeric", "{x, y, z}")
    lines = [
        f"@attribute {name} {kind}" for name, kind in zip(names.split(","), kinds, strict=True)
    ]
    path.write_text("\n".join(["@relation r", *lines, "@data", *rows]))


def save_svmlight(path: Path) -> None:
    from sklearn.datasets import dump_svmlight_file

    dump_svmlight_file(X, np.arange(12) % 2, str(path))


def save_image(path: Path) -> None:
    import PIL.Image

    PIL.Image.fromarray(IMAGES[0]).save(path)


Reader = tuple[str, Callable[[Path], Any], Callable[[bytes, Random], bytes], Callable[[Path], Any]]
READERS: dict[str, Reader] = {
    "idx": ("-idx3-ubyte", lambda path: write_idx(path, IMAGES), damage, read_idx),
    "gz": (".gz", lambda path: write_idx(path, IMAGES), damage_gzip, read_idx),
    "npy": (".npy", lambda path: np.save(path, X), damage, load_inputs),
    "npz": (".npz", save_npz, damage_npz, load_file),
    "csv": (
        ".csv",
        lambda path: path.write_text(TABLE),
        damage,
        lambda path: load_file(path, target="kind"),
    ),
    "parquet": (".parquet", save_parquet, damage, lambda path: load_file(path, target="kind")),
    "tsv.gz": (
        ".tsv.gz",
        lambda path: path.write_bytes(gzip.compress(TABLE.replace(",", "\t").encode())),
        damage_gzip,
        lambda path: load_file(path, target="kind"),
    ),
    "feather": (".feather", save_feather, damage, lambda path: load_file(path, target="kind")),
    "jsonl": (".jsonl", save_jsonl, damage, lambda path: load_file(path, target="kind")),
    "arff": (".arff", save_arff, damage, lambda path: load_file(path, target="kind")),
    "svmlight": (".svmlight", save_svmlight, damage, load_file),
    "png": (".png", save_image, damage, lambda path: read_images([path])),
    "bmp": (".bmp", save_image, damage, lambda path: read_images([path])),
    "model": (
        ".safetensors",
        lambda path: trainer().network.save(path),
        damage_safetensors,
        use_model,
    ),
    "checkpoint": (".safetensors", save_checkpoint, damage_safetensors, use_checkpoint),
}


def main(reader: str, files: int, seed: int) -> dict[str, Any]:
    """Try so many files; return how many were accepted and refused, and the worst of each."""
    suffix, write, harm, read = READERS[reader]
    whole, rng = written(write, suffix), Random(seed)
    found = {"accepted": 0, "refused": 0, "seconds": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"file{suffix}")
        for number in range(-1, files):  # the first is whole
            content = whole if number < 0 else harm(whole, rng)
            path.write_bytes(content)
            before, started = most_memory(), time.monotonic()
            faulthandler.dump_traceback_later(SECONDS * 4, exit=True)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of the libraries, about the content
                    read(path)
                found["accepted"] += 1
                said = ""
            except fastmlp.FastMLPError as error:
                said = str(error)
                found["refused"] += 1
            except BaseException as error:
                raise AssertionError(f"file {number}: {error!r}: {content!r}") from error
            faulthandler.cancel_dump_traceback_later()
            assert "\n" not in said, said
            if number < 0:  # it has paid for imports and compilation
                assert not said, said
                space = resource.getrlimit(resource.RLIMIT_AS)[1]
                resource.setrlimit(resource.RLIMIT_AS, (size_now() + ADDRESSES, space))
                continue
            seconds = time.monotonic() - started
            memory = most_memory() - before - SPARE
            assert seconds < SECONDS, f"file {number}: {seconds} s: {content!r}"
            assert memory < TIMES * len(content), f"file {number}: {memory} bytes: {content!r}"
            assert os.listdir(folder) == [path.name], f"file {number}: {os.listdir(folder)}"
            found["seconds"] = max(found["seconds"], seconds)
    return found


def most_memory() -> int:
    """Return how much memory this process has had at once, in bytes."""
    try:  # what Linux says in rusage may be of the process that started this one
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def size_now() -> int:
    """Return the address space of this process, in bytes."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 16 << 30


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
