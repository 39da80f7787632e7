"""Many threads and processes at once: nothing aborts, nothing hangs, and nobody takes too much."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable

import pytest

from fastmlp import threads

LAYERS = [
    pytest.param(layer, marks=pytest.mark.skipif(not threads._loads(layer), reason="not here"))
    for layer in ("omp", "workqueue", "tbb")
]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="no torch")
needs_dask = pytest.mark.skipif(importlib.util.find_spec("dask") is None, reason="no dask")

MANY = """
import concurrent.futures as futures
import numba
rounds = int(sys.argv[1])
alone = [trained(network(seed)).parameters() for seed in range(4)]
outputs = network(9).predict_proba(x)
shared = network(9)
def train(seed):
    found = (trained(network(seed)).parameters() for _ in range(rounds))
    return all(np.array_equal(parameters, alone[seed]) for parameters in found)
def predict(_):
    return all(np.array_equal(shared.predict_proba(x), outputs) for _ in range(10 * rounds))
before = numba.get_num_threads()
with futures.ThreadPoolExecutor(20) as pool:
    jobs = [pool.submit(train, seed) for seed in range(4)]
    jobs += [pool.submit(predict, number) for number in range(16)]
    same = all(job.result() for job in jobs)
print(same, numba.threading_layer(), numba.get_num_threads() == before)
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_four_threads_train_and_sixteen_predict(script: Callable[..., str], layer: str) -> None:
    assert script(MANY, "3", NUMBA_THREADING_LAYER=layer) == f"True {layer} True\n"


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS)
def test_they_do_so_for_long(script: Callable[..., str], layer: str) -> None:
    assert script(MANY, "60", NUMBA_THREADING_LAYER=layer) == f"True {layer} True\n"


@needs_fork
@pytest.mark.parametrize("layer", LAYERS)
def test_a_fork_pool_after_a_fit(script: Callable[..., str], layer: str) -> None:
    text = """
import multiprocessing
expected = trained(network()).parameters()
def child(_):
    return np.array_equal(trained(network()).parameters(), expected)
with multiprocessing.get_context("fork").Pool(3) as pool:
    print(pool.map_async(child, range(6)).get(60))
print(child(0))
"""
    assert script(text, NUMBA_THREADING_LAYER=layer) == f"{[True] * 6}\nTrue\n"


TWINS = """
import concurrent.futures as futures
import numba
from fastmlp import kernels
w, b = np.ones((200, 300), "f"), np.zeros(300, "f")
expected = np.empty((1000, 300), "f")
kernels.dense(x, w, b, expected)
def work(number):
    out = np.empty_like(expected)
    for _ in range(20):
        out[:] = 0
        kernels.dense_parallel(x, w, b, out)
        if not np.array_equal(out, expected):
            return False
    return True
before = numba.get_num_threads()
print(work(0))
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_four_threads_call_a_parallel_kernel(script: Callable[..., str], layer: str) -> None:
    """And a training runs beside them."""
    text = """
with futures.ThreadPoolExecutor(5) as pool:
    jobs = [pool.submit(work, number) for number in range(4)] + [pool.submit(trained, network())]
    same = all(job.result() for job in jobs)
print(same, numba.threading_layer(), numba.get_num_threads() == before)
"""
    expected = f"True\nTrue {layer} True\n"
    assert script(TWINS + text, NUMBA_THREADING_LAYER=layer) == expected


@needs_fork
@pytest.mark.parametrize("layer", LAYERS)
def test_a_forked_child_calls_a_parallel_kernel(script: Callable[..., str], layer: str) -> None:
    text = """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map_async(work, range(4)).get(60))
print(work(0))
"""
    expected = f"True\n{[True] * 4}\nTrue\n"
    assert script(TWINS + text, NUMBA_THREADING_LAYER=layer) == expected


GRANTED = """
from joblib import Parallel, delayed, parallel_config
expected = trained(network()).parameters()
def work(x, y):
    import fastmlp
    from fastmlp import threads
    net = fastmlp.Network([200, 100, 10], seed=0)
    fastmlp.Trainer(net, optimizer=fastmlp.SGD(0.1), batch_size=256).fit(x, y, epochs=3)
    return net.parameters(), threads.wanted(None, 1e15, 1e15, None)
with parallel_config(sys.argv[1], n_jobs=2):
    found = Parallel()(delayed(work)(x, y) for _ in range(4))
print(all(np.array_equal(parameters, expected) for parameters, _ in found))
print(max(granted for _, granted in found))
"""


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_joblib_workers_train_and_take_what_they_were_granted(
    script: Callable[..., str], backend: str
) -> None:
    same, granted = script(GRANTED, backend).splitlines()
    assert same == "True"
    # joblib divides the cores among its processes, and a forked child is serial; the Python threads
    # of one process share its pool, which one of them has at a time.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    most = {"loky": max(1, min(2, cores // 2)), "multiprocessing": 1, "threading": 2}
    assert int(granted) <= most[backend]


@pytest.mark.parametrize("method", ["spawn", pytest.param("forkserver", marks=pytest.mark.slow)])
def test_a_process_pool_of_the_standard_library(script: Callable[..., str], method: str) -> None:
    text = """
import concurrent.futures as futures, multiprocessing
net = trained(network())
expected = net.predict_proba(x)
context = multiprocessing.get_context(sys.argv[1])
with futures.ProcessPoolExecutor(2, mp_context=context) as pool:
    found = list(pool.map(net.predict_proba, [x, x, x]))
print([np.array_equal(outputs, expected) for outputs in found])
"""
    assert script(text, method) == f"{[True] * 3}\n"


@needs_dask
def test_a_dask_worker_trains(script: Callable[..., str]) -> None:
    text = """
import dask
expected = trained(network()).parameters()
jobs = [dask.delayed(lambda: trained(network()).parameters())() for _ in range(4)]
print(all(np.array_equal(found, expected) for found in dask.compute(*jobs, scheduler="threads")))
"""
    assert script(text) == "True\n"


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads as Linux does")
@pytest.mark.parametrize("granted", [1, 2])
def test_no_more_threads_are_started_than_granted(script: Callable[..., str], granted: int) -> None:
    """`threads=1` starts none, two start the pool of NUMBA_NUM_THREADS and no other."""
    text = """
import scipy.linalg  # starts the threads of a BLAS of its own
network().predict(x[:1])
before = len(os.listdir("/proc/self/task"))
trained(network(), threads=int(sys.argv[1]))
print(len(os.listdir("/proc/self/task")) - before)
"""
    started = int(script(text, str(granted)))
    assert started <= granted
    assert started == 0 or granted > 1


@needs_torch
@pytest.mark.parametrize("first", ["torch", pytest.param("fastmlp", marks=pytest.mark.slow)])
def test_torch_in_the_same_process(script: Callable[..., str], first: str) -> None:
    text = """
def with_torch():
    import torch
    layer = torch.nn.Linear(200, 10)
    return layer(torch.from_numpy(x)).sum().backward()
if sys.argv[1] == "torch":
    with_torch()
expected = trained(network()).parameters()
with_torch()
print(np.array_equal(trained(network()).parameters(), expected))
"""
    assert script(text.replace("import torch", IGNORING), first) == "True\n"


# torch itself warns where NumPy or its own modules are of another age.
IGNORING = "warnings.simplefilter('ignore'); import torch; warnings.simplefilter('error')"
