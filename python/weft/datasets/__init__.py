"""Data sets for examples and lessons: each module has ``load_data()``."""

from weft.datasets import digits, fashion_mnist, mnist
from weft.errors import module_getattr

__all__ = ["digits", "fashion_mnist", "mnist"]

__getattr__ = module_getattr(__name__, dict.fromkeys(__all__))
