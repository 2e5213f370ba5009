"""
weft's kernels, tensors and settings. Python code uses them through weft.ops.
"""

from __future__ import annotations
import collections.abc
import numpy
import typing
import typing_extensions
from weft import OutOfMemoryError
import weft.dtypes

__all__: list[str] = [
    "BufferProvider",
    "IndexKey",
    "OutOfMemoryError",
    "Tensor",
    "UpdatePlan",
    "UpdateSettings",
    "absolute",
    "add",
    "additem",
    "all",
    "any",
    "arange_floats",
    "arange_integers",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argsort",
    "as_strided",
    "average_pool2d",
    "average_pool2d_backward",
    "best_isa",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "broadcast_to",
    "cast",
    "ceil",
    "clip",
    "concatenate",
    "contiguous",
    "conv2d",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "copy",
    "copy_into",
    "cos",
    "cosh",
    "diagonal",
    "divide",
    "dropout",
    "dropout_mask",
    "elu",
    "elu_backward",
    "empty",
    "empty_cache",
    "equal",
    "erf",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "flip",
    "floor",
    "floor_divide",
    "fmod",
    "from_dlpack",
    "from_numpy",
    "full",
    "gelu",
    "gelu_backward",
    "gelu_tanh",
    "gelu_tanh_backward",
    "getitem",
    "greater",
    "greater_equal",
    "hard_sigmoid",
    "hard_sigmoid_backward",
    "hypot",
    "isa",
    "isfinite",
    "isinf",
    "isnan",
    "launch_counters",
    "leaky_relu",
    "leaky_relu_backward",
    "less",
    "less_equal",
    "linear",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_sigmoid",
    "log_sigmoid_backward",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "matmul",
    "matmul_into",
    "max",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool2d_gather",
    "max_pool2d_with_indices",
    "maximum",
    "mean",
    "memory_statistics",
    "min",
    "minimum",
    "mish",
    "mish_backward",
    "multiply",
    "negative",
    "nonzero",
    "not_equal",
    "num_threads",
    "one_hot",
    "pad",
    "peak_bandwidth",
    "peak_flops",
    "pointwise_loss",
    "pointwise_loss_backward",
    "power",
    "prod",
    "promote",
    "put_along_axis",
    "random_bernoulli",
    "random_categorical",
    "random_integers",
    "random_normal",
    "random_permutation",
    "random_truncated_normal",
    "random_uniform",
    "reciprocal",
    "relu",
    "relu6",
    "relu6_backward",
    "relu_backward",
    "remainder",
    "reset_launch_counters",
    "reset_peak_memory",
    "reshape",
    "round",
    "rsqrt",
    "scaled_add",
    "selu",
    "selu_backward",
    "set_dtype_objects",
    "set_isa",
    "set_num_threads",
    "setitem",
    "sigmoid",
    "sigmoid_backward",
    "sign",
    "silu",
    "silu_backward",
    "sin",
    "sinh",
    "softmax_cross_entropy",
    "softmax_cross_entropy_backward",
    "softplus",
    "softplus_backward",
    "softsign",
    "softsign_backward",
    "sort",
    "sqrt",
    "square",
    "squeeze",
    "squeeze_all",
    "stack",
    "step",
    "subtract",
    "sum",
    "sum_squares",
    "sums_of_squares",
    "take_along_axis",
    "tan",
    "tanh",
    "tanh_backward",
    "to_dlpack",
    "topk_indices",
    "transpose",
    "triangle",
    "trunc",
    "where",
]

class BufferProvider:
    pass

class Tensor:
    def bump_version(self) -> None: ...
    def is_contiguous(self) -> bool: ...
    def item(self) -> typing.Any: ...
    def numpy(self) -> numpy.ndarray: ...
    @property
    def device(self) -> str: ...
    @property
    def dtype(self) -> weft.dtypes.DType: ...
    @property
    def ndim(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def pointer(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def size(self) -> int: ...
    @property
    def storage_id(self) -> int: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def version(self) -> int: ...
    @property
    def writable(self) -> bool: ...

class UpdateSettings:
    amsgrad: bool
    centered: bool
    nesterov: bool
    def __init__(self, rule: str) -> None: ...
    @property
    def beta(self) -> float: ...
    @beta.setter
    def beta(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def beta_1(self) -> float: ...
    @beta_1.setter
    def beta_1(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def beta_2(self) -> float: ...
    @beta_2.setter
    def beta_2(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def clip_norm(self) -> float: ...
    @clip_norm.setter
    def clip_norm(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def clip_value(self) -> float: ...
    @clip_value.setter
    def clip_value(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def epsilon(self) -> float: ...
    @epsilon.setter
    def epsilon(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def global_clip_norm(self) -> float: ...
    @global_clip_norm.setter
    def global_clip_norm(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def gradient_scale(self) -> float: ...
    @gradient_scale.setter
    def gradient_scale(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def l1(self) -> float: ...
    @l1.setter
    def l1(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def l2(self) -> float: ...
    @l2.setter
    def l2(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def l2_shrinkage(self) -> float: ...
    @l2_shrinkage.setter
    def l2_shrinkage(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def learning_rate_power(self) -> float: ...
    @learning_rate_power.setter
    def learning_rate_power(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def momentum(self) -> float: ...
    @momentum.setter
    def momentum(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def rho(self) -> float: ...
    @rho.setter
    def rho(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def slot_count(self) -> int: ...
    @property
    def weight_decay(self) -> float: ...
    @weight_decay.setter
    def weight_decay(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...

class UpdatePlan:
    def __init__(
        self,
        settings: UpdateSettings,
        parameters: collections.abc.Sequence[Tensor],
        slots: collections.abc.Sequence[Tensor],
        decayed: collections.abc.Sequence[bool],
        rate: Tensor,
        iterations: Tensor,
        momentum_product: Tensor = None,
    ) -> None: ...
    def update(self, gradients: collections.abc.Sequence) -> None: ...

class IndexKey:
    def __init__(self, key: typing.Any) -> None: ...
    @property
    def is_basic(self) -> bool: ...

def absolute(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def add(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def additem(x: Tensor, key: typing.Any, value: typing.Any) -> None: ...
def all(x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor: ...
def any(x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor: ...
def arange_floats(
    start: typing.SupportsFloat | typing.SupportsIndex,
    step: typing.SupportsFloat | typing.SupportsIndex,
    n: typing.SupportsInt | typing.SupportsIndex,
    dtype: str,
    device: str = "cpu",
) -> Tensor: ...
def arange_integers(
    start: typing.SupportsInt | typing.SupportsIndex,
    step: typing.SupportsInt | typing.SupportsIndex,
    n: typing.SupportsInt | typing.SupportsIndex,
    dtype: str,
    device: str = "cpu",
) -> Tensor: ...
def arccos(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def arccosh(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def arcsin(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def arcsinh(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def arctan(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def arctan2(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def arctanh(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def argsort(
    x: Tensor, axis: typing.SupportsInt | typing.SupportsIndex, descending: bool
) -> Tensor: ...
def as_strided(
    x: Tensor,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: typing.SupportsInt | typing.SupportsIndex,
) -> Tensor: ...
def average_pool2d(
    x: Tensor, window: tuple[int, ...], strides: tuple[int, ...], padding: tuple[int, ...]
) -> Tensor: ...
def average_pool2d_backward(
    dy: Tensor,
    x_shape: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[int, ...],
) -> Tensor: ...
def best_isa() -> str: ...
def bitwise_and(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def bitwise_invert(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def bitwise_left_shift(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def bitwise_or(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def bitwise_right_shift(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def bitwise_xor(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def broadcast_to(x: Tensor, shape: tuple[int, ...]) -> Tensor: ...
def cast(x: Tensor, dtype: str) -> Tensor: ...
def ceil(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def clip(x1, x2, x3, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def concatenate(
    tensors: collections.abc.Sequence[Tensor], axis: typing.SupportsInt | typing.SupportsIndex
) -> Tensor: ...
def contiguous(x: Tensor) -> Tensor: ...
def conv2d(
    x: Tensor,
    w: Tensor,
    bias: Tensor | None,
    strides: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: typing.SupportsInt | typing.SupportsIndex,
    relu: bool = False,
) -> Tensor: ...
def conv2d_backward_input(
    dy: Tensor,
    w: Tensor,
    x_shape: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: typing.SupportsInt | typing.SupportsIndex,
) -> Tensor: ...
def conv2d_backward_weight(
    x: Tensor,
    dy: Tensor,
    w_shape: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: typing.SupportsInt | typing.SupportsIndex,
) -> Tensor: ...
def copy(x: Tensor) -> Tensor: ...
def copy_into(x: Tensor, y: Tensor) -> None: ...
def cos(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def cosh(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def diagonal(
    x: Tensor,
    offset: typing.SupportsInt | typing.SupportsIndex,
    axis1: typing.SupportsInt | typing.SupportsIndex,
    axis2: typing.SupportsInt | typing.SupportsIndex,
) -> Tensor: ...
def divide(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def dropout(
    x: Tensor, state: Tensor, rate: typing.SupportsFloat | typing.SupportsIndex
) -> tuple[Tensor, Tensor]: ...
def dropout_mask(
    x: Tensor, mask: Tensor, rate: typing.SupportsFloat | typing.SupportsIndex
) -> Tensor: ...
def elu(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def elu_backward(x1, x2, x3, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def empty(shape: tuple[int, ...], dtype: str, device: str = "cpu") -> Tensor: ...
def empty_cache(device: str = "cpu") -> None: ...
def equal(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def erf(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def exp(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def exp2(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def expand_dims(x: Tensor, axes: tuple[int, ...]) -> Tensor: ...
def expm1(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def flip(x: Tensor, axes: tuple[int, ...]) -> Tensor: ...
def floor(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def floor_divide(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def fmod(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def from_dlpack(capsule: typing_extensions.CapsuleType) -> Tensor: ...
def from_numpy(array: numpy.ndarray, copy: bool = False) -> Tensor: ...
def full(
    shape: tuple[int, ...],
    value: typing.SupportsFloat | typing.SupportsIndex,
    dtype: str,
    device: str = "cpu",
) -> Tensor: ...
def gelu(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def gelu_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def gelu_tanh(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def gelu_tanh_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def getitem(x: Tensor, key: typing.Any) -> Tensor: ...
def greater(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def greater_equal(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def hard_sigmoid(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def hard_sigmoid_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def hypot(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def isa() -> str: ...
def isfinite(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def isinf(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def isnan(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def launch_counters() -> tuple[int, int, int]: ...
def leaky_relu(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def leaky_relu_backward(x1, x2, x3, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def less(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def less_equal(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def linear(
    x: Tensor, w: Tensor, bias: Tensor | None = None, activation: str | None = None
) -> Tensor: ...
def log(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def log10(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def log1p(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def log2(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def log_sigmoid(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def log_sigmoid_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def logaddexp(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def logical_and(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def logical_not(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def logical_or(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def logical_xor(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def matmul(
    x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False
) -> Tensor: ...
def matmul_into(x: Tensor, y: Tensor, out: Tensor, accumulate: bool = False) -> None: ...
def max(x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor: ...
def max_pool2d(
    x: Tensor, window: tuple[int, ...], strides: tuple[int, ...], padding: tuple[int, ...]
) -> Tensor: ...
def max_pool2d_backward(
    dy: Tensor,
    indices: Tensor,
    x_shape: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[int, ...],
) -> Tensor: ...
def max_pool2d_gather(
    x: Tensor,
    indices: Tensor,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[int, ...],
) -> Tensor: ...
def max_pool2d_with_indices(
    x: Tensor, window: tuple[int, ...], strides: tuple[int, ...], padding: tuple[int, ...]
) -> tuple[Tensor, Tensor]: ...
def maximum(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def mean(x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor: ...
def memory_statistics(device: str = "cpu") -> dict: ...
def min(x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor: ...
def minimum(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def mish(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def mish_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def multiply(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def negative(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def nonzero(x: Tensor) -> Tensor: ...
def not_equal(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def num_threads() -> int: ...
def one_hot(
    labels: Tensor,
    num_classes: typing.SupportsInt | typing.SupportsIndex,
    axis: typing.SupportsInt | typing.SupportsIndex,
    dtype: str,
) -> Tensor: ...
def pad(
    x: Tensor,
    before: tuple[int, ...],
    after: tuple[int, ...],
    value: typing.SupportsFloat | typing.SupportsIndex,
) -> Tensor: ...
def peak_bandwidth() -> float: ...
def peak_flops(dtype: str) -> float: ...
def pointwise_loss(
    kind: str,
    y: Tensor,
    x: Tensor,
    number: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    rows: bool = True,
) -> Tensor: ...
def pointwise_loss_backward(
    kind: str,
    dloss: Tensor,
    y: Tensor,
    x: Tensor,
    number: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    rows: bool = True,
) -> Tensor: ...
def power(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def prod(x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor: ...
def promote(a: str, b: str) -> weft.dtypes.DType: ...
def put_along_axis(
    x: Tensor,
    indices: Tensor,
    values: Tensor,
    axis: typing.SupportsInt | typing.SupportsIndex,
    accumulate: bool = False,
) -> None: ...
def random_bernoulli(
    state: Tensor, shape: tuple[int, ...], probability: typing.SupportsFloat | typing.SupportsIndex
) -> Tensor: ...
def random_categorical(
    state: Tensor,
    logits: Tensor,
    num_samples: typing.SupportsInt | typing.SupportsIndex,
    dtype: str,
) -> Tensor: ...
def random_integers(
    state: Tensor,
    shape: tuple[int, ...],
    low: typing.SupportsInt | typing.SupportsIndex,
    high: typing.SupportsInt | typing.SupportsIndex,
    dtype: str,
) -> Tensor: ...
def random_normal(
    state: Tensor,
    shape: tuple[int, ...],
    mean: typing.SupportsFloat | typing.SupportsIndex,
    stddev: typing.SupportsFloat | typing.SupportsIndex,
    dtype: str,
) -> Tensor: ...
def random_permutation(state: Tensor, n: typing.SupportsInt | typing.SupportsIndex) -> Tensor: ...
def random_truncated_normal(
    state: Tensor,
    shape: tuple[int, ...],
    mean: typing.SupportsFloat | typing.SupportsIndex,
    stddev: typing.SupportsFloat | typing.SupportsIndex,
    dtype: str,
) -> Tensor: ...
def random_uniform(
    state: Tensor,
    shape: tuple[int, ...],
    low: typing.SupportsFloat | typing.SupportsIndex,
    high: typing.SupportsFloat | typing.SupportsIndex,
    dtype: str,
) -> Tensor: ...
def reciprocal(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def relu(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def relu6(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def relu6_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def relu_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def remainder(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def reset_launch_counters() -> None: ...
def reset_peak_memory(device: str = "cpu") -> None: ...
def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor: ...
def round(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def rsqrt(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def scaled_add(
    x: collections.abc.Sequence,
    y: collections.abc.Sequence,
    a: typing.SupportsFloat | typing.SupportsIndex,
    b: typing.SupportsFloat | typing.SupportsIndex,
) -> None: ...
def selu(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def selu_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def set_dtype_objects(arg0: list) -> None: ...
def set_isa(isa: str) -> None: ...
def set_num_threads(n: typing.SupportsInt | typing.SupportsIndex) -> None: ...
def setitem(x: Tensor, key: typing.Any, value: typing.Any) -> None: ...
def sigmoid(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def sigmoid_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def sign(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def silu(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def silu_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def sin(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def sinh(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def softmax_cross_entropy(
    x: Tensor,
    y: Tensor,
    label_smoothing: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    ignore_class: typing.SupportsInt | typing.SupportsIndex | None = None,
) -> tuple[Tensor, Tensor]: ...
def softmax_cross_entropy_backward(
    dloss: Tensor,
    x: Tensor,
    y: Tensor,
    statistics: Tensor,
    label_smoothing: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    ignore_class: typing.SupportsInt | typing.SupportsIndex | None = None,
) -> Tensor: ...
def softplus(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def softplus_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def softsign(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def softsign_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def sort(
    x: Tensor, axis: typing.SupportsInt | typing.SupportsIndex, descending: bool
) -> Tensor: ...
def sqrt(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def square(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def squeeze(x: Tensor, axes: tuple[int, ...]) -> Tensor: ...
def squeeze_all(x: Tensor) -> Tensor: ...
def stack(
    tensors: collections.abc.Sequence[Tensor], axis: typing.SupportsInt | typing.SupportsIndex
) -> Tensor: ...
def step(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def subtract(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def sum(x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor: ...
def sum_squares(
    x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False
) -> Tensor: ...
def sums_of_squares(tensors: collections.abc.Sequence) -> Tensor: ...
def take_along_axis(
    x: Tensor, indices: Tensor, axis: typing.SupportsInt | typing.SupportsIndex
) -> Tensor: ...
def tan(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def tanh(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def tanh_backward(x1, x2, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def to_dlpack(x: Tensor) -> typing.Any: ...
def topk_indices(
    x: Tensor,
    k: typing.SupportsInt | typing.SupportsIndex,
    axis: typing.SupportsInt | typing.SupportsIndex,
    largest: bool,
) -> Tensor: ...
def transpose(x: Tensor, axes: tuple[int, ...]) -> Tensor: ...
def triangle(
    x: Tensor, diagonal: typing.SupportsInt | typing.SupportsIndex, upper: bool
) -> Tensor: ...
def trunc(x, *, out=None):
    """
    Elementwise, with broadcasting; numbers are allowed beside tensors.
    """

def where(condition: Tensor, x1: typing.Any, x2: typing.Any) -> Tensor: ...
