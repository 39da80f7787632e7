"""`fastmlp info` and `fastmlp cache`: what this machine offers and what is kept on it."""

from __future__ import annotations

import json
import platform
import sys
from argparse import Namespace
from importlib import metadata
from pathlib import Path

import fastmlp

__all__ = ["cache", "info"]

LIBRARIES = ("numpy", "numba", "llvmlite", "scipy", "scikit-learn", "safetensors")


def info(arguments: Namespace) -> int:
    """Print what decides the speed here: a table on a terminal, lines elsewhere, or JSON."""
    if arguments.model is not None:
        return _show_model(arguments)
    facts = _facts()
    if arguments.json:
        print(json.dumps(facts, default=str))
    elif sys.stdout.isatty():
        _print_table(facts)
    else:
        for section, values in facts.items():
            for name, value in values.items():
                words = section if name == section else f"{section} {_words(name)}"
                print(f"{words}: {_shown(value)}")
    return 0


def _show_model(arguments: Namespace) -> int:
    """Print what a model is, and what became of each column of its table."""
    from fastmlp.network import Network
    from fastmlp.tables.files import load_model

    model = load_model(arguments.model)
    networks = [model] if isinstance(model, Network) else model.networks_
    columns: list[dict[str, object]] = []
    if not isinstance(model, Network):
        from fastmlp.cli.tables import show_columns

        columns = show_columns(model)
    for net in networks:
        print(net)
    if arguments.json:
        described = {"networks": [net.description() for net in networks], "columns": columns}
        print(json.dumps(described))
    return 0


def cache(arguments: Namespace) -> int:
    """Print where the compiled kernels are kept, or delete them."""
    from fastmlp.kernels.cache import cache_folder, clear_cache

    folder = cache_folder()
    if folder is None:
        print("compiled kernels are not kept on disk")
    elif arguments.clear:
        print(f"deleted {clear_cache()} files from {folder}")
    else:
        files, size = _contents(folder)
        print(f"{files} files, {size / 1e6:.1f} MB in {folder}")
    return 0


def _facts() -> dict[str, dict[str, object]]:
    from fastmlp import threads
    from fastmlp.kernels import target
    from fastmlp.kernels.cache import cache_folder

    folder = cache_folder()
    files, size = _contents(folder) if folder else (0, 0)
    return {
        "cpu": target.describe(),
        "threading": threads.describe(),
        "cache": {"folder": folder and str(folder), "files": files, "bytes": size},
        "versions": {
            "fastmlp": fastmlp.__version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in LIBRARIES},
        },
    }


def _contents(folder: Path) -> tuple[int, int]:
    """Return how many files there are below a folder, and their bytes."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def _print_table(facts: dict[str, dict[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for section, values in facts.items():
        table.add_row(Text(section, style="bold"))
        for name, value in values.items():
            table.add_row(Text(f"  {_words(name)}"), Text(_shown(value)))
    Console().print(table)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)
