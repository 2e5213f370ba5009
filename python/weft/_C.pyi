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
    "BatchReader",
    "Event",
    "FunctionBase",
    "IndexKey",
    "NodeBase",
    "OutOfMemoryError",
    "Program",
    "Recorder",
    "SimCounterRow",
    "SimReport",
    "SimTracedEvent",
    "SimTracedLaunch",
    "Stream",
    "Tensor",
    "TensorBase",
    "UpdatePlan",
    "UpdateSettings",
    "absolute",
    "add",
    "add_gradients",
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
    "argmax",
    "argmin",
    "argsort",
    "as_strided",
    "attention",
    "attention_backward",
    "average_pool2d",
    "average_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_inference",
    "best_isa",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "broadcast_to",
    "can_access_peer",
    "cast",
    "ceil",
    "clip",
    "concatenate",
    "contiguous",
    "conv2d",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "conv2d_variant",
    "conv2d_variants",
    "conv_precision",
    "copy",
    "copy_into",
    "cos",
    "cosh",
    "cuda_versions",
    "cumprod",
    "cumsum",
    "current_stream",
    "device_count",
    "device_facts",
    "device_memory",
    "diagonal",
    "divide",
    "dlpack_device",
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
    "full_like",
    "gelu",
    "gelu_backward",
    "gelu_tanh",
    "gelu_tanh_backward",
    "getitem",
    "gpu_selftest",
    "greater",
    "greater_equal",
    "gru",
    "gru_backward",
    "hard_sigmoid",
    "hard_sigmoid_backward",
    "hypot",
    "is_grad_enabled",
    "is_pinned",
    "is_recording",
    "isa",
    "isfinite",
    "isinf",
    "isnan",
    "launch_counters",
    "layer_norm",
    "layer_norm_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "less",
    "less_equal",
    "linear",
    "linear_backward",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_sigmoid",
    "log_sigmoid_backward",
    "log_softmax",
    "log_softmax_backward",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "lstm",
    "lstm_backward",
    "matmul",
    "matmul_into",
    "matmul_precision",
    "matmul_variant",
    "matmul_variants",
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
    "moments",
    "multiply",
    "negative",
    "nonzero",
    "not_equal",
    "num_threads",
    "one_hot",
    "one_like",
    "pad",
    "passes",
    "peak_bandwidth",
    "peak_flops",
    "pin_memory",
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
    "replay_batches",
    "reset_launch_counters",
    "reset_peak_memory",
    "reshape",
    "round",
    "rsqrt",
    "scaled_add",
    "searchsorted",
    "selu",
    "selu_backward",
    "set_conv2d_variant",
    "set_conv_precision",
    "set_dtype_objects",
    "set_fusion_limits",
    "set_grad_enabled",
    "set_isa",
    "set_matmul_precision",
    "set_matmul_variant",
    "set_memory_report",
    "set_mismatch_report",
    "set_num_threads",
    "setitem",
    "sigmoid",
    "sigmoid_backward",
    "sign",
    "signature",
    "silu",
    "silu_backward",
    "sim_can_watch",
    "sim_checked_kernels",
    "sim_forgive_fault",
    "sim_planted_faults",
    "sim_run_planted_fault",
    "sim_schedule_seed",
    "sim_set_schedule_seed",
    "sim_start_checker",
    "sim_start_counters",
    "sim_start_trace",
    "sim_stop_watching",
    "sim_take_counters",
    "sim_take_reports",
    "sim_take_trace",
    "simple_rnn",
    "simple_rnn_backward",
    "sin",
    "sinh",
    "softmax",
    "softmax_backward",
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
    "stream",
    "subtract",
    "sum",
    "sum_squares",
    "sums_of_squares",
    "synchronize",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tanh_backward",
    "to_device",
    "to_dlpack",
    "topk_indices",
    "transpose",
    "triangle",
    "trunc",
    "values_read_back",
    "walk",
    "where",
    "why_unavailable",
]

class Stream:
    def __init__(self, device: str) -> None: ...
    def done(self) -> bool: ...
    def make_current(self) -> None: ...
    def synchronize(self) -> None: ...
    def wait_stream(self, other: Stream) -> None: ...
    @property
    def device(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def pointer(self) -> int: ...

class Event:
    def __init__(self, device: str, timed: bool) -> None: ...
    def done(self) -> bool: ...
    def elapsed_ms(self, end: Event) -> float: ...
    def record(self, stream: Stream) -> None: ...
    def synchronize(self) -> None: ...
    def wait(self, stream: Stream) -> None: ...
    @property
    def device(self) -> str: ...

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

class IndexKey:
    def __init__(self, key: typing.Any) -> None: ...
    @property
    def is_basic(self) -> bool: ...

class BatchReader:
    def __init__(
        self,
        arrays: collections.abc.Sequence[Tensor],
        order: Tensor,
        batch: typing.SupportsInt | typing.SupportsIndex,
        device: str,
        ahead: bool,
    ) -> None: ...
    def next(self) -> list[Tensor]: ...
    @property
    def given(self) -> int: ...

class TensorBase:
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """

class NodeBase:
    @staticmethod
    def __new__(type, *args, **kwargs):
        """
        Create and return a new object.  See help(type) for accurate signature.
        """
    def fits(self, index: int, gradient: TensorBase) -> bool:
        """
        Whether a gradient has the shape and dtype of an argument.
        """
    def free(self) -> None:
        """
        Forget what was saved; the graph cannot be walked again.
        """
    def like(self, index: int) -> tuple[tuple[int, ...], weft.dtypes.DType]:
        """
        Shape and dtype of an argument.
        """
    def save(self, *values: typing.Any) -> None:
        """
        Keep raw tensors (inputs or outputs of `forward`, or others), numbers and None for `backward`.
        """

class FunctionBase:
    @classmethod
    def apply(cls, *args: typing.Any) -> typing.Any:
        """
        Compute, and record a node when a gradient will be needed.
        """
    @classmethod
    def of(cls, *operands: typing.Any) -> typing.Any:
        """
        `apply` to operands of any kind: what is neither a tensor nor a number beside one becomes a tensor.
        """

class SimReport:
    @property
    def block(self) -> tuple[int, int, int]: ...
    @property
    def count(self) -> int: ...
    @property
    def kernel(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def line(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def other_line(self) -> str: ...
    @property
    def thread(self) -> tuple[int, int, int]: ...

class SimCounterRow:
    @property
    def bytes(self) -> int: ...
    @property
    def ideal_sectors(self) -> int: ...
    @property
    def kernel(self) -> str: ...
    @property
    def lanes(self) -> int: ...
    @property
    def line(self) -> str: ...
    @property
    def memory(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def partial(self) -> int: ...
    @property
    def phases(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def sectors(self) -> int: ...
    @property
    def ways(self) -> int: ...

class SimTracedLaunch:
    @property
    def block(self) -> tuple[int, int, int]: ...
    @property
    def grid(self) -> tuple[int, int, int]: ...
    @property
    def has_thread(self) -> bool: ...
    @property
    def kernel(self) -> str: ...
    @property
    def shared_bytes(self) -> int: ...

class SimTracedEvent:
    @property
    def address(self) -> int: ...
    @property
    def launch(self) -> int: ...
    @property
    def line(self) -> str: ...
    @property
    def memory(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def value(self) -> bytes: ...

class Program:
    def difference(self, other: Program) -> str: ...
    def go_on(self) -> int: ...
    def is_current(self) -> bool: ...
    def launches(self) -> list: ...
    def places(self) -> list: ...
    def prepare(self, passes: collections.abc.Sequence[str]) -> None: ...
    def profile(self, repeat: typing.SupportsInt | typing.SupportsIndex) -> list[float]: ...
    def run(self, inputs: collections.abc.Sequence) -> int: ...
    @property
    def bytes_before_planning(self) -> int: ...
    @property
    def bytes_kept(self) -> int: ...
    @property
    def bytes_planned(self) -> int: ...
    @property
    def graph_failure(self) -> str: ...
    @property
    def launches_in_graphs(self) -> int: ...
    @property
    def reports(self) -> list: ...

class Recorder:
    def __init__(
        self, label: collections.abc.Callable, where: collections.abc.Callable
    ) -> None: ...
    def finish(self) -> Program: ...
    def give_up(self, reason: str) -> None: ...
    def host_entry(self) -> int: ...
    def host_entry_unless_finite(self, number: Tensor) -> int: ...
    def input(self, x: Tensor) -> Tensor: ...
    def is_new(self, x: Tensor) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    @property
    def failure(self) -> str: ...

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
        momentum_product: Tensor | None = None,
    ) -> None: ...
    def update(self, gradients: collections.abc.Sequence) -> None: ...

def absolute(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def add(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def add_gradients(
    output: typing.Any, gradient: typing.Any, retain_graph: bool, create_graph: bool
) -> None:
    """
    From one output to the `.grad` of the leaves.
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
def arccos(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def arccosh(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def arcsin(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def arcsinh(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def arctan(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def arctan2(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def arctanh(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def argmax(
    x: Tensor, axis: typing.SupportsInt | typing.SupportsIndex | None = None, keepdims: bool = False
) -> Tensor: ...
def argmin(
    x: Tensor, axis: typing.SupportsInt | typing.SupportsIndex | None = None, keepdims: bool = False
) -> Tensor: ...
def argsort(
    x: Tensor, axis: typing.SupportsInt | typing.SupportsIndex, descending: bool
) -> Tensor: ...
def as_strided(
    x: Tensor,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: typing.SupportsInt | typing.SupportsIndex,
) -> Tensor: ...
def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    state: Tensor | None,
    scale: typing.SupportsFloat | typing.SupportsIndex,
    causal: bool,
    dropout: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple[Tensor, Tensor, Tensor | None]: ...
def attention_backward(
    dy: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    y: Tensor,
    lse: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    drawn: Tensor | None,
    scale: typing.SupportsFloat | typing.SupportsIndex,
    causal: bool,
    dropout: typing.SupportsFloat | typing.SupportsIndex,
    needs_bias: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]: ...
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
def batch_norm(
    x: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple[Tensor, Tensor, Tensor, Tensor]: ...
def batch_norm_backward(
    dy: Tensor, x: Tensor, gamma: Tensor | None, mean: Tensor, rstd: Tensor
) -> tuple[Tensor, Tensor, Tensor]: ...
def batch_norm_inference(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: typing.SupportsFloat | typing.SupportsIndex,
) -> Tensor: ...
def best_isa() -> str: ...
def bitwise_and(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def bitwise_invert(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def bitwise_left_shift(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def bitwise_or(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def bitwise_right_shift(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def bitwise_xor(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def broadcast_to(x: Tensor, shape: tuple[int, ...]) -> Tensor: ...
def can_access_peer(device: str, peer: str) -> bool: ...
def cast(x: Tensor, dtype: str) -> Tensor: ...
def ceil(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def clip(
    x1: Tensor | float, x2: Tensor | float, x3: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def concatenate(axis: typing.SupportsInt | typing.SupportsIndex, *args) -> Tensor: ...
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
def conv2d_variant() -> str: ...
def conv2d_variants(device: str) -> list[tuple[str, str, str, str]]: ...
def conv_precision() -> str: ...
def copy(x: Tensor) -> Tensor: ...
def copy_into(x: Tensor, y: Tensor) -> None: ...
def cos(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def cosh(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def cuda_versions(device: str) -> tuple[int, int]: ...
def cumprod(
    x: Tensor, axis: typing.SupportsInt | typing.SupportsIndex, reverse: bool = False
) -> Tensor: ...
def cumsum(
    x: Tensor, axis: typing.SupportsInt | typing.SupportsIndex, reverse: bool = False
) -> Tensor: ...
def current_stream(device: str) -> Stream: ...
def device_count(device: str) -> int: ...
def device_facts(device: str) -> dict: ...
def device_memory(device: str) -> tuple[int, int]: ...
def diagonal(
    x: Tensor,
    offset: typing.SupportsInt | typing.SupportsIndex,
    axis1: typing.SupportsInt | typing.SupportsIndex,
    axis2: typing.SupportsInt | typing.SupportsIndex,
) -> Tensor: ...
def divide(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def dlpack_device(x: Tensor) -> tuple[int, int]: ...
def dropout(
    x: Tensor, state: Tensor, rate: typing.SupportsFloat | typing.SupportsIndex
) -> tuple[Tensor, Tensor]: ...
def dropout_mask(
    x: Tensor, mask: Tensor, rate: typing.SupportsFloat | typing.SupportsIndex
) -> Tensor: ...
def elu(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def elu_backward(
    x1: Tensor | float, x2: Tensor | float, x3: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def empty(shape: tuple[int, ...], dtype: str, device: str = "cpu") -> Tensor: ...
def empty_cache(device: str = "cpu") -> None: ...
def equal(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def erf(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def exp(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def exp2(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def expand_dims(x: Tensor, axes: tuple[int, ...]) -> Tensor: ...
def expm1(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def flip(x: Tensor, axes: tuple[int, ...]) -> Tensor: ...
def floor(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def floor_divide(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def fmod(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def from_dlpack(capsule: typing_extensions.CapsuleType) -> Tensor: ...
def from_numpy(array: numpy.ndarray, copy: bool = False, read_only: bool = False) -> Tensor: ...
def full(
    shape: tuple[int, ...],
    value: typing.SupportsFloat | typing.SupportsIndex,
    dtype: str,
    device: str = "cpu",
) -> Tensor: ...
def full_like(x: Tensor, value: typing.SupportsFloat | typing.SupportsIndex) -> Tensor: ...
def gelu(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def gelu_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def gelu_tanh(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def gelu_tanh_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def getitem(x: Tensor, key: typing.Any) -> Tensor: ...
def gpu_selftest(device: str, only: str = "") -> list[tuple[str, float, float]]: ...
def greater(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def greater_equal(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def gru(
    x: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    h0: Tensor | None,
    mask: Tensor | None,
    go_backwards: bool,
    reset_after: bool,
    sequences: bool,
    save: bool,
) -> tuple[Tensor | None, Tensor, Tensor | None, Tensor | None]: ...
def gru_backward(
    dy: Tensor | None,
    dh: Tensor | None,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    mask: Tensor | None,
    inputs: Tensor,
    gates: Tensor,
    go_backwards: bool,
    reset_after: bool,
    from_zero: bool,
    needs_x: bool,
) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor]: ...
def hard_sigmoid(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def hard_sigmoid_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def hypot(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def is_grad_enabled() -> bool: ...
def is_pinned(x: Tensor, device: str) -> bool: ...
def is_recording() -> bool: ...
def isa() -> str: ...
def isfinite(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def isinf(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def isnan(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def launch_counters() -> tuple[int, int, int]: ...
def layer_norm(
    x: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    axes: typing.SupportsInt | typing.SupportsIndex,
    epsilon: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple[Tensor, Tensor, Tensor]: ...
def layer_norm_backward(
    dy: Tensor,
    x: Tensor,
    gamma: Tensor | None,
    mean: Tensor,
    rstd: Tensor,
    axes: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[Tensor, Tensor, Tensor]: ...
def leaky_relu(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def leaky_relu_backward(
    x1: Tensor | float, x2: Tensor | float, x3: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def less(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def less_equal(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def linear(
    x: Tensor, w: Tensor, bias: Tensor | None = None, activation: str | None = None
) -> Tensor: ...
def linear_backward(
    dy: Tensor, x: Tensor | None, w: Tensor | None, y: Tensor | None, needs_bias: bool
) -> tuple[Tensor | None, Tensor | None, Tensor | None]: ...
def log(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def log10(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def log1p(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def log2(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def log_sigmoid(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def log_sigmoid_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def log_softmax(x: Tensor, axis: typing.SupportsInt | typing.SupportsIndex = -1) -> Tensor: ...
def log_softmax_backward(
    dy: Tensor, y: Tensor, axis: typing.SupportsInt | typing.SupportsIndex
) -> Tensor: ...
def logaddexp(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def logical_and(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def logical_not(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def logical_or(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def logical_xor(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def logsumexp(x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor: ...
def lstm(
    x: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    mask: Tensor | None,
    go_backwards: bool,
    sequences: bool,
    save: bool,
) -> tuple[Tensor | None, Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]: ...
def lstm_backward(
    dy: Tensor | None,
    dh: Tensor | None,
    dc: Tensor | None,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    c0: Tensor | None,
    mask: Tensor | None,
    inputs: Tensor,
    gates: Tensor,
    cells: Tensor,
    go_backwards: bool,
    from_zero: bool,
    needs_x: bool,
    needs_h0: bool,
    needs_c0: bool,
) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor | None, Tensor | None]: ...
def matmul(
    x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False
) -> Tensor: ...
def matmul_into(x: Tensor, y: Tensor, out: Tensor, accumulate: bool = False) -> None: ...
def matmul_precision() -> str: ...
def matmul_variant() -> str: ...
def matmul_variants(device: str) -> list[tuple[str, str, str, str]]: ...
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
def maximum(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def mean(x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor: ...
def memory_statistics(device: str = "cpu") -> dict: ...
def min(x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor: ...
def minimum(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def mish(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def mish_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def moments(
    x: Tensor,
    axes: tuple[int, ...] | None = None,
    correction: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    keepdims: bool = False,
) -> tuple[Tensor, Tensor]: ...
def multiply(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def negative(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def nonzero(x: Tensor) -> Tensor: ...
def not_equal(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def num_threads() -> int: ...
def one_hot(
    labels: Tensor,
    num_classes: typing.SupportsInt | typing.SupportsIndex,
    axis: typing.SupportsInt | typing.SupportsIndex,
    dtype: str,
) -> Tensor: ...
def one_like(output: typing.Any) -> typing.Any:
    """
    The gradient of a tensor with respect to itself.
    """

def pad(
    x: Tensor,
    before: tuple[int, ...],
    after: tuple[int, ...],
    value: typing.SupportsFloat | typing.SupportsIndex,
) -> Tensor: ...
def passes() -> list: ...
def peak_bandwidth(bytes: typing.SupportsInt | typing.SupportsIndex) -> float: ...
def peak_flops(dtype: str) -> float: ...
def pin_memory(x: Tensor, device: str) -> Tensor: ...
def pointwise_loss(
    kind: str,
    y: Tensor,
    x: Tensor,
    number: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    reduction: str = "rows",
) -> Tensor: ...
def pointwise_loss_backward(
    kind: str,
    dloss: Tensor,
    y: Tensor,
    x: Tensor,
    number: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    reduction: str = "rows",
) -> Tensor: ...
def power(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
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
def reciprocal(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def relu(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def relu6(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def relu6_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def relu_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def remainder(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def replay_batches(
    program: ...,
    reader: BatchReader,
    rows: typing.SupportsInt | typing.SupportsIndex,
    seconds: typing.SupportsFloat | typing.SupportsIndex,
) -> int: ...
def reset_launch_counters() -> None: ...
def reset_peak_memory(device: str = "cpu") -> None: ...
def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor: ...
def round(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def rsqrt(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def scaled_add(
    x: collections.abc.Sequence,
    y: collections.abc.Sequence,
    a: typing.SupportsFloat | typing.SupportsIndex,
    b: typing.SupportsFloat | typing.SupportsIndex,
) -> None: ...
def searchsorted(sorted: Tensor, values: Tensor, right: bool) -> Tensor: ...
def selu(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def selu_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def set_conv2d_variant(name: str) -> None: ...
def set_conv_precision(precision: str) -> None: ...
def set_dtype_objects(arg0: list) -> None: ...
def set_fusion_limits(
    bytes: typing.SupportsInt | typing.SupportsIndex,
    pair_bytes: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[int, int]: ...
def set_grad_enabled(enabled: bool) -> bool:
    """
    Gives what it was before.
    """

def set_isa(isa: str) -> None: ...
def set_matmul_precision(precision: str) -> None: ...
def set_matmul_variant(name: str) -> None: ...
def set_memory_report(arg0: typing.Any) -> None: ...
def set_mismatch_report(arg0: typing.Any) -> None: ...
def set_num_threads(n: typing.SupportsInt | typing.SupportsIndex) -> None: ...
def setitem(x: Tensor, key: typing.Any, value: typing.Any) -> None: ...
def sigmoid(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def sigmoid_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def sign(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def signature(tensors: collections.abc.Sequence) -> bytes: ...
def silu(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def silu_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def sim_can_watch() -> bool: ...
def sim_checked_kernels() -> list[tuple[str, str]]: ...
def sim_forgive_fault() -> None: ...
def sim_planted_faults() -> list[str]: ...
def sim_run_planted_fault(name: str) -> None: ...
def sim_schedule_seed() -> int: ...
def sim_set_schedule_seed(seed: typing.SupportsInt | typing.SupportsIndex) -> None: ...
def sim_start_checker() -> None: ...
def sim_start_counters() -> None: ...
def sim_start_trace(
    block: tuple[
        typing.SupportsInt | typing.SupportsIndex,
        typing.SupportsInt | typing.SupportsIndex,
        typing.SupportsInt | typing.SupportsIndex,
    ],
    thread: tuple[
        typing.SupportsInt | typing.SupportsIndex,
        typing.SupportsInt | typing.SupportsIndex,
        typing.SupportsInt | typing.SupportsIndex,
    ],
) -> None: ...
def sim_stop_watching() -> None: ...
def sim_take_counters() -> list[SimCounterRow]: ...
def sim_take_reports() -> list[SimReport]: ...
def sim_take_trace() -> tuple[list[SimTracedLaunch], list[SimTracedEvent], bool]: ...
def simple_rnn(
    x: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    h0: Tensor | None,
    mask: Tensor | None,
    go_backwards: bool,
    activation: str,
    sequences: bool,
    save: bool,
) -> tuple[Tensor | None, Tensor, Tensor | None]: ...
def simple_rnn_backward(
    dy: Tensor | None,
    dh: Tensor | None,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    mask: Tensor | None,
    inputs: Tensor,
    h: Tensor,
    go_backwards: bool,
    activation: str,
    from_zero: bool,
    needs_x: bool,
) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor]: ...
def sin(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def sinh(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def softmax(x: Tensor, axis: typing.SupportsInt | typing.SupportsIndex = -1) -> Tensor: ...
def softmax_backward(
    dy: Tensor, y: Tensor, axis: typing.SupportsInt | typing.SupportsIndex
) -> Tensor: ...
def softmax_cross_entropy(
    x: Tensor,
    y: Tensor,
    label_smoothing: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    ignore_class: typing.SupportsInt | typing.SupportsIndex | None = None,
    epsilon: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    mean: bool = False,
    gradient: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]: ...
def softmax_cross_entropy_backward(
    dloss: Tensor,
    x: Tensor,
    y: Tensor,
    statistics: Tensor,
    label_smoothing: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    ignore_class: typing.SupportsInt | typing.SupportsIndex | None = None,
    epsilon: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> Tensor: ...
def softplus(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def softplus_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def softsign(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def softsign_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def sort(
    x: Tensor, axis: typing.SupportsInt | typing.SupportsIndex, descending: bool
) -> Tensor: ...
def sqrt(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def square(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def squeeze(x: Tensor, axes: tuple[int, ...]) -> Tensor: ...
def squeeze_all(x: Tensor) -> Tensor: ...
def stack(axis: typing.SupportsInt | typing.SupportsIndex, *args) -> Tensor: ...
def step(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def stream(device: str, number: typing.SupportsInt | typing.SupportsIndex) -> Stream: ...
def subtract(x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def sum(x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor: ...
def sum_squares(
    x: Tensor, axes: tuple[int, ...] | None = None, keepdims: bool = False
) -> Tensor: ...
def sums_of_squares(tensors: collections.abc.Sequence) -> Tensor: ...
def synchronize(device: str) -> None: ...
def take(x: Tensor, indices: Tensor, axis: typing.SupportsInt | typing.SupportsIndex) -> Tensor: ...
def take_along_axis(
    x: Tensor, indices: Tensor, axis: typing.SupportsInt | typing.SupportsIndex
) -> Tensor: ...
def tan(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def tanh(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def tanh_backward(
    x1: Tensor | float, x2: Tensor | float, /, *, out: Tensor | None = None
) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def to_device(x: Tensor, device: str) -> Tensor: ...
def to_dlpack(x: Tensor, stream: typing.SupportsInt | typing.SupportsIndex = -1) -> typing.Any: ...
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
def trunc(x: Tensor | float, /, *, out: Tensor | None = None) -> Tensor:
    """
    Elementwise, with broadcasting; numbers may stand beside tensors.
    """

def values_read_back() -> int: ...
def walk(
    outputs: collections.abc.Sequence,
    gradients: collections.abc.Sequence,
    retain_graph: bool,
    only: typing.Any = None,
    keep: typing.Any = None,
) -> tuple:
    """
    From the outputs to the leaves: ([(leaf, gradient), ...], {(node, output): gradient}).
    """

def where(condition: Tensor, x1: typing.Any, x2: typing.Any) -> Tensor: ...
def why_unavailable(device: str) -> str: ...
