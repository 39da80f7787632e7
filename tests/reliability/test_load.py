"""Long use, and files larger than the memory allowed: nothing grows, nothing is copied."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not os.path.isfile("/proc/self/status"), reason="reads memory as Linux tells it"
)

STATUS = """
def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(name))
"""

# Networks, data and batches of changing sizes; files too.
SOAK = """
import gc, tempfile
# Labels drawn at random, a few samples: some losses rise tenfold, which is not the matter here.
from fastmlp.errors import DivergenceWarning
warnings.simplefilter("ignore", DivergenceWarning)
folder = tempfile.mkdtemp()
seconds, draw = float(sys.argv[1]), np.random.default_rng(1)
resident, rounds = [], 0
end = np.inf
while time.monotonic() < end:
    n, features, hidden = draw.integers(1, 3000), draw.integers(1, 200), draw.integers(1, 150)
    batch = int(draw.choice([1, 32, 500])) if n < 500 else int(draw.choice([64, 500, 5000]))
    data = draw.normal(size=(n, features)).astype(draw.choice(["float32", "float64"]))
    labels = draw.integers(0, 4, n)
    dtype = str(draw.choice(["float32", "float64"]))
    net = fastmlp.Network([features, hidden, 4], dtype=dtype)
    optimizer = fastmlp.Adam() if rounds % 2 else fastmlp.SGD(0.01, momentum=0.5)
    trainer = fastmlp.Trainer(net, optimizer=optimizer, batch_size=batch, threads=1 + rounds % 2,
                              checkpoint=os.path.join(folder, "c"))
    trainer.fit(data, labels, epochs=2, validation=(data[:50], labels[:50]))
    net.predict_proba(data)
    net.gradients(data[:20], labels[:20])
    net.save(os.path.join(folder, "m"))
    fastmlp.Network.load(os.path.join(folder, "m"))
    rounds += 1
    del net, trainer, optimizer, data, labels
    gc.collect()
    resident.append(status("VmRSS"))
    if rounds == 10 and end == np.inf:  # all kernels were compiled or loaded by now
        resident, rounds, end = resident[-1:], 0, time.monotonic() + seconds
tenth = len(resident) // 10
print(rounds, max(resident) - max(resident[: tenth + 2]))
"""


def soak(script: Callable[..., str], seconds: float) -> tuple[int, int]:
    # One arena: what is freed goes back, and what is left is what is held.
    found = script(
        STATUS + SOAK, str(seconds), timeout=seconds + 120, MALLOC_ARENA_MAX="1",
        MALLOC_TRIM_THRESHOLD_="0", MALLOC_MMAP_THRESHOLD_="65536",
    )  # fmt: skip
    rounds, grown = map(int, found.split())
    return rounds, grown


def test_memory_stays_flat_for_a_while(script: Callable[..., str]) -> None:
    rounds, grown = soak(script, 6)
    assert rounds > 5
    assert grown < 5 << 20


@pytest.mark.slow
def test_memory_stays_flat_for_long(script: Callable[..., str]) -> None:
    rounds, grown = soak(script, 150)
    assert rounds > 100
    assert grown < 5 << 20


# The limit is on memory that is not a file's; the file is longer than that by far.
LARGER = """
import resource
size, spare = int(sys.argv[2]), 100 << 20
net = fastmlp.Network([784, 5, 10], input_scale=1 / 255)
trainer = fastmlp.Trainer(net, threads=1, batch_size=128)
rng = np.random.default_rng(0)
few, labels = rng.integers(0, 255, (20_000, 784)).astype("uint8"), rng.integers(0, 10, 20_000)
trainer.fit(few, labels, epochs=1, validation=(few, labels))
speed = 20_000 / trainer.seconds
n = size // 784
pixels = np.memmap(sys.argv[1], "uint8", "r", shape=(n, 784))
y = np.arange(n) % 10
limit = status("VmData") + spare
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    bytearray(2 * spare)
except MemoryError:
    pass
else:
    sys.exit("no limit")
before, start = status("RssAnon"), trainer.seconds
trainer.fit(pixels, y, epochs=1, validation=(pixels[:100_000], y[:100_000]))
assert np.isfinite(net.buffer).all()
print(n / (trainer.seconds - start) / speed, status("RssAnon") - before)
"""


@pytest.mark.parametrize("size", [512 << 20, pytest.param(4 << 30, marks=pytest.mark.slow)])
def test_a_mapped_file_larger_than_the_memory_allowed_is_trained_on(
    script: Callable[..., str], tmp_path: Path, size: int
) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(size)  # zeros, that take no room
    speed, grown = map(float, script(STATUS + LARGER, str(tmp_path / "x"), str(size)).split())
    assert grown < 64 << 20
    assert speed > 0.1  # of that in memory; a disk may be slower than zeros
