"""Signals: obeyed at once, at any moment, and what was done until then stands."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fastmlp import MLPClassifier
from fastmlp.interrupts import DeferredInterrupt, Terminated, terminable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX does")

# Where the time goes: many short steps; one step of seconds; the evaluation of held-out data.
INTERRUPTED = """
kind, count = sys.argv[1], int(sys.argv[2])
big, labels = np.tile(x, (100, 1)), np.tile(y, 100)
if kind == "validation":
    batch, fit, held_out = 256, slice(0, 1000), (np.tile(big, (4, 1)), np.tile(labels, 4))
else:
    batch = 32 if kind == "steps" else None
    fit, held_out = slice(0, len(big)), None
wide = lambda: fastmlp.Network([200, 700, 10], seed=1)
def new():
    net = wide()
    return net, fastmlp.Trainer(net, optimizer=fastmlp.SGD(1e-3), batch_size=batch, shuffle=False)
# A compilation ends before a signal is obeyed: all kernels are loaded before the first.
trained(network())
wide().evaluate(*held_out or (x, y))
new()[1].fit(x, y, epochs=1, validation=(x, y))
delays, steps = [], []
for delay in np.random.default_rng(3).uniform(0.0, 0.6, count):
    net, trainer = new()
    sent = []
    def interrupt():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    timer = threading.Timer(delay, interrupt)
    try:
        timer.start()
        trainer.fit(big[fit], labels[fit], epochs=10**6, validation=held_out)
    except KeyboardInterrupt:
        delays.append(time.monotonic() - sent[0])
    history = trainer.history
    steps.append(history.steps[-1] if len(history) else 0)
    assert trainer.optimizer.state(net).steps == steps[-1]
    assert np.isfinite(net.buffer).all() and np.isfinite(history.loss).all()
    net.predict(x)
    # The steps that the history tells of, without an interruption.
    again, check = new()
    last = 0
    for now in history.steps:
        rows = (now - last) * (batch or len(big))
        check.fit(big[fit][:rows], labels[fit][:rows], epochs=1)
        last = now
    assert np.array_equal(net.buffer, again.buffer)
    trainer.fit(x, y, epochs=1)  # and it goes on
    assert len(trainer.history) == len(check.history) + 1
assert len(delays) == count
print(json.dumps([sorted(delays), steps]))
"""


@pytest.mark.parametrize("kind", ["steps", "one step", "validation"])
def test_ctrl_c_is_obeyed_wherever_the_time_goes(script: Callable[..., str], kind: str) -> None:
    delays, _ = json.loads(script(INTERRUPTED, kind, "3"))
    assert delays[1] < 0.3
    assert delays[-1] < 3  # another program may hold the cores


@pytest.mark.parametrize("batch", ["32", pytest.param("20000", marks=pytest.mark.slow)])
def test_ctrl_c_is_obeyed_while_a_divergence_is_undone(
    script: Callable[..., str], batch: str
) -> None:
    """The parameters spoil the loss of the last batch: the whole epoch is done again."""
    text = """
batch = int(sys.argv[1])
from fastmlp import training
big = np.tile(x, (500 if batch == 32 else 2000, 1))
labels = np.tile(y, len(big) // len(x))
big[-1] = 1e38
net = fastmlp.Network([200, 700, 10], seed=1)
before = net.parameters()
trainer = fastmlp.Trainer(net, optimizer=fastmlp.SGD(1e-3), batch_size=batch, shuffle=False)
trainer.fit(big[:1000], labels[:1000], epochs=1)
started = net.parameters()
sent, rewind = [], training.rewind
def interrupt():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
def watched(*arguments):
    threading.Timer(0.15, interrupt).start()
    return rewind(*arguments)
training.rewind = watched
try:
    trainer.fit(big, labels, epochs=1)
except KeyboardInterrupt:
    print(time.monotonic() - sent[0] < 0.3)
print(np.array_equal(net.parameters(), started), trainer.history.steps == [trainer.steps])
training.rewind = rewind
print(len(trainer.fit(big[:1000], labels[:1000], epochs=1)))
"""
    assert script(text, batch) == "True\nTrue True\n2\n"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["steps", "one step", "validation"])
def test_ctrl_c_is_obeyed_at_many_moments(script: Callable[..., str], kind: str) -> None:
    delays, _ = json.loads(script(INTERRUPTED, kind, "20", timeout=400))
    assert delays[15] < 0.3
    assert delays[-1] < 3


@pytest.mark.slow
def test_ctrl_c_while_kernels_are_compiled_waits_for_their_end(
    script: Callable[..., str], tmp_path: Path
) -> None:
    text = """
net = network()
before = net.parameters()
trainer = fastmlp.Trainer(net, threads=1)
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    trainer.fit(x, y)
except KeyboardInterrupt:
    pass
assert np.array_equal(net.parameters(), before) and len(trainer.history) == 0
start = time.monotonic()
trainer.fit(x, y, epochs=1)  # with what was compiled
print(time.monotonic() - start < 2, trainer.history.steps)
"""
    assert script(text, NUMBA_CACHE_DIR=str(tmp_path)) == "True [8]\n"


def test_ctrl_c_ends_an_estimators_fit_where_its_record_ends(script: Callable[..., str]) -> None:
    """Epochs of one step, of a tenth of a millisecond: none is done and not in the record."""
    text = """
x, y = x[:150, :4].astype(float), y[:150] % 3
new = lambda **more: fastmlp.MLPClassifier(random_state=0, tol=0, n_iter_no_change=np.inf, **more)
warnings.simplefilter("ignore")
new(max_iter=1).fit(x, y)
class Begun:
    def on_train_begin(self, model):
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
for delay in np.random.default_rng(0).uniform(0.003, 0.03, 40):
    model = new(max_iter=10**6, callbacks=[Begun()]).fit(x, y)
    assert 0 < len(model.loss_curve_) == model.n_iter_ < 10**6
    again = new(max_iter=model.n_iter_).fit(x, y)
    assert all(map(np.array_equal, model.coefs_, again.coefs_))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
print("done")
"""
    assert script(text) == "done\n"


def test_ctrl_c_is_obeyed_in_the_slow_code_of_others(script: Callable[..., str]) -> None:
    text = """
class Slow:
    def on_epoch_end(self, *_):
        time.sleep(5)
def scoring(model, x, y):
    time.sleep(5)
    return 0.0
warnings.simplefilter("ignore")
new = lambda **how: fastmlp.MLPClassifier((5,), random_state=0, **how)
new(max_iter=1).fit(x, y)
for how in ({"callbacks": [Slow()]}, {"early_stopping": True, "scoring": scoring}):
    start = time.monotonic()
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    model = new(**how).fit(x, y)
    print(time.monotonic() - start < 3, len(model.loss_curve_) == model.n_iter_)
"""
    assert script(text) == "True True\n" * 2


def test_between_epochs_signals_are_the_programs() -> None:
    before = signal.getsignal(signal.SIGINT)
    for _ in MLPClassifier((5,), random_state=0).fit_epochs([[0.0], [1.0]], [0, 1], 3):
        assert signal.getsignal(signal.SIGINT) is before


def test_sigterm_that_the_program_handles_waits_as_ctrl_c_does(script: Callable[..., str]) -> None:
    text = """
from fastmlp.interrupts import Terminated, terminable
net = network()
trainer = fastmlp.Trainer(net)
trainer.fit(x, y, epochs=1)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
try:
    with terminable():
        trainer.fit(x, y, epochs=10**9)
except Terminated:
    pass
print(trainer.optimizer.state(net).steps == trainer.history.steps[-1] > 8)
print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
"""
    assert script(text) == "True\nTrue\n"


def test_without_a_handler_sigterm_ends_the_process(script: Callable[..., str]) -> None:
    """A library does not decide that a program outlives it."""
    text = """
pid = os.fork()
if pid == 0:
    fastmlp.Trainer(network(), threads=1).fit(x, y, epochs=10**9)
time.sleep(0.5)
os.kill(pid, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert script(text) == "-15\n"


def test_both_signals_are_kept_in_order() -> None:
    def both() -> None:
        with terminable(), DeferredInterrupt():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        both()
    assert caught.type is Terminated


def test_a_fit_in_a_callback_of_a_fit_leaves_the_programs_handlers(
    script: Callable[..., str],
) -> None:
    text = """
class Nested:
    def on_epoch_end(self, trainer, history):
        fastmlp.Trainer(network()).fit(x, y, epochs=1)
        try:
            trainer.fit(x, y, epochs=1)
        except fastmlp.FastMLPError:
            print("refused")

before = signal.getsignal(signal.SIGINT)
trainer = fastmlp.Trainer(network())
trainer.fit(x, y, epochs=1, callbacks=[Nested()])
print(signal.getsignal(signal.SIGINT) is before)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    trainer.fit(x, y, epochs=10**9)
except KeyboardInterrupt:
    print("interrupted", signal.getsignal(signal.SIGINT) is before)
"""
    assert script(text) == "refused\nTrue\ninterrupted True\n"


def test_an_interrupt_that_is_entered_twice_and_in_a_thread_ends_as_it_began() -> None:
    before = signal.getsignal(signal.SIGINT)
    interrupt = DeferredInterrupt()

    def enter() -> None:
        with interrupt, interrupt.passing():
            interrupt.check()  # the signal is the main thread's business

    def nested() -> None:
        with interrupt, interrupt.passing(), interrupt:
            signal.raise_signal(signal.SIGINT)
            thread = threading.Thread(target=enter)
            thread.start()
            thread.join()
            signal.raise_signal(signal.SIGINT)  # impatience changes nothing
            assert signal.getsignal(signal.SIGINT) == interrupt._receive

    with pytest.raises(KeyboardInterrupt):
        nested()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_that_the_program_sets_meanwhile_stays() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        with DeferredInterrupt() as interrupt, interrupt.passing():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
