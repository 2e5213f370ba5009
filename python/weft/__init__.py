"""weft: a deep-learning framework that one person can read."""

import importlib
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
from weft.ops import *
from weft.tensor import Tensor, array, asarray, from_dlpack, tensor
from weft.variable import Variable

# isort: split
from weft import constraints, initializers, losses, metrics, optimizers, random, regularizers, utils
from weft.optimizers import minimize

__version__ = "0.1.0"
