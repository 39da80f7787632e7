"""Prints, as JSON, what the machine code of the strips' hot loops is for the CPU that is set.

Run by `test_cpus.py` in a process of its own, because the CPU is read once.
"""

from __future__ import annotations

import json
import re
import sys

import numpy as np

from fastmlp import kernels
from fastmlp.kernels.target import HOST


def functions(assembly: str) -> dict[str, list[str]]:
    """Return the lines of each strip's function, by name."""
    found: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in assembly.splitlines():
        label = re.match(r'"?(fastmlp\.strip\.[\w.]+?)"?:', line)
        if label:
            lines = found[label[1]] = []
        elif line.startswith((".Lfunc_end", "\t.size")):
            lines = None
        elif lines is not None:
            lines.append(line.split("#")[0].rstrip())
    return found


def loops(lines: list[str]) -> list[list[str]]:
    """Return the bodies of the innermost loops: from a label to a jump back to it."""
    found, starts = [], dict[str, int]()
    for number, line in enumerate(lines):
        label = re.match(r"(\.L\w+):", line)
        if label:
            starts[label[1]] = number
            continue
        jump = re.match(r"\s+j\w+\s+(\.L\w+)", line)
        if jump and jump[1] in starts:
            body = lines[starts[jump[1]] + 1 : number]
            if not any(re.match(r"\.L\w+:", inner) for inner in body):
                found.append(body)
    return found


def describe(body: list[str]) -> dict[str, object]:
    """Return what a loop consists of: multiply-adds by register, and vectors on the stack."""
    registers = [
        re.findall(r"%([xyz]mm)\d+", line)[-1]
        for line in body
        if re.match(r"\s+(vfn?madd|v?mulp)", line)
    ]
    spilled = [line.strip() for line in body if re.search(r"\(%rsp.*mm\d|mm\d.*\(%rsp", line)]
    return {"multiplies": len(registers), "registers": sorted(set(registers)), "spilled": spilled}


def main(dtype: str) -> None:
    """Compile a product and print each strip's loop with the most multiply-adds."""
    x, w, b = np.ones((16, 8), dtype), np.ones((8, 150), dtype), np.zeros(150, dtype)
    out = np.empty((16, 150), dtype)
    kernels.dense(x, w, b, out)
    assert np.allclose(out, x @ w)
    (assembly,) = kernels.dense.inspect_asm().values()
    found = {}
    for name, lines in functions(assembly).items():
        described = [describe(body) for body in loops(lines)] or [describe([])]
        found[name] = max(described, key=lambda loop: loop["multiplies"])
    print(json.dumps({"host": HOST._asdict(), "strips": found}))


if __name__ == "__main__":
    main(sys.argv[1])
