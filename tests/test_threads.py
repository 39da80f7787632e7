"""Threads, forks and signals: nothing aborts, nothing hangs, and what is left is true."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import numba
import numpy as np
import pytest

import fastmlp
from fastmlp import threads
from fastmlp.errors import InvalidTypeError, InvalidValueError
from fastmlp.interrupts import DeferredInterrupt

LAYERS = [
    pytest.param(layer, marks=pytest.mark.skipif(not threads._loads(layer), reason="not here"))
    for layer in ("omp", "workqueue", "tbb")
]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

PRELUDE = """
import json, os, signal, sys, threading, time
import numpy as np
import fastmlp

rng = np.random.default_rng(0)
x = rng.normal(size=(1000, 200)).astype("float32")
y = rng.integers(0, 10, 1000)

def network(seed=0):
    return fastmlp.Network([200, 100, 10], seed=seed)

def trained(net, threads=2, epochs=3):
    trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(0.1), batch_size=256, threads=threads)
    trainer.fit(x, y, epochs=epochs)
    return net
"""


def run(script: str, **environment: str) -> str:
    """Run a script in a process of its own; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script],
        env=os.environ | {"NUMBA_NUM_THREADS": "2"} | environment,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr}"
    return done.stdout


# --- several Python threads -----------------------------------------------------------------------


@pytest.mark.parametrize("layer", LAYERS)
def test_many_threads_train_and_predict_at_once(layer: str) -> None:
    script = """
import numba
alone = [trained(network(seed)).parameters() for seed in range(4)]
outputs = network(9).predict_proba(x)
shared, failures = network(9), []

def train(seed):
    for _ in range(5):
        if not np.array_equal(trained(network(seed)).parameters(), alone[seed]):
            failures.append(seed)

def predict():
    for _ in range(50):
        if not np.array_equal(shared.predict_proba(x), outputs):
            failures.append("predict")

def catch(work, *args):
    try:
        work(*args)
    except BaseException as error:
        failures.append(repr(error))

workers = [threading.Thread(target=catch, args=(train, seed)) for seed in range(4)]
workers += [threading.Thread(target=catch, args=(predict,)) for _ in range(4)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(numba.threading_layer(), failures)
"""
    assert run(script, NUMBA_THREADING_LAYER=layer) == f"{layer} []\n"


def test_training_releases_the_gil() -> None:
    """Python code in another thread runs on while one chunk is trained."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3000, 300)).astype("float32"), rng.integers(0, 10, 3000)
    trainer = fastmlp.Trainer(fastmlp.Network([300, 200, 10]), threads=1)
    trainer.fit(x, y, epochs=1)
    done, beats = threading.Event(), [0]

    def beat() -> None:
        while not done.wait(0.002):
            beats[0] += 1

    worker = threading.Thread(target=beat)
    worker.start()
    trainer.fit(x, y, epochs=10_000, max_seconds=0.3)
    done.set()
    worker.join()
    assert beats[0] > 20


# --- processes ------------------------------------------------------------------------------------


@needs_fork
@pytest.mark.parametrize("layer", LAYERS)
def test_a_forked_child_trains_and_predicts(layer: str) -> None:
    script = """
expected = trained(network())
def child():
    same = np.array_equal(trained(network()).parameters(), expected.parameters())
    same &= np.array_equal(network(9).predict_proba(x), outputs)
    os._exit(0 if same else 3)

outputs = network(9).predict_proba(x)
codes = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        child()
    deadline = time.monotonic() + 30
    done = 0
    while not done and time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)
    if not done:
        os.kill(pid, signal.SIGKILL)
    codes.append(os.waitstatus_to_exitcode(status) if done else "hangs")
trained(network())
print(codes)
"""
    assert run(script, NUMBA_THREADING_LAYER=layer) == "[0, 0]\n"


@needs_fork
@pytest.mark.parametrize("layer", LAYERS)
def test_a_child_forked_while_a_thread_trains_works(layer: str) -> None:
    script = """
stop = threading.Event()
class Stop:
    def on_chunk_end(self, trainer, history):
        return stop.is_set()
def background():
    fastmlp.Trainer(network(), threads=2).fit(x, y, epochs=10**6, callbacks=[Stop()])
trained(network())
worker = threading.Thread(target=background)
worker.start()
time.sleep(0.2)
pid = os.fork()
if pid == 0:
    trained(network(), threads=2)
    os._exit(0)
deadline, done = time.monotonic() + 30, 0
while not done and time.monotonic() < deadline:
    done, status = os.waitpid(pid, os.WNOHANG)
    time.sleep(0.01)
if not done:
    os.kill(pid, signal.SIGKILL)
stop.set()
worker.join()
print(os.waitstatus_to_exitcode(status) if done else "hangs")
"""
    # With TBB, Numba itself prints a line at such a fork, before or after.
    assert "0" in run(script, NUMBA_THREADING_LAYER=layer).splitlines()


@needs_fork
def test_a_fork_before_any_kernel_may_use_threads() -> None:
    script = """
pid = os.fork()
if pid == 0:
    trained(network(), threads=2)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert run(script) == "0\n"


# --- Ctrl-C ---------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="sends itself a signal")
@pytest.mark.parametrize("batch", [32, None])
def test_ctrl_c_ends_training_at_once_and_leaves_the_truth(batch: int | None) -> None:
    script = f"""
batch = {batch}
big, labels = np.tile(x, (20, 1)), np.tile(y, 20)
net = network()
trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(1e-3), batch_size=batch, shuffle=False)
trainer.fit(big, labels, epochs=1)
sent = []
def interrupt():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
delays = []
for delay in (0.11, 0.23, 0.17):
    threading.Timer(delay, interrupt).start()
    try:
        trainer.fit(big, labels, epochs=10**6)
    except KeyboardInterrupt:
        delays.append(time.monotonic() - sent[-1])
steps = trainer.history.steps[-1]
assert trainer.optimizer.state(net).steps == steps

# The same number of steps again, without an interruption.
again = network()
check = fastmlp.Trainer(again, optimizer=fastmlp.SGD(1e-3), batch_size=batch, shuffle=False)
rows = batch or len(big)
last = 0
for epochs, now in zip(trainer.history.epochs, trainer.history.steps):
    count = now - last
    check.fit(big[: count * rows], labels[: count * rows], epochs=1)
    last = now
print(json.dumps(dict(
    delays=delays, finite=bool(np.isfinite(net.buffer).all()),
    same=np.array_equal(net.parameters(), again.parameters()), steps=steps,
    losses=bool(np.isfinite(trainer.history.loss).all()),
)))
"""
    found = json.loads(run(script))
    assert len(found["delays"]) == 3
    assert min(found["delays"]) < 0.3
    assert found["steps"] > 3
    assert found["finite"]
    assert found["losses"]
    assert found["same"]


@pytest.mark.skipif(os.name != "posix", reason="sends itself a signal")
def test_ctrl_c_at_any_moment_leaves_the_truth() -> None:
    """Epochs of a tenth of a millisecond: most signals arrive between the compiled chunks."""
    script = """
x, y = x[:200, :20].copy(), y[:200] % 5
def new():
    net = fastmlp.Network([20, 17, 5])
    return net, fastmlp.Trainer(net, optimizer=fastmlp.Adam(), batch_size=32, shuffle=False)
new()[1].fit(x, y, epochs=1)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
wrong = []
for delay in np.random.default_rng(0).uniform(0.002, 0.012, 120):
    net, trainer = new()
    try:
        signal.setitimer(signal.ITIMER_REAL, delay)
        trainer.fit(x, y, epochs=10**9)
    except KeyboardInterrupt:
        pass
    again, check = new()
    last = 0
    for steps in trainer.history.steps:
        check.fit(x[: (steps - last) * 32], y[: (steps - last) * 32], epochs=1)
        last = steps
    same = np.array_equal(net.parameters(), again.parameters())
    if not same or trainer.optimizer.state(net).steps != last:
        wrong.append((last, trainer.optimizer.state(net).steps))
print(len(wrong), wrong[:5])
"""
    assert run(script) == "0 []\n"


@pytest.mark.skipif(os.name != "posix", reason="sends itself a signal")
def test_ctrl_c_ends_a_slow_callback_at_once() -> None:
    script = """
class Slow:
    def on_epoch_end(self, trainer, history):
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        self.start = time.monotonic()
        time.sleep(20)
slow = Slow()
trainer = fastmlp.Trainer(network())
try:
    trainer.fit(x, y, epochs=9, callbacks=[slow])
except KeyboardInterrupt:
    print(time.monotonic() - slow.start < 10, trainer.history.steps)
"""
    assert run(script) == "True [8]\n"


def test_fit_runs_in_a_thread_after_it_ran_in_the_main_one() -> None:
    script = """
trainer = fastmlp.Trainer(network())
trainer.fit(x, y, epochs=1)
worker = threading.Thread(target=trainer.fit, args=(x, y, 1))
worker.start()
worker.join()
print(trainer.history.steps, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
    assert run(script) == "[8, 16] True\n"


class TestDeferredInterrupt:
    def test_it_waits_for_a_check(self) -> None:
        with DeferredInterrupt() as interrupt:
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                interrupt.check()
            interrupt.check()

    def test_it_waits_for_the_end(self) -> None:
        before = signal.getsignal(signal.SIGINT)
        interrupt = DeferredInterrupt().__enter__()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupt.__exit__(None, None, None)
        assert signal.getsignal(signal.SIGINT) is before

    def test_it_lets_through_what_came_before_and_what_comes(self) -> None:
        with DeferredInterrupt() as interrupt:
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt), interrupt.passing():
                pytest.fail("was not interrupted")
            with pytest.raises(KeyboardInterrupt), interrupt.passing():
                signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)  # kept back again
            with pytest.raises(KeyboardInterrupt):
                interrupt.check()

    def test_a_handler_of_the_program_gets_it(self) -> None:
        seen: list[int] = []
        before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
        try:
            with DeferredInterrupt() as interrupt:
                signal.raise_signal(signal.SIGINT)
                assert seen == []
                interrupt.check()
            assert seen == [signal.SIGINT]
        finally:
            signal.signal(signal.SIGINT, before)

    def test_an_ignored_signal_stays_ignored(self) -> None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with DeferredInterrupt() as interrupt:
                signal.raise_signal(signal.SIGINT)
                interrupt.check()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, before)


# --- the number of threads ------------------------------------------------------------------------


def fit_once(count: int | None = None, callbacks: Any = ()) -> None:
    x = np.random.default_rng(0).normal(size=(500, 200)).astype("float32")
    trainer = fastmlp.Trainer(fastmlp.Network([200, 100, 10]), threads=count)
    trainer.fit(x, np.arange(500) % 10, epochs=1, callbacks=callbacks)


class Fail:
    def on_chunk_end(self, trainer: Any, history: Any) -> None:
        raise RuntimeError("on purpose")


@pytest.mark.skipif(threads.available_threads() < 2, reason="one thread")
def test_numbas_thread_count_is_left_alone() -> None:
    before = numba.get_num_threads()
    try:
        for count in (1, 2):
            numba.set_num_threads(count)
            fit_once(2)
            fit_once(1)
            with pytest.raises(RuntimeError, match="on purpose"):
                fit_once(2, [Fail()])
            with pytest.raises(RuntimeError, match="on purpose"), threads.granted(2):
                raise RuntimeError("on purpose")
            assert numba.get_num_threads() == count
    finally:
        numba.set_num_threads(before)


@pytest.mark.skipif(threads.available_threads() < 2, reason="one thread")
def test_one_run_at_a_time_gets_the_threads() -> None:
    with threads.granted(2) as outer:
        with threads.granted(2) as inner:
            assert (outer, inner) == (2, 1)
        fit_once(2)
    with threads.granted(2) as again:
        assert again == 2
    with threads.granted(1) as one:
        assert one == 1


def test_more_threads_than_there_are_warn_once() -> None:
    limit = numba.config.NUMBA_NUM_THREADS
    with pytest.warns(UserWarning, match=f"threads: {limit + 1} asked for, {limit} ") as caught:
        trainer = fastmlp.Trainer(fastmlp.Network([2, 2]), threads=limit + 1)
    assert trainer.threads == limit
    assert len(caught) == 1
    assert caught[0].filename == __file__
    trainer.fit([[0.0, 1.0]], [1], epochs=1)


@pytest.mark.parametrize("count", [0, -1])
def test_no_threads_are_refused(count: int) -> None:
    with pytest.raises(InvalidValueError, match=r"^threads: expected None or a positive integer"):
        fastmlp.Trainer(fastmlp.Network([2, 2]), threads=count)


@pytest.mark.parametrize("count", [1.5, "2", True])
def test_threads_that_are_no_number_are_refused(count: Any) -> None:
    with pytest.raises(InvalidTypeError, match=r"^threads: expected None or a positive integer"):
        fastmlp.Trainer(fastmlp.Network([2, 2]), threads=count)


def test_environment_limits_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert threads.available_threads() == 1
    for text in ("", "many", "0", "999"):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert threads.available_threads() == numba.config.NUMBA_NUM_THREADS


@pytest.mark.parametrize("layer", LAYERS)
def test_the_layer_that_is_asked_for_is_described(layer: str) -> None:
    script = """
from fastmlp.threads import describe
before = describe()
trained(network(), threads=2)
assert describe() == before, (before, describe())
print(before["layer"], before["good"], before["threads"])
"""
    assert run(script, NUMBA_THREADING_LAYER=layer) == f"{layer} {layer != 'workqueue'} 2\n"


@pytest.mark.parametrize("layer", ["tbb", "foo"])
def test_without_a_layer_one_thread_does_all_and_says_so_once(layer: str) -> None:
    if layer == "tbb" and threads._loads("tbb"):
        pytest.skip("it is here")
    script = """
import warnings
from fastmlp.threads import describe, available_threads
before = describe()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    many = [trained(network(), threads=2).parameters() for _ in range(2)]
assert len(caught) == 1, caught
assert str(caught[0].message).startswith("threads: Numba has no threading layer"), caught[0]
assert np.array_equal(many[1], trained(network(), threads=1).parameters())
assert describe() == before and available_threads() == 1
print(before["layer"], before["good"], before["threads"])
"""
    assert run(script, NUMBA_THREADING_LAYER=layer) == "none False 1\n"


@pytest.mark.skipif(threads.available_threads() < 2, reason="one thread")
def test_numbas_own_limit_is_honoured_where_no_number_is_asked_for() -> None:
    with threads.granted(2):
        pass
    assert threads.available_threads() == numba.config.NUMBA_NUM_THREADS
    numba.set_num_threads(1)
    assert threads.available_threads() == 1
    assert threads.wanted(None, 1e12, 1e15, None) == 1
    with threads.granted(2) as asked:  # by threads=2
        assert asked == 2


def test_sigint_is_python_s_own() -> None:
    """No handler is installed: what the program does with Ctrl-C stays its business."""
    before = signal.getsignal(signal.SIGINT)
    fit_once()
    assert signal.getsignal(signal.SIGINT) is before
