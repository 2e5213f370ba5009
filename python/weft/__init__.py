"""weft: a deep-learning framework that one person can read."""

import importlib
import sys
from typing import Any

from weft import _C
from weft._C import OutOfMemoryError, num_threads, set_num_threads

# isort: split
from weft import autograd
from weft.autograd import (
    GradientTape,
    enable_grad,
    grad,
    is_grad_enabled,
    no_grad,
    value_and_grad,
)
from weft.device import device
from weft.dtypes import (
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    result_type,
    uint8,
    uint16,
    uint32,
    uint64,
)
from weft.errors import module_getattr
from weft.ops import *
from weft.programs import Captured, CaptureWarning, Program, capture
from weft.tensor import Tensor, array, asarray, from_dlpack, tensor
from weft.variable import Variable

# isort: split
from weft import callbacks, data, datasets, kernels
from weft.kernels.conv2d import conv_precision, set_conv_precision
from weft.kernels.matmul import matmul_precision, set_matmul_precision

# isort: split
from weft import constraints, initializers, losses, metrics, optimizers, random, regularizers, utils
from weft.optimizers import minimize

# isort: split
from weft import activations, config, dtype_policies, layers, linear_model, models, saving
from weft.dtype_policies import DTypePolicy
from weft.layers import Input, InputSpec, Layer
from weft.models import Functional, Model, Sequential, estimate

# isort: split
from weft import cuda, memory, signatures, sim

mixed_precision = dtype_policies
sim.check_environment()
sim.check_from_environment()

__version__ = "0.1.0"

# What TensorFlow 1 code asks for, and what to write instead.
_INSTEAD = {
    "placeholder": "weft.Input, or pass the data to the model directly",
    "get_variable": "weft.Variable",
    "Session": "the operations directly, and model.fit to train",
    "global_variables_initializer": "nothing: a weft.Variable has its value from the beginning",
    "enable_eager_execution": "nothing: operations run when they are written",
}
# Imported when somebody asks for them, so that `import weft` stays quick.
_ON_DEMAND = ("bench", "testing", "viz")
_missing = module_getattr(__name__, globals())


def __getattr__(name: str) -> Any:
    if name == "keras":
        # Code written for Keras says tf.keras.layers or keras.layers; both are this module.
        return sys.modules[__name__]
    if name in _ON_DEMAND:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _INSTEAD:
        raise AttributeError(f"weft has no {name!r} (a TensorFlow 1 name); use {_INSTEAD[name]}")
    return _missing(name)
