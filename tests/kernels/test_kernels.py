"""Every public kernel against its reference: sizes, dtypes, layouts, twins, compiled callers.

Generated from `fastmlp.registry`. `test_modes.py` runs parts of this file again without the
compiler and with bounds checks.
"""

from __future__ import annotations

import copy
import doctest
import importlib
import inspect
import pickle

import numba
import numpy as np
import pytest

from fastmlp import kernels, reference, registry
from fastmlp.kernels.checks import KernelShapeError
from fastmlp.kernels.public import PART_ROWS
from fastmlp.kernels.target import PANEL_BYTES, TILE_ROWS, lanes
from fastmlp.registry import REGISTRY, Size

JIT = not numba.config.DISABLE_JIT
compiled = pytest.mark.skipif(not JIT, reason="without the compiler")
DTYPES = ("float32", "float64")
NAMES = list(REGISTRY)
# They walk arrays by the same code as another kernel and differ in what they do with an element,
# which the reference test covers. Each takes seconds to compile again for another layout or for
# threads: that is tested on all of them among the slow tests only.
ALIKE = (
    *("dense_sigmoid", "dense_tanh", "dense_relu", "dense_softmax", "exp", "identity", "tanh"),
    *("relu", "identity_backward", "tanh_backward", "relu_backward", "nesterov_update"),
    *("adam_update", "binary_cross_entropy", "binary_cross_entropy_backward", "mnist_loss"),
    *("mnist_loss_backward", "leaky_relu", "elu", "silu", "gelu", "leaky_relu_backward"),
    *("elu_backward", "silu_backward", "gelu_backward", "absolute_error", "huber"),
    *("absolute_error_backward", "huber_backward"),
)
NAMES_SLOW = [pytest.param(n, marks=pytest.mark.slow) if n in ALIKE else n for n in NAMES]


def sizes(dtype):
    """One, around a tile, around the boundaries of vectors, panels, parts and blocks."""
    vector, panel = lanes(np.dtype(dtype).itemsize), PANEL_BYTES // np.dtype(dtype).itemsize
    small = [
        Size(1, 1, 1),
        Size(TILE_ROWS - 1, vector - 1, vector - 1),
        Size(TILE_ROWS + 1, vector + 1, vector + 1),
        Size(3, 5, 7),
    ]
    large = [
        Size(TILE_ROWS, vector, vector),
        Size(PART_ROWS - 1, panel - 1, 2 * vector),
        Size(PART_ROWS, panel, 3 * vector),
        Size(PART_ROWS + 1, panel + 1, 4 * vector + 1),
        Size(4 * PART_ROWS + 1, 2 * panel + 1, panel + 1),
    ]
    return small + (large if JIT else [])


def tolerance(size, dtype, expected):
    """A bound for errors by rounding.

    Each of at most k steps of a chain rounds by half an eps of the sum so far, and the sums of
    random data are not much larger than the largest result; a few more roundings come after.
    """
    largest = max(1.0, np.max(np.abs(expected), initial=0.0))
    return (max(size) + 8) * np.finfo(dtype).eps * largest


def same_bits(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def copies(arguments):
    """Return the arguments, arrays copied."""
    return [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]


def run(function, arguments):
    """Return the arrays that a kernel writes, given copies of the arguments."""
    arguments = copies(arguments)
    function(*arguments)
    return arguments


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_equals_its_reference(name, dtype):
    entry = REGISTRY[name]
    for size in sizes(dtype):
        arguments = entry.arguments(size, dtype)
        expected = entry.expected(arguments, np.float64)
        called = run(entry.kernel, arguments)
        for got, want in zip(entry.results(called), expected, strict=True):
            assert got.dtype == dtype
            bound = tolerance(size, dtype, want)
            np.testing.assert_allclose(got, want, rtol=0, atol=bound, err_msg=f"{size}")
        written = {i % len(arguments) for i in entry.written()}
        for i, (before, after) in enumerate(zip(arguments, called, strict=True)):
            assert i in written or np.array_equal(before, after), f"argument {i} was changed"


@compiled
@pytest.mark.parametrize("name", NAMES_SLOW)
def test_parallel_twin_gives_the_same_bits(name):
    entry = REGISTRY[name]
    threads = sorted({1, min(2, numba.config.NUMBA_NUM_THREADS)})
    for size in (sizes("float32")[0], sizes("float32")[-1]):
        arguments = entry.arguments(size, "float32")
        serial = entry.results(run(entry.kernel, arguments))
        for count in threads:
            numba.set_num_threads(count)
            for kernel in (entry.parallel, entry.parallel.compiled):  # what Python and Numba call
                parallel = entry.results(run(kernel, arguments))
                assert all(map(same_bits, serial, parallel)), f"{size}, {count} threads"


def strided(array):
    buffer = np.full([2 * n for n in array.shape], np.nan, array.dtype)
    view = buffer[(slice(None, None, 2),) * array.ndim]
    view[...] = array
    return view


def reversed_rows(array):
    return strided(array[::-1])[::-1]


def padded_rows(array):
    buffer = np.full((array.shape[0], array.shape[-1] + 3), np.nan, array.dtype)
    view = buffer[:, : array.shape[1]] if array.ndim == 2 else buffer[:, 0]
    view[...] = array
    return view


def fortran_order(array):
    buffer = np.full((array.shape[-1] + 1, array.shape[0] + 1), np.nan, array.dtype)
    view = buffer.T[: array.shape[0], : array.shape[1]] if array.ndim == 2 else buffer[:-1, 0]
    view[...] = array
    return view


LAYOUTS = (strided, reversed_rows, padded_rows, fortran_order)


@pytest.mark.parametrize("name", NAMES_SLOW)
def test_any_layout_gives_the_same_bits(name):
    """All layouts are one type to Numba, `A`; the inputs are read-only."""
    entry = REGISTRY[name]
    for size in (Size(5, 4, 3), *([Size(70, 40, 50)] if JIT else [])):
        arguments = entry.arguments(size, "float32")
        expected = entry.results(run(entry.kernel, arguments))
        choices = [[make] * len(arguments) for make in LAYOUTS]
        choices += [[LAYOUTS[(i + s) % 4] for i in range(len(arguments))] for s in range(4)]
        for choice in choices:
            given = [
                make(a) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
                for make, a in zip(choice, arguments, strict=True)
            ]
            written = {i % len(given) for i in entry.written()}
            for i, a in enumerate(given):
                if isinstance(a, np.ndarray) and i not in written:
                    a.setflags(write=False)
            entry.kernel(*given)
            for got, want in zip(entry.results(given), expected, strict=True):
                assert same_bits(np.ascontiguousarray(got), want), [m.__name__ for m in choice]


@compiled
def test_called_from_a_users_compiled_function():
    size = Size(5, 7, 3)
    arguments = {name: entry.arguments(size, "float32") for name, entry in REGISTRY.items()}
    expected = {n: REGISTRY[n].results(run(REGISTRY[n].kernel, a)) for n, a in arguments.items()}
    lines = [
        f"    kernels.{name}({', '.join(f'{name}_[{i}]' for i in range(len(a)))})"
        for name, a in arguments.items()
    ]
    source = f"def call_all({', '.join(n + '_' for n in arguments)}):\n" + "\n".join(lines)
    names = {"kernels": kernels}
    exec(source, names)
    numba.njit(names["call_all"])(*map(tuple, arguments.values()))
    for name, entry in REGISTRY.items():
        assert all(map(same_bits, entry.results(arguments[name]), expected[name])), name


@compiled
def test_a_parallel_twin_in_a_users_compiled_function():
    """By whatever name it is known there; and it can be pickled and looked at."""
    twin = kernels.sigmoid_parallel

    @numba.njit
    def caller(x, out):
        kernels.sigmoid_parallel(x, out)
        twin(out, out)

    x = np.linspace(-3, 3, 600, dtype="f").reshape(20, 30)
    expected, out = np.empty_like(x), np.empty_like(x)
    kernels.sigmoid(x, expected)
    kernels.sigmoid(expected, expected)
    caller(x, out)
    assert same_bits(out, expected)
    assert pickle.loads(pickle.dumps(twin)) is twin
    assert twin.signatures
    assert list(inspect.signature(twin).parameters) == ["x", "out"]
    kernels.sigmoid_parallel(x=x, out=out)
    kernels.sigmoid_parallel(out, out=out)
    assert same_bits(out, expected)


@compiled
def test_shape_error_reaches_a_compiled_caller():
    @numba.njit
    def caller(x, out):
        kernels.sigmoid(x, out)

    with pytest.raises(KernelShapeError, match="out: expected 2 columns, got 3"):
        caller(np.zeros((1, 2), "f"), np.zeros((1, 3), "f"))


@pytest.mark.parametrize("name", NAMES)
def test_arrays_that_do_not_fit_are_refused_and_nothing_is_written(name):
    entry = REGISTRY[name]
    arguments = entry.arguments(Size(3, 4, 5), "float32")
    parameters = [*inspect.signature(entry.reference).parameters, "out"]
    any_number_is_right = [("dense_backward_biases", 0, 0), ("cross_entropy", 0, 1)]
    if name == "cross_entropy_backward":
        arguments[1][:] = 0  # a class that is there with one column less
    cases = [
        (i, axis)
        for i, a in enumerate(arguments)
        if isinstance(a, np.ndarray)
        for axis in range(a.ndim)
        if (name, i, axis) not in any_number_is_right
    ]
    for i, axis in cases:
        for change in (1, -1):
            given = copies(arguments)
            width = [(0, max(change, 0) * (k == axis)) for k in range(given[i].ndim)]
            index = [slice(0, -1 if change < 0 and k == axis else None) for k in range(len(width))]
            given[i] = np.ascontiguousarray(np.pad(given[i], width)[tuple(index)])
            before = copies(given)
            with pytest.raises(KernelShapeError, match=r"\w+: expected \d+ \w+, got \d+") as error:
                entry.kernel(*given)
            assert str(error.value).split(":")[0] in parameters
            for a, b in zip(given, before, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES_SLOW)
def test_another_number_of_dimensions_is_refused_and_nothing_is_written(name):
    entry = REGISTRY[name]
    arguments = entry.arguments(Size(3, 3, 3), "float32")
    parameters = [*inspect.signature(entry.reference).parameters, "out"]
    for i, a in enumerate(arguments):
        if not isinstance(a, np.ndarray):
            continue
        others = [a[..., None], a[..., None, None], a[0]] if a.ndim == 2 else [a[:, None], a[None]]
        if i == 1 and name.startswith("cross_entropy"):
            others = [a[:, None, None]]  # a column of labels may be given
        for other in others:
            if other.ndim == 0:
                continue
            given = copies(arguments)
            given[i] = other.copy()
            before = copies(given)
            with pytest.raises(KernelShapeError, match=r"expected .* dimensions, got \d") as error:
                entry.kernel(*given)
            assert str(error.value).split(":")[0] in parameters
            for b, c in zip(given, before, strict=True):
                np.testing.assert_array_equal(b, c)


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith(("adam", "adamw"))])
def test_steps_count_from_one(name):
    arguments = REGISTRY[name].arguments(Size(1, 2, 2), "float32")
    for step in (0, -1):
        arguments[4] = step
        given = copies(arguments)
        with pytest.raises(KernelShapeError, match=f"step: expected at least 1, got {step}"):
            REGISTRY[name].kernel(*given)
        np.testing.assert_array_equal(given[0], arguments[0])


UPDATES = [name for name in NAMES if REGISTRY[name].updated]
UPDATES_SLOW = [pytest.param(n, marks=pytest.mark.slow) if n in ALIKE else n for n in UPDATES]


@pytest.mark.parametrize("name", UPDATES_SLOW)
def test_an_update_of_matrices_gives_the_bits_of_vectors(name):
    """Of any layout, and in more than one block, whose bounds lie within rows."""
    entry = REGISTRY[name]
    for size in (Size(1, 5, 3), *([Size(1, 70, 101), Size(1, 3, 3000)] if JIT else [])):
        arguments = entry.arguments(size, "float32")
        expected = entry.results(run(entry.kernel, arguments))
        shape = size[1:]
        choices = [[make] * len(arguments) for make in (np.array, *LAYOUTS)]
        choices += [[LAYOUTS[(i + s) % 4] for i in range(len(arguments))] for s in range(4)]
        for choice in choices:
            given = [
                make(a.reshape(shape)) if isinstance(a, np.ndarray) else a
                for make, a in zip(choice, arguments, strict=True)
            ]
            entry.kernel(*given)
            for got, want in zip(entry.results(given), expected, strict=True):
                assert same_bits(np.ascontiguousarray(got).reshape(-1), want), choice


@compiled
@pytest.mark.parametrize("name", UPDATES_SLOW)
def test_a_parallel_update_of_matrices_gives_the_same_bits(name):
    entry = REGISTRY[name]
    arguments = [
        a.reshape(70, 101) if isinstance(a, np.ndarray) else a
        for a in entry.arguments(Size(1, 70, 101), "float32")
    ]
    serial = entry.results(run(entry.kernel, arguments))
    assert all(map(same_bits, serial, entry.results(run(entry.parallel, arguments))))


def test_an_update_of_some_rows_leaves_the_others():
    weights = np.zeros((7, 5), "f")
    for rows in (weights[2:4], weights[:, 1:3], weights[::3]):
        weights[:] = 0
        kernels.sgd_update(rows, np.full(rows.shape, -1, "f"), 1.0)
        assert (rows == 1).all()
        assert weights.sum() == rows.size


@compiled
def test_parallel_twin_refuses_the_same():
    entry = REGISTRY["sgd_update"]
    with pytest.raises(KernelShapeError, match="gradient: expected 2 dimensions, got 1"):
        entry.parallel(np.zeros((4, 2), "f"), np.zeros(4, "f"), 0.1)
    entry = REGISTRY["sigmoid"]
    with pytest.raises(KernelShapeError, match="out: expected 4 rows, got 3"):
        entry.parallel(np.zeros((4, 2), "f"), np.zeros((3, 2), "f"))


@pytest.mark.parametrize("name", ["cross_entropy", "cross_entropy_backward"])
def test_labels(name):
    entry = REGISTRY[name]
    p, labels, out = entry.arguments(Size(4, 1, 3), "float32")
    for wrong in (-1, 3):
        given = labels.copy()
        given[2] = wrong
        with pytest.raises(
            KernelShapeError, match=f"labels: expected a class below 3, got {wrong}"
        ):
            entry.kernel(p, given, out)
        assert np.isnan(out).all()
    entry.kernel(p, labels, out)
    column = np.full_like(out, np.nan)
    entry.kernel(p, labels[:, None].astype(np.uint8), column)
    assert same_bits(column, out)


@pytest.mark.parametrize("name", NAMES)
def test_empty_arrays(name):
    entry = REGISTRY[name]
    for size in (Size(0, 3, 4), Size(3, 0, 4)):
        arguments = entry.arguments(size, "float32")
        expected = entry.expected(arguments)
        entry.kernel(*arguments)
        for got, want in zip(entry.results(arguments), expected, strict=True):
            bound = tolerance(size, "float32", want)
            np.testing.assert_allclose(got, want, rtol=0, atol=bound)


@pytest.mark.parametrize("name", ["softmax", "dense", "dense_softmax", "dense_backward_input"])
def test_no_outputs(name):
    arguments = REGISTRY[name].arguments(Size(3, 4, 0), "float32")
    REGISTRY[name].kernel(*arguments)
    assert not np.isnan(arguments[-1]).any()


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("dense")])
def test_out_may_be_an_input_of_its_shape(name):
    entry = REGISTRY[name]
    arguments = entry.arguments(Size(40, 1, 70), "float32")
    if entry.updated:
        pytest.skip("an update is in place")
    (expected,) = entry.results(run(entry.kernel, arguments))
    for i, a in enumerate(arguments[:-1]):
        if np.shape(a) == expected.shape and a.dtype == expected.dtype:
            given = [copy.copy(b) for b in arguments]
            given[-1] = given[i]
            entry.kernel(*given)
            assert same_bits(given[-1], expected)


@compiled
@pytest.mark.parametrize("name", ["sigmoid"])
def test_one_dimension(name):
    entry = REGISTRY[name]
    flat = [a.reshape(-1) for a in entry.arguments(Size(41, 1, 73), "float32")]
    expected = run(entry.kernel, entry.arguments(Size(41, 1, 73), "float32"))[-1]
    for step in (1, 3):
        spread = [np.repeat(a, step)[::step] for a in flat]
        entry.kernel(*spread)
        assert same_bits(np.ascontiguousarray(spread[-1]), expected.reshape(-1))


@pytest.mark.parametrize("name", ["exp", "sigmoid", "tanh", "relu", "softmax"])
def test_not_a_number_stays(name):
    x = np.ones((3, 20), "f")
    x[1] = np.nan
    REGISTRY[name].kernel(x, x)
    assert np.isnan(x[1]).all()
    assert np.isfinite(x[[0, 2]]).all()


@compiled  # NumPy warns of the overflow that makes the infinity
@pytest.mark.parametrize("name", ["softmax", "sigmoid", "tanh"])
def test_extreme_logits(name):
    largest = np.finfo("f").max
    x = np.array([[largest, -largest, 0], [-largest, -largest, -largest], [90, -90, 1]], "f")
    expected = REGISTRY[name].reference(x.astype("d"))
    out = np.full_like(x, np.nan)
    REGISTRY[name].kernel(x, out)
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-37)


def test_one_infinite_logit_takes_all_or_is_nan():
    x = np.array([[-np.inf, 0.0, 0.0]], "f")
    kernels.softmax(x, x)
    np.testing.assert_array_equal(x, [[0, 0.5, 0.5]])


@compiled
def test_a_row_does_not_depend_on_its_neighbours():
    x, w, b, out = REGISTRY["dense_softmax"].arguments(Size(21, 150, 37), "float32")
    kernels.dense_softmax(x, w, b, out)
    for r in range(len(x)):
        alone = np.full((1, 37), np.nan, "f")
        kernels.dense_softmax(x[r : r + 1], w, b, alone)
        assert same_bits(alone[0], out[r])


@compiled
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("exp", [np.zeros((2, 2), int)] * 2),
        ("exp", [np.zeros((2, 2), "f"), np.zeros((2, 2))]),
        ("dense", [np.zeros((2, 2), "f"), np.zeros((2, 2)), np.zeros(2), np.zeros((2, 2))]),
    ],
)
def test_dtypes_that_do_not_fit_are_refused_with_words(name, arguments):
    with pytest.raises(numba.TypingError, match="expected arrays of one dtype, float32 or float64"):
        REGISTRY[name].kernel(*arguments)


@pytest.mark.parametrize("name", NAMES)
def test_documented(name):
    entry = REGISTRY[name]
    assert hasattr(reference, name)
    body = getattr(entry.kernel, "py_func", entry.kernel)
    parameters = inspect.signature(body).parameters
    expected = dict(inspect.signature(entry.reference).parameters)
    assert list(parameters) == list(expected) + ([] if entry.updated else ["out"])
    defaults = [parameters[p].default for p in expected]
    assert defaults == [p.default for p in expected.values()]
    text = inspect.getdoc(entry.kernel)
    section = text.split("Parameters\n----------\n")[1].split("\n\n")[0]
    described = [line.split(" : ") for line in section.splitlines() if " : " in line]
    assert [p for names, _ in described for p in names.split(", ")] == list(parameters)
    for names, words in described:
        if words not in ("float", "int"):
            assert words.startswith("(n") or words.startswith("the shape")
            assert any(w in words for w in ("read", "written", "updated")), names
    assert "written" in section or "updated" in section
    assert f"`{name}`" in entry.parallel.__doc__ or not JIT
    assert getattr(entry.parallel, "py_func", entry.parallel).__name__ == f"{name}_parallel"


def examples():
    found = list(doctest.DocTestFinder(recurse=False).find(kernels, "fastmlp.kernels"))
    found += doctest.DocTestFinder(recurse=False).find(registry, "fastmlp.registry")
    for name, entry in REGISTRY.items():
        body = getattr(entry.kernel, "py_func", entry.kernel)
        module = importlib.import_module(body.__module__)
        found += doctest.DocTestFinder(recurse=False).find(body, name, module, vars(module))
    return found


@compiled
@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_example(example):
    assert example.examples, "no example"
    output = []
    doctest.DocTestRunner().run(example, out=output.append)
    assert not output, "".join(output)


def test_public_names():
    public = {n for n in kernels.__all__ if not n.endswith("_parallel")}
    # A whole network is compared with the reference in test_gradients and test_compiled.
    public -= {"KernelShapeError", "CompiledNetwork", "predict"}
    assert public == set(REGISTRY)
    assert {f"{n}_parallel" for n in public} <= set(kernels.__all__)
    assert all(hasattr(kernels, n) for n in kernels.__all__)
    for module in ("public_activations", "public_dense", "public_losses", "updates"):
        for name, value in vars(importlib.import_module(f"fastmlp.kernels.{module}")).items():
            if type(getattr(value, "_cache", None)).__name__ == "KernelCache":
                assert name in kernels.__all__
