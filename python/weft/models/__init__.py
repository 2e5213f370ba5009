"""Models: stacks and graphs of layers, and loading them."""

from weft.errors import module_getattr
from weft.layers.input_layer import Input
from weft.models.cloning import clone_model, model_from_json
from weft.models.cost import estimate
from weft.models.functional import Functional
from weft.models.model import Model
from weft.models.sequential import Sequential
from weft.saving.model_file import load_model, save_model

__all__ = [
    "Functional",
    "Input",
    "Model",
    "Sequential",
    "clone_model",
    "estimate",
    "load_model",
    "model_from_json",
    "save_model",
]
__getattr__ = module_getattr(__name__, globals())
