"""Kernels from naive to shipped, one idea a rung: ``python -m benchmarks.ladder matmul``."""
