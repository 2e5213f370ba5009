"""The kernels behind operations that have several: which there are, and choosing one by hand.

Example:
    >>> import weft
    >>> with weft.kernels.matmul.use("simt_64x64"):
    ...     pass  # products on GPUs are computed by this kernel here
"""

from weft.kernels import conv2d, matmul

__all__ = ["conv2d", "matmul"]
