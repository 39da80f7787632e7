"""Write the table of speeds in README.md from results of `fastmlp bench --output FILE.json`.

    python -m bench.readme_table FILE.json [README.md]

What stands between the two marks is replaced; the same results give the same file again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fastmlp.benchmarks.report import overview_markdown
from fastmlp.benchmarks.results import read_results
from fastmlp.errors import DataError, FastMLPError
from fastmlp.output import write_atomically

BEGIN = "<!-- written by bench/readme_table.py: begin -->\n"
END = "<!-- written by bench/readme_table.py: end -->\n"
README = Path(__file__).parent.parent / "README.md"


def with_table(text: str, table: str) -> str:
    """Return the text with the table between the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise DataError("README.md: expected the two marks of bench/readme_table.py")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main(words: list[str]) -> int:
    """Rewrite the file; 2 for a mistake."""
    if len(words) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    path = Path(words[1]) if len(words) == 2 else README
    try:
        results = read_results(words[0])
        if results["quick"]:
            raise DataError(f"{words[0]}: expected a whole run, got one of --quick")
        text = with_table(path.read_text("utf-8"), overview_markdown(results))
        write_atomically(path, text.encode())
    except (FastMLPError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
