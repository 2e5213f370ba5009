"""Benchmarks: ``python -m weft.bench`` (``--help`` tells the options)."""
