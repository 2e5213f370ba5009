"""Helpers around training, under their Keras names."""

from weft.data.dataset import PyDataset, Sequence
from weft.errors import module_getattr
from weft.utils.arrays import normalize, to_categorical
from weft.utils.progbar import Progbar
from weft.utils.random_seed import set_random_seed

__all__ = [
    "Progbar",
    "PyDataset",
    "Sequence",
    "normalize",
    "set_random_seed",
    "to_categorical",
]

__getattr__ = module_getattr(__name__, dict.fromkeys(__all__))
