"""What all tests share: a cache of compiled kernels of their own, and Numba's threads restored."""

import atexit
import os
import shutil
import sys
import tempfile

import pytest

# Before Numba is imported: it reads its environment once.
if "NUMBA_CACHE_DIR" not in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="fastmlp-tests-")
    atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)


@pytest.fixture(autouse=True)
def _restore_threads():
    """Give the next test all threads; a test that starts none is not made to."""
    yield
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    if parallel is not None and getattr(parallel, "_is_initialized", False):
        parallel.set_num_threads(parallel.config.NUMBA_NUM_THREADS)
