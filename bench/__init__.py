"""Benchmarks for asv: `asv run --quick --python=same` measures what is installed."""
