"""Rules about the source itself, read from its syntax trees."""

from __future__ import annotations

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import fastmlp

ROOT = Path(fastmlp.__file__).parent
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in SOURCES.items()}

# A module imports only from modules of lines above its own. `kernels` and `cli` are packages.
ORDER = [
    ["errors", "interrupts", "names", "reference", "schedules"],
    ["callbacks"],
    ["kernels"],
    ["registry"],
    ["inputs", "output"],
    ["persistence", "plot"],
    ["history"],
    ["buffers", "threads"],
    ["validation"],
    ["parameters", "stopping", "targets"],
    ["nearest_mean"],
    ["inference", "passes"],
    ["gradients"],
    ["network"],
    ["optimizers"],
    ["progress"],
    ["checkpoints", "divergence"],
    ["resumable"],
    ["training"],
    ["racing", "estimators"],
    ["idx"],
    ["images", "npz"],
    ["datasets"],
    ["tables"],
    ["files"],
    ["benchmarks", "warmup"],
    ["recipes"],
    ["cli"],
    ["__main__"],
]
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
# The package itself: it names all, lazily, and holds the version.
FACADE = "__init__"


def package_imports(name: str) -> set[str]:
    """Return the modules of the package that a module imports, at the top or in a function."""
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                is_module = full.removeprefix("fastmlp.") in SOURCES
                found.add(full if is_module else str(node.module))
    inside = {full.removeprefix("fastmlp.") for full in found if full.startswith("fastmlp.")}
    return inside


def outside_imports(name: str) -> set[str]:
    """Return the top-level names of what a module imports from elsewhere."""
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found - {"fastmlp", "__future__"}


def test_all_modules_have_a_place_in_the_order() -> None:
    tops = {name.split(".")[0] for name in SOURCES} - {FACADE}
    assert tops == set(LEVEL)


@pytest.mark.parametrize("name", [name for name in SOURCES if name != FACADE])
def test_modules_import_only_from_above(name: str) -> None:
    top = name.split(".")[0]
    for imported in package_imports(name):
        other = imported.split(".")[0]
        assert other == top or LEVEL[other] < LEVEL[top], f"{name} imports {imported}"


@pytest.mark.parametrize("package", ["kernels", "benchmarks", "estimators", "recipes", "cli"])
def test_packages_have_no_circle(package: str) -> None:
    members = [name for name in SOURCES if name.split(".")[0] == package and name != package]
    TopologicalSorter({name: package_imports(name) & set(members) for name in members}).prepare()


def test_kernels_know_only_arrays_and_the_compiler() -> None:
    allowed = {"numpy", "numba", "llvmlite"} | set(sys.stdlib_module_names)
    for name in SOURCES:
        if name.split(".")[0] == "kernels":
            assert outside_imports(name) <= allowed, name
            others = {module.split(".")[0] for module in package_imports(name)}
            assert others <= {"kernels", "errors"}, name


def test_the_reference_is_numpy_alone() -> None:
    for name in ("reference", "reference.layers", "reference.losses"):
        assert outside_imports(name) <= {"numpy"} | set(sys.stdlib_module_names)
        assert all(module.startswith("reference") for module in package_imports(name))


def test_recipes_use_the_public_interface_alone() -> None:
    """They are the tutorial: what they need, a reader can use."""
    for name, tree in TREES.items():
        if name.split(".")[0] != "recipes" or name in ("recipes", "recipes.report"):
            continue
        inside = {module.split(".")[0] for module in package_imports(name)}
        assert inside <= {"recipes"}, name
        used = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "fastmlp"
        }
        assert used
        assert used <= set(fastmlp.__all__), name


def test_only_one_file_has_jit_options() -> None:
    names = {"njit", "jit", "vectorize", "guvectorize", "stencil", "cfunc", "jit_module"}
    for name, tree in TREES.items():
        used = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
                used |= {alias.name for alias in node.names} & names
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used |= {node.attr} & names if node.value.id in ("numba", "nb") else set()
            elif isinstance(node, ast.keyword) and node.arg == "fastmath":
                used.add("fastmath")
        assert used == ({"njit"} if name == "kernels.target" else set()), name


@pytest.mark.parametrize("name", SOURCES)
def test_files_have_at_most_400_lines(name: str) -> None:
    assert len(SOURCES[name].read_text("utf-8").splitlines()) <= 400


def test_every_function_of_the_kernels_has_a_docstring() -> None:
    for name, tree in TREES.items():
        if name.split(".")[0] != "kernels":
            continue
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            # A private class or helper in plain Python may go without; a kernel may not.
            compiled = isinstance(node, ast.FunctionDef) and node.decorator_list
            if compiled or not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{name}.{node.name}"


def test_nothing_prints_but_the_command_line() -> None:
    for name, tree in TREES.items():
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        prints = [func for func in calls if isinstance(func, ast.Name) and func.id == "print"]
        assert not prints or name.split(".")[0] == "cli", name


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "__main__"])
def test_public_names_are_listed_and_exist(name: str) -> None:
    listed = [
        ast.literal_eval(node.value)
        for node in TREES[name].body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "__all__"
    ]
    # All functions of the reference are public; the command line is no library.
    if name.split(".")[0] not in ("cli", "reference"):
        assert len(listed) == 1, f"{name} has no __all__"
    defined = set(getattr(fastmlp, "__all__", ())) if name == FACADE else set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            defined |= {alias.asname or alias.name for alias in node.names}
    for names in listed:
        assert set(names) <= defined
        assert len(set(names)) == len(names)
