"""What all tests share: a cache of compiled kernels of their own, and Numba's threads restored."""

import atexit
import os
import shutil
import signal
import sys
import tempfile

import pytest

# Before Numba is imported: it reads its environment once.
if "NUMBA_CACHE_DIR" not in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="fastmlp-tests-")
    atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)

# A process started in the background may have been told to ignore Ctrl-C, and its children with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _restore_threads():
    """Give the next test all threads; a test that starts none is not made to."""
    yield
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    if parallel is not None and getattr(parallel, "_is_initialized", False):
        parallel.set_num_threads(parallel.config.NUMBA_NUM_THREADS)


@pytest.fixture(scope="session")
def _mnist_like_folder(tmp_path_factory):
    """Files named, shaped and about as dark as MNIST's, drawn from scikit-learn's digits.

    6,000 and 1,000 rows: 20 × 20 pixels in a frame of 28 × 28, shifted by up to a pixel.
    """
    import numpy as np
    from scipy.ndimage import zoom

    from fastmlp.datasets import CHECKSUMS, load_digits
    from fastmlp.idx import write_idx

    folder = tmp_path_factory.mktemp("data")
    (folder / "mnist").mkdir()
    digits, random = load_digits(), np.random.default_rng(0)
    parts = ((digits.x_train, digits.y_train, 6000), (digits.x_test, digits.y_test, 1000))
    arrays = []
    for x, y, n in parts:
        grey = zoom(x.reshape(-1, 8, 8) / 16, (1, 2.5, 2.5), order=1)
        ink = np.rint(255 * np.clip((grey - 0.4) / 0.45, 0, 1)).astype(np.uint8)
        images, rows = np.zeros((n, 28, 28), np.uint8), np.arange(n) % len(x)
        for image, row, (down, right) in zip(
            images, rows, random.integers(3, 6, (n, 2)), strict=True
        ):
            image[down : down + 20, right : right + 20] = ink[row]
        order = random.permutation(n)
        arrays += [images[order], y[rows][order].astype(np.uint8)]
    for name, array in zip(CHECKSUMS["mnist"], arrays, strict=True):
        write_idx(folder / "mnist" / name, array)
    return folder


@pytest.fixture
def mnist_like(_mnist_like_folder, monkeypatch):
    """Make `load_mnist` read such files; returns the folder."""
    import hashlib

    from fastmlp import datasets

    files = (_mnist_like_folder / "mnist").iterdir()
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in files}
    order = datasets.CHECKSUMS["mnist"]
    monkeypatch.setitem(datasets.CHECKSUMS, "mnist", {name: sums[name] for name in order})
    monkeypatch.setenv("FASTMLP_DATA", str(_mnist_like_folder))
    return _mnist_like_folder
