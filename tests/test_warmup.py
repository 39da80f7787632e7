"""What is compiled, and when: only what is used, few specialisations, and `fastmlp warmup`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

# Prints which kernels the script before it loaded or compiled, with the types of their arguments.
USED = """
import gc, json
from numba.core.dispatcher import Dispatcher
kernels = [
    kernel for kernel in gc.get_objects()
    if isinstance(kernel, Dispatcher) and kernel.__module__.startswith("fastmlp")
    and not kernel.targetoptions.get("no_cpython_wrapper")
]
used = [
    [kernel.__name__, bool(kernel.targetoptions.get("parallel")), list(map(str, kernel.overloads))]
    for kernel in kernels if kernel.overloads
]
print(json.dumps(used))
"""

COMPILATIONS = """
from numba.core import event

class Listener(event.Listener):
    count = 0

    def on_start(self, event):
        self.count += 1

    def on_end(self, event):
        pass

listener = Listener()
event.register("numba:compile", listener)
"""


def python(script: str) -> Any:
    """Run a script in a process of its own; return the JSON that it prints last."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def warm_up(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "fastmlp", "warmup", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert len(done.stderr.splitlines()) == len(found["steps"])
    return found


def test_a_fit_loads_only_what_it_uses() -> None:
    used = python(
        """
import numpy as np, fastmlp
net = fastmlp.Network([12, 8, 4], seed=0)
fastmlp.Trainer(net, threads=1).fit(np.eye(12, dtype="float32"), np.arange(12) % 4, epochs=2)
"""
        + USED
    )
    names = {name for name, _, _ in used}
    assert len(used) <= 4, names
    assert not any(parallel for _, parallel, _ in used), names
    assert not any("infer" in name for name in names)
    assert all(len(signatures) == 1 for _, _, signatures in used)
    # float64 arrays are only sums and rates; all networks' arrays are float32.
    assert not any("array(float64, 2d, C), array(float64, 2d" in s for _, _, [s] in used)


def test_loading_kernels_imports_no_scipy_and_spoils_none() -> None:
    script = """
import json, sys
import numba, numpy as np, fastmlp
net = fastmlp.Network([12, 8, 4], seed=0)
fastmlp.Trainer(net, threads=1).fit(np.eye(12, dtype="float32"), np.arange(12) % 4, epochs=1)
early = "scipy.linalg" in sys.modules
product = numba.njit(lambda a, b: np.dot(a, b))(np.eye(2), np.ones((2, 2)))
print(json.dumps([early, product.tolist()]))
"""
    assert python(script) == [False, [[1.0, 1.0], [1.0, 1.0]]]


def test_one_specialisation_a_dtype_whatever_is_trained() -> None:
    used = python(
        """
import numpy as np, scipy.sparse, fastmlp
random = np.random.default_rng(0)
x = random.integers(0, 3, (40, 12)).astype("uint8")
frozen = x.astype("float32")
frozen.flags.writeable = False
datas = [x, x.astype("float64"), np.asfortranarray(frozen), frozen, x[:, ::-1], x.reshape(40, 3, 4),
         scipy.sparse.csr_matrix(frozen)]
labels, numbers = random.integers(0, 3, 40), random.random((40, 3))
rules = [fastmlp.SGD(0.01), fastmlp.SGD(0.01, momentum=0.5), fastmlp.Adam(), fastmlp.AdamW()]
for dtype in ("float32", "float64"):
    for number, data in enumerate(datas):
        for batch in (1, 8, 16, None):
            softmax = (number + (batch or 0)) % 2 == 0
            hidden = ("relu", "sigmoid", "tanh", "identity")[number % 4]
            net = fastmlp.Network([12, *[5] * (number % 3), 3], hidden, dtype=dtype,
                                  output="softmax" if softmax else "identity")
            trainer = fastmlp.Trainer(net, optimizer=rules[number % 4], batch_size=batch,
                                      l2=0.1 * (number % 2), threads=1)
            weight = random.random(40) if number % 2 else None
            trainer.fit(data, labels if softmax else numbers, epochs=1, sample_weight=weight)
            net.predict_proba(data)
            net.evaluate(data, labels if softmax else numbers)
"""
        + USED
    )
    for name, parallel, signatures in used:
        assert not parallel, name
        assert len(signatures) <= 2, (name, signatures)
    assert len(used) <= 8, [name for name, _, _ in used]


def test_warmup_leaves_nothing_to_compile() -> None:
    first = warm_up("--dtype", "float32")
    assert {step["dtype"] for step in first["steps"]} == {"float32"}
    again = warm_up("--dtype", "float32")
    assert again["compiled"] == 0
    assert all(step["compiled"] == 0 for step in again["steps"])
    assert again["cache"]
    compiled = python(
        COMPILATIONS
        + """
import numpy as np, fastmlp
net = fastmlp.Network([12, 8, 4], seed=0)
x = np.eye(12, dtype="uint8")
for threads in (1, None, 2):
    fastmlp.Trainer(net, threads=threads).fit(x, np.arange(12) % 4, epochs=1)
net.predict(x)
net.evaluate(x, np.arange(12) % 4)
print(listener.count)
"""
    )
    assert compiled == 0


@pytest.mark.slow
def test_warmup_compiles_both_dtypes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    found = warm_up()
    # What drives several threads is the same for both dtypes.
    compiled = {(step["name"], step["dtype"]) for step in found["steps"] if step["compiled"]}
    assert compiled == {(n, d) for n in ("training", "inference") for d in ("float32", "float64")}
    assert found["cache"].startswith(str(tmp_path))
