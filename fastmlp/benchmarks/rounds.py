"""The contenders take turns, each in a process of its own that stays from the first to the last.

In every round each contender has one turn, in an order that moves on by one from round to round,
so that whatever else the machine does in a minute falls on all of them. A library's threads wait
for work awake for some milliseconds, then sleep, as their own defaults say: before a turn there is
a pause in which those of the contender before go to sleep. Making them sleep at once
(`OMP_WAIT_POLICY=passive`) would slow down the libraries that start threads in every step, and
making them never sleep would take the cores from the next. How much CPU time each used while
others had their turns is measured and reported as `idle`, a share of that time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, Final

from fastmlp.benchmarks.contenders import CONTENDERS, scaling_twins
from fastmlp.benchmarks.works import Work
from fastmlp.errors import FastMLPError

__all__ = ["ContenderError", "Process", "run_works"]

# Seconds without work before each turn, and the least of a turn.
_PAUSE: Final = 0.1
_TURN: Final = 0.2
_QUICK_PAUSE: Final = 0.01
_QUICK_TURN: Final = 0.02

# Of the loss, relative; of outputs, absolute; of classes, the share of rows.
TOLERANCE: Final = 1e-3

Say = Callable[[str], None]


class ContenderError(FastMLPError):
    """A contender failed, or ended, or did other work than asked."""


def _environment(threads: int) -> dict[str, str]:
    """Return the environment of a worker: the same number of threads for every library."""
    environment = dict(os.environ)
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "GOMP_CPU_AFFINITY"):
        environment.pop(name, None)
    for name in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        environment[f"{name}_NUM_THREADS"] = str(threads)
    return environment


class Process:
    """A contender's process."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self.idle = 0.0  # seconds of CPU time used between turns
        self.waited = 0.0  # seconds between turns
        self._since: float | None = None
        # Closed by __exit__, after the process that writes to it.
        self._complaints = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fastmlp.benchmarks.worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=_environment(threads),
            text=True,
        )

    def send(self, **request: Any) -> None:
        """Send a request."""
        assert self._process.stdin is not None
        if self._since is not None:
            self.waited += time.perf_counter() - self._since
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ContenderError(self._last_words()) from None

    def receive(self) -> dict[str, Any]:
        """Wait for the answer to the request that was sent."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ContenderError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ContenderError(f"{self.name}: {answer['error']}")
        if self._since is not None:
            self.idle += answer["idle"]
        self._since = time.perf_counter()
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer."""
        self.send(**request)
        return self.receive()

    def _last_words(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().strip().splitlines() or ["nothing on standard error"]
        return f"{self.name}: the process ended: {lines[-1]}"

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.communicate()
        self._complaints.close()


class _Race:
    """The contenders of one work: those still in it, their times, and why others are not."""

    def __init__(self, work: Work, processes: dict[str, Process], quick: bool, say: Say) -> None:
        self.work, self.quick, self.say = work, quick, say
        twins = scaling_twins()
        self.running = {n: p for n, p in processes.items() if n not in twins or work.scaling}
        self.times: dict[str, list[float]] = {}
        self.deviations: dict[str, float] = {}
        self.failures: dict[str, str] = {}
        self.facts: dict[str, str] = {}
        self.reference = 0.0

    def prepare(self, judge: Process) -> None:
        """Let all warm up, one after the other, the NumPy reference first; judge their results."""
        self._prepare(judge)
        for name, process in list(self.running.items()):
            if process is not judge:
                self._attempt(name, partial(self._prepare, process))

    def _prepare(self, process: Process) -> None:
        self.say(f"{self.work.name}: {process.name} warms up")
        answer = process.ask(do="prepare", work=self.work.name, quick=self.quick)
        if process.name == "numpy":
            self.reference = answer["result"]
        self._judge(process.name, answer["result"])
        if process.name in self.running:
            self.facts |= answer["facts"]

    def _judge(self, name: str, result: float) -> None:
        """Refuse a loss that is not the reference's, or outputs that are not."""
        if self.work.task == "train":
            deviation = abs(result / self.reference - 1.0)
            words = f"a final loss of {self.reference:.6g} within {TOLERANCE:g}, got {result:.6g}"
        else:
            deviation = result
            words = f"the NumPy reference's outputs within {TOLERANCE:g}, got {result:.3g}"
        if not deviation <= TOLERANCE:
            raise ContenderError(f"{name}: did other work: expected {words}")
        self.deviations[name] = max(deviation, self.deviations.get(name, 0.0))

    def turn(self, name: str) -> None:
        """Give one contender its turn."""
        seconds = _QUICK_TURN if self.quick else _TURN
        time.sleep(_QUICK_PAUSE if self.quick else _PAUSE)
        answer = self.running[name].ask(do="turn", seconds=seconds)
        if "result" in answer:
            self._judge(name, answer["result"])
        self.times.setdefault(name, []).append(answer["seconds"])

    def round(self, number: int) -> None:
        """Give every contender its turn; who is first changes from round to round."""
        names = list(self.running)
        shift = number % max(len(names), 1)
        for name in names[shift:] + names[:shift]:
            self._attempt(name, partial(self.turn, name))

    def _attempt(self, name: str, action: Callable[[], None]) -> None:
        """Do something with a contender; should it fail, it is out of this work."""
        try:
            action()
        except ContenderError as error:
            self.failures[name] = str(error)
            self.times.pop(name, None)
            del self.running[name]
            self.say(f"{self.work.name}: {error}")


def run_works(
    works: Sequence[Work], contenders: Sequence[str], rounds: int, threads: int, quick: bool,
    say: Say,
) -> dict[str, Any]:  # fmt: skip
    """Run all works with all contenders and return the raw figures.

    Parameters
    ----------
    works : sequence of Work
    contenders : sequence of str
        Names; the NumPy reference judges even where it does not take part.
    rounds : int
        Turns of each contender.
    threads : int
        For every library.
    quick : bool
        Short turns.
    say : function
        Gets a line now and then.

    Returns
    -------
    dict
        With "works" (each with the times of the contenders, the peaks, failures), "facts" and
        "idle".
    """
    counts = sorted({1, threads})
    with ExitStack() as stack:
        peak = stack.enter_context(Process("peak", threads))
        processes = {name: stack.enter_context(Process(name, threads)) for name in contenders}
        judge = processes.get("numpy") or stack.enter_context(Process("numpy", threads))
        machine: dict[str, Any] = peak.ask(do="machine")["machine"]
        found, facts = [], dict[str, str]()
        for work in works:
            race = _Race(work, processes, quick, say)
            race.prepare(judge)
            peaks: dict[str, list[float]] = {str(count): [] for count in counts}
            for number in range(rounds):
                say(f"{work.name}: round {number + 1} of {rounds}")
                measured = peak.ask(do="peak", dtype=work.dtype, threads=counts)["gflops"]
                for count, gflops in measured.items():
                    peaks[count].append(gflops)
                race.round(number)
            facts |= race.facts
            found.append(
                {
                    "name": work.name, "title": work.title, "unit": work.unit,
                    "operations": work.operations, "dtype": work.dtype, "reference": race.reference,
                    "seconds": race.times, "deviations": race.deviations,
                    "failures": race.failures, "peak_gflops": peaks,
                }
            )  # fmt: skip
        idle = {n: p.idle / p.waited for n, p in processes.items() if p.waited > 0.0}
    titles = {name: CONTENDERS[name].title for name in contenders}
    return {
        "machine": machine, "facts": facts, "threads": threads, "rounds": rounds, "quick": quick,
        "contenders": titles, "works": found, "idle": idle,
    }  # fmt: skip
