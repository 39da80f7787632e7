"""Rules that every kernel file keeps, checked on its syntax tree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import fastmlp

PACKAGE = Path(fastmlp.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
KERNEL_FILES = sorted((PACKAGE / "kernels").glob("*.py"))
COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "stencil", "cfunc", "generated_jit"}
PUBLIC_FILES = sorted(path.name for path in KERNEL_FILES if path.name.startswith("public"))
DECORATORS = {"kernel", "device", "checking_device"}


def tree(path):
    return ast.parse(path.read_text("utf-8"))


def compiled_functions(path):
    """Yield the functions that carry a decorator of target.py, and the bodies of units."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef):
            decorators = {d.id for d in node.decorator_list if isinstance(d, ast.Name)}
            if decorators & DECORATORS or node.name.endswith("_part"):
                yield node


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_target_compiles(path):
    if path == PACKAGE / "kernels" / "target.py":
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
            assert not COMPILERS & {name.name for name in node.names}, node.lineno
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.value.id != "numba" or node.attr not in COMPILERS, node.lineno


@pytest.mark.parametrize("path", KERNEL_FILES, ids=lambda p: p.name)
def test_kernels_use_no_module_above_them(path):
    allowed = {"fastmlp.errors"}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastmlp"):
            inside = node.module.startswith("fastmlp.kernels")
            assert inside or node.module in allowed, f"{node.lineno}: {node.module}"


@pytest.mark.parametrize("path", KERNEL_FILES, ids=lambda p: p.name)
def test_kernels_allocate_nothing(path):
    """No NumPy function that makes an array is called in compiled code."""
    makers = {
        "empty",
        "zeros",
        "ones",
        "full",
        "array",
        "arange",
        "copy",
        "empty_like",
        "zeros_like",
    }
    for function in compiled_functions(path):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in makers, f"{function.name}, line {node.lineno}"


@pytest.mark.parametrize("path", KERNEL_FILES, ids=lambda p: p.name)
def test_kernels_say_what_they_do(path):
    for function in compiled_functions(path):
        assert ast.get_docstring(function), f"{function.name} has no docstring"
        arguments = [*function.args.args, *function.args.kwonlyargs]
        assert all(a.annotation for a in arguments), f"{function.name} lacks annotations"


@pytest.mark.parametrize("name", ["activations.py", "dense.py", *PUBLIC_FILES, "updates.py"])
def test_sums_begin_in_the_dtype_of_the_arrays(name):
    """`total = 0.0` is float64 to Numba: a float32 sum would be widened without a word."""
    for function in compiled_functions(PACKAGE / "kernels" / name):
        summed = {ast.unparse(n.target) for n in ast.walk(function) if isinstance(n, ast.AugAssign)}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                names = {ast.unparse(target) for target in node.targets}
                widened = isinstance(node.value.value, float) and names & summed
                assert not widened, f"{function.name}, line {node.lineno}"
