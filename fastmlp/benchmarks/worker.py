"""One contender's process: `python -m fastmlp.benchmarks.worker NAME`.

It reads a JSON object a line from standard input and answers each with one on standard output:

    {"do": "prepare", "work": NAME, "quick": BOOL}   data, network, a fit to warm up
    {"do": "turn", "seconds": S}                     one fit, or calls for S seconds
    {"do": "machine"}                                what the machine is
    {"do": "peak", "dtype": NAME, "threads": [...]}  the machine's floating-point peak

What libraries print goes to standard error.
"""

from __future__ import annotations

import gc
import json
import math
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastmlp.benchmarks.contenders import create
from fastmlp.benchmarks.contenders.base import Contender
from fastmlp.benchmarks.machine import describe_machine
from fastmlp.benchmarks.peak import peak_gflops
from fastmlp.benchmarks.problem import Problem
from fastmlp.benchmarks.works import find_works

__all__ = ["Worker"]


class Worker:
    """Answers the requests of one contender's process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.contender: Contender | None = None
        self._rested = time.process_time()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked; return the answer, which tells the CPU time burnt since the last."""
        idle = time.process_time() - self._rested
        actions: dict[str, Callable[..., dict[str, Any]]] = {
            "machine": self.machine,
            "peak": self.peak,
            "prepare": self.prepare,
            "turn": self.turn,
        }
        action = actions[request.pop("do")]
        answer = action(**request) | {"idle": idle}
        self._rested = time.process_time()
        return answer

    def prepare(self, work: str, quick: bool) -> dict[str, Any]:
        """Make the contender for a work and let it warm up; return its facts and its result."""
        self.contender = None
        gc.collect()
        problem = Problem(find_works([work], quick)[0])
        self.contender = contender = create(self.name, problem)
        contender.reset()
        if problem.work.task == "train":
            contender.fit()
            result = problem.loss(*contender.parameters())
        else:
            call = contender.outputs if problem.work.task == "row" else contender.classes
            result = problem.error(np.asarray(call()))
        return {"facts": contender.facts(), "result": result}

    def turn(self, seconds: float) -> dict[str, Any]:
        """Time fits from the start, or calls, until so many seconds are spent; return the mean."""
        contender = self.contender
        assert contender is not None, "prepare comes first"
        gc.collect()
        if contender.work.task != "train":
            call = contender.outputs if contender.work.task == "row" else contender.classes
            return {"seconds": _mean(call, seconds)}
        spent, fits = 0.0, 0
        while spent < seconds or fits == 0:
            contender.reset()
            start = time.perf_counter()
            contender.fit()
            spent += time.perf_counter() - start
            fits += 1
        result = contender.problem.loss(*contender.parameters())
        return {"seconds": spent / fits / contender.work.epochs, "result": result}

    def machine(self) -> dict[str, Any]:
        """Describe the machine."""
        return {"machine": describe_machine()}

    def peak(self, dtype: str, threads: list[int]) -> dict[str, Any]:
        """Measure the peak on each number of threads, in GFLOP/s."""
        return {"gflops": {str(count): peak_gflops(count, dtype) for count in threads}}


def _mean(call: Callable[[], Any], seconds: float) -> float:
    """Return the mean time of a call over so many seconds; the clock is read now and then."""
    start = time.perf_counter()
    call()
    calls = max(1, int(0.01 / max(time.perf_counter() - start, 1e-9)))
    done, start = 0, time.perf_counter()
    while True:
        for _ in range(calls):
            call()
        done += calls
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return elapsed / done


def _limit_cores() -> None:
    """Keep to as many cores as there are threads, for libraries that have no other limit."""
    threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    if threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _serve(name: str) -> None:
    _limit_cores()
    # The answers get the standard output for themselves.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    worker = Worker(name)
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:  # whatever a library raises is the answer
            answer = {"error": f"{type(error).__name__}: {error}"}
        result = answer.get("result", 0.0)
        if not math.isfinite(result):
            answer["error"] = f"the result is {result}"
            del answer["result"]
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
