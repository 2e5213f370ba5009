"""``python -m weft.bench.gpu``: the kernels on a GPU against PyTorch (cuBLAS, cuDNN, SDPA) there.

Agreement first. Then both are timed in turns with device events, over inputs that rotate through
more memory than the caches hold, with random data; the median of many counts. Beside each ratio
stands the share of what the device was measured to do: bytes a second of a copy, and FLOP/s of the
largest product in the arithmetic that the work uses.

On ``sim`` the same code runs on small sizes, which is how it is tested (tests/test_bench_gpu.py):
there the results are compared with PyTorch's on the CPU, and times say nothing about a GPU.
"""
