"""Whole trainings and predictions, beside the NumPy reference."""

from __future__ import annotations

from dataclasses import replace

from bench.common import (
    DTYPES,
    IMPLEMENTATIONS,
    NETWORKS,
    THREADS,
    best_seconds,
    contender,
    peak,
    training,
)
from fastmlp.benchmarks.problem import Problem

BATCHES = [8, 128, "all"]


class Epoch:
    """One epoch: its time, and the memory of the process."""

    params = (list(NETWORKS), BATCHES, DTYPES, THREADS, IMPLEMENTATIONS)
    param_names = ("network", "batch", "dtype", "threads", "implementation")
    timeout = 300

    def setup(
        self, network: str, batch: int | str, dtype: str, threads: int, implementation: str
    ) -> None:
        self.contender = contender(implementation, training(network, batch, dtype), threads)

    def time_epoch(self, *_: object) -> None:
        self.contender.fit()

    def peakmem_epoch(self, *_: object) -> None:
        self.contender.fit()


class Rate:
    """What an epoch makes of the machine."""

    params = (list(NETWORKS), BATCHES, DTYPES, THREADS)
    param_names = ("network", "batch", "dtype", "threads")
    timeout = 300

    def setup(self, network: str, batch: int | str, dtype: str, threads: int) -> None:
        self.work = training(network, batch, dtype)
        self.contender = contender("fastmlp", self.work, threads)

    def track_gflops(self, network: str, batch: int | str, dtype: str, threads: int) -> float:
        return self.work.operations / best_seconds(self.contender.fit) / 1e9

    def track_fraction_of_peak(
        self, network: str, batch: int | str, dtype: str, threads: int
    ) -> float:
        return self.track_gflops(network, batch, dtype, threads) / peak(threads, dtype)

    track_gflops.unit = "GFLOP/s"
    track_fraction_of_peak.unit = "of the multiply-add peak"


class Accuracy:
    """Share of the digits that are right after 20 epochs: what speed must not cost."""

    params = (DTYPES, IMPLEMENTATIONS)
    param_names = ("dtype", "implementation")
    timeout = 300

    def track_accuracy(self, dtype: str, implementation: str) -> float:
        work = replace(training("64-100-10", 32, dtype), epochs=20, learning_rate=0.5)
        trained = contender(implementation, work, 1)
        weights, biases = trained.parameters()
        net = Problem(work).network()
        for view, array in zip(net.weights + net.biases, weights + biases, strict=True):
            view[:] = array
        return net.evaluate(trained.problem.x, trained.problem.y)["accuracy"]


class Predict:
    """Seconds of the outputs of one row, and of all."""

    params = (list(NETWORKS), ["one", "all"], DTYPES, IMPLEMENTATIONS)
    param_names = ("network", "rows", "dtype", "implementation")
    timeout = 300

    def setup(self, network: str, rows: str, dtype: str, implementation: str) -> None:
        work = replace(training(network, 128, dtype), task="row")
        if rows == "one":
            work = replace(work, rows=1)
        self.contender = contender(implementation, work, THREADS[-1])

    def time_outputs(self, *_: object) -> None:
        self.contender.outputs()
