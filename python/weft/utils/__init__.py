"""Helpers around training."""

from weft.utils.random_seed import set_random_seed

__all__ = ["set_random_seed"]
