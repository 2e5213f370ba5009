"""`Tensor`: an n-dimensional array with a gradient.

The array itself (shape, strides, memory) is the compiled `_C.Tensor` in `_data`; this class adds
what autograd needs and the ways to and from Python. Operators and methods that only name an
operation of `weft.ops` are in `weft.tensor_methods`, those that write into the tensor in
`weft.tensor_in_place`, and what NumPy and DLPack ask of it in `weft.tensor_protocols`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import weft
from weft import _C
from weft.device import KNOWN, check_device, current_device, full_name, is_gpu
from weft.dtypes import DType, as_dtype, check_fits
from weft.errors import shown
from weft.tensor_in_place import InPlaceMethods
from weft.tensor_methods import TensorMethods
from weft.tensor_protocols import ArrayProtocols

_GRAD: Any = _C.TensorBase.__dict__["grad"]  # takes any object


class Tensor(TensorMethods, InPlaceMethods, ArrayProtocols, _C.TensorBase):
    """An n-dimensional array on a device, with automatic differentiation.

    Made by `weft.tensor`, `weft.asarray`, the creation functions and every operation; rarely by
    this constructor, which wraps a raw `_C.Tensor`.

    Attributes:
        requires_grad: Whether operations on this tensor are recorded.
        grad: The gradient added by `backward`, or None. Only leaves get one, unless `retain_grad`.

    Example:
        >>> import weft
        >>> x = weft.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        >>> (x @ x).sum().backward()
        >>> x.grad.shape
        (2, 2)
    """

    # What every operation reads or sets are slots of `_C.TensorBase`, None or False at first.
    _data: Any  # the raw array
    _requires_grad: bool
    _node: Any  # the operation that made it
    _index: int  # which of the node's outputs it is
    _severed: tuple[str, str] | None  # operation without gradient that cut its history
    _view_version: int | None  # of the storage, when a recorded view was taken
    _is_one: bool  # the gradient that a walk begins with
    # The rest are attributes as usual.
    _hooks: list[Callable[[Tensor], Tensor | None]] | None = None
    _mask: Tensor | None = None  # which steps of its sequences count, for the layers it goes to

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self._data = data
        if requires_grad:
            self._requires_grad = True

    def _set_grad(self, value: Tensor | None) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"grad must be a tensor or None, got {shown(value)}")
        if value is not None and value.shape != self.shape:
            raise ValueError(f"grad must have its tensor's shape {self.shape}, got {value.shape}")
        _GRAD.__set__(self, value)

    grad: Any = property(_GRAD.__get__, _set_grad)

    # --- what it is ------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self._data.shape

    @property
    def strides(self) -> tuple[int, ...]:
        """Steps between neighbours along each axis, in elements (NumPy counts bytes)."""
        return self._data.strides

    @property
    def dtype(self) -> DType:
        """Type of the elements."""
        return self._data.dtype

    @property
    def device(self) -> str:
        """Where the memory is: ``"cpu"``, ``"cuda:0"``, ``"sim"`` or ``"meta"``."""
        return self._data.device

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._data.size

    @property
    def nbytes(self) -> int:
        """Bytes that the elements take."""
        return self.size * self.dtype.itemsize

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded for gradients."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and not self.dtype.is_floating:
            raise TypeError(
                f"only tensors of floating-point numbers can require a gradient, not {self.dtype}; "
                "convert with .astype('float32')"
            )
        if not value and self._node is not None:
            raise RuntimeError("this tensor is the result of recorded operations; use .detach()")
        self._requires_grad = bool(value)

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user rather than by a recorded operation."""
        return self._node is None

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in row-major order, without gaps."""
        return self._data.is_contiguous()

    def shares_memory(self, other: Tensor) -> bool:
        """Whether both are views of one storage."""
        return bool(self._data.storage_id == other._data.storage_id)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("a tensor without axes has no length")
        return self.shape[0]

    def __repr__(self) -> str:
        facts = f"dtype={self.dtype}"
        if self.device == "meta":
            return f"{type(self).__name__.lower()}(shape={self.shape}, {facts}, device=meta)"
        values = np.array2string(
            self.numpy(), separator=", ", prefix=f"{type(self).__name__.lower()}(", threshold=1000
        )
        if self.requires_grad:
            facts += f", grad_fn={self._node.function.name}" if self._node else ", requires_grad"
        return f"{type(self).__name__.lower()}({values}, {facts})"

    # --- to Python and other libraries -----------------------------------------------------------

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array that shares memory (bfloat16: a float32 copy).

        Raises:
            TypeError: If the tensor is on the meta device, which has no values.
        """
        return self._data.numpy()

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python number."""
        return self._data.item()

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return self.numpy().tolist()

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"the truth of a tensor with {self.size} elements (shape {self.shape}) is "
                "ambiguous; use weft.any or weft.all"
            )
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if not (self.dtype.is_integer or self.dtype == "bool") or self.size != 1:
            raise TypeError(
                f"only a single integer can be an index, not shape {self.shape} of {self.dtype}"
            )
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.size == 1 else str(self)

    def __hash__(self) -> int:
        return id(self)

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("a tensor without axes cannot be iterated over")
        return (self[i] for i in range(self.shape[0]))

    def __reduce__(self) -> tuple[Any, ...]:
        values = self.astype("float32").numpy() if self.dtype == "bfloat16" else self.numpy()
        return (_rebuild, (np.array(values), str(self.dtype), self.requires_grad and self.is_leaf))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("only leaf tensors can be deep-copied; use .detach() first")
        twin = Tensor(_C.copy(self._data), self.requires_grad)
        memo[id(self)] = twin
        return twin

    # --- gradients -------------------------------------------------------------------------------

    def backward(
        self, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Add this tensor's gradient to `.grad` of the leaves; see `weft.autograd.backward`."""
        weft.autograd.backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

    def detach(self) -> Tensor:
        """The same values (sharing memory) without history."""
        return Tensor(self._data)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` and return the tensor itself."""
        self.requires_grad = requires_grad
        return self

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """Call `hook` with this tensor's gradient when it is complete.

        A hook may return a tensor that replaces the gradient. Returns a function that removes it.
        """
        if not self.requires_grad:
            raise RuntimeError("a tensor that requires no gradient cannot have a gradient hook")
        if self._node is None:
            self._hooks = hooks = self._hooks or []
        else:
            if self._node.hooks is None:
                self._node.hooks = {}
            hooks = self._node.hooks.setdefault(self._index, [])
        hooks.append(hook)
        return lambda: hooks.remove(hook)

    def retain_grad(self) -> None:
        """Keep the gradient of this intermediate result in `.grad`."""
        if self._node is not None:

            def keep(gradient: Tensor) -> None:
                self.grad = gradient if self.grad is None else self.grad + gradient

            self.register_hook(keep)

    # --- conversion and placement ----------------------------------------------------------------

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        """The values in another dtype; a copy even for the same dtype unless `copy` is False."""
        if self.dtype == as_dtype(dtype):
            return ops.copy(self) if copy else self
        return ops.cast(self, dtype)

    def to(self, target: Any) -> Tensor:
        """A tensor of another dtype, or on another device (see `weft.ops.to_device`)."""
        if not isinstance(target, str) or target.partition(":")[0] not in KNOWN:
            return self.astype(target, copy=False)
        name = check_device(target)
        return self if name == self.device else ops.to_device(self, name)

    def copy(self) -> Tensor:
        """A copy in new memory; differentiable."""
        return ops.copy(self)

    clone = copy

    def contiguous(self) -> Tensor:
        """The same values in row-major memory; the tensor itself when it is so already."""
        return self if self.is_contiguous() else ops.copy(self)

    def float(self) -> Tensor:
        """As float32."""
        return self.astype("float32", copy=False)

    # --- indexing --------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Tensor:
        return ops.getitem(self, key)


def _rebuild(values: np.ndarray[Any, Any], dtype: str, requires_grad: bool) -> Tensor:
    return tensor(values, dtype=dtype, requires_grad=requires_grad)


# --- making tensors ------------------------------------------------------------------------------


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, device: str | None = None
) -> Tensor:
    """A new tensor with a copy of `data`.

    Args:
        data: A tensor, NumPy array, number, or nested list of numbers or tensors.
        dtype: Type of the elements. By default an array keeps its dtype, Python floats become
            float32, ints int64 and bools bool.
        requires_grad: Record operations on the tensor.
        device: Where to place it; the current device by default.

    Raises:
        TypeError: If the data are not numbers, or `requires_grad` is asked of integers.
        ValueError: If nested lists are ragged.

    Example:
        >>> import weft
        >>> weft.tensor([[1, 2], [3, 4]], dtype="float64")
        tensor([[1., 2.],
                [3., 4.]], dtype=float64)
    """
    if device is not None:
        device = check_device(device)
    # Values that go to another device leave the CPU for it at once.
    array = as_tensor(data, dtype, device if device != "meta" else None)._data
    if isinstance(data, Tensor) or _may_alias(data):
        array = _C.copy(array)
    result = Tensor(array)
    if device is not None:
        result = result.to(device)
    elif current_device() == "meta":
        result = result.to("meta")
    if requires_grad:
        result.requires_grad = True
    return result


array = tensor


def asarray(data: Any, dtype: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor of `data`, sharing memory where possible.

    Args:
        data: As for `tensor`; also any object with ``__dlpack__`` or the buffer protocol.
        dtype: Type of the elements.
        copy: True always copies, False refuses to, None copies when needed.

    Example:
        >>> import numpy as np, weft
        >>> a = np.zeros(3, "float32")
        >>> t = weft.asarray(a)
        >>> a[0] = 7
        >>> t.tolist()
        [7.0, 0.0, 0.0]
    """
    if copy:
        return tensor(data, dtype)
    result = as_tensor(data, dtype)
    if copy is False and not _shares(result, data):
        raise ValueError("asarray: this data or dtype needs a copy, but copy=False was given")
    return result


def from_dlpack(x: Any) -> Tensor:
    """A tensor that shares memory with an object of another library, through DLPack.

    Raises:
        TypeError: If the object has no ``__dlpack__``, or its device or dtype is unknown to weft.
        ValueError: If it is on a CUDA device that weft cannot use.

    Example:
        >>> import numpy as np, weft
        >>> weft.from_dlpack(np.arange(3.0)).tolist()
        [0.0, 1.0, 2.0]
    """
    if not hasattr(x, "__dlpack__"):
        raise TypeError(
            f"from_dlpack: {type(x).__name__} has no __dlpack__ method; use weft.asarray"
        )
    kind, index = x.__dlpack_device__() if hasattr(x, "__dlpack_device__") else (1, 0)
    if int(kind) != _DLPACK_CUDA:
        return Tensor(_C.from_dlpack(x.__dlpack__()))
    name = check_device(full_name("cuda", int(index)))
    # The other library makes its memory ready for the stream on which weft goes on with it.
    return Tensor(_C.from_dlpack(x.__dlpack__(stream=_C.current_stream(name).pointer)))


_DLPACK_CUDA = 2


def as_tensor(data: Any, dtype: Any = None, near: Any = None) -> Tensor:
    """`data` as a tensor, without a copy where possible; tensors pass with their history.

    A tensor stays where it is. What is no tensor yet goes to where `near` is, a tensor or the full
    name of a device; to the current device if `near` is neither.

    Example:
        >>> from weft.tensor import as_tensor
        >>> as_tensor([1, 2]).dtype
        weft.int64
    """
    if isinstance(data, Tensor):
        return data if dtype is None else data.astype(dtype, copy=False)
    if isinstance(data, _C.Tensor):
        result = Tensor(data)
    else:
        # float32 is the default of Python's floats; a wanted dtype gets all their digits.
        result = _convert(data, np.float32 if dtype is None else np.float64)
        if dtype is not None and isinstance(data, (int, float, list, tuple)):
            check_fits(result._data, as_dtype(dtype))
        # Values for a GPU go there at once; on `meta` they may still be needed, and stay.
        if isinstance(near, Tensor):
            device = near.device
        else:
            device = near if isinstance(near, str) else current_device()
        if is_gpu(device):
            result = Tensor(_C.to_device(result._data, device))
    return result if dtype is None else result.astype(dtype, copy=False)


def _convert(data: Any, float_dtype: Any) -> Tensor:
    if isinstance(data, np.ndarray):
        return Tensor(_C.from_numpy(_numeric(data)))
    if isinstance(data, (bool, int, float)):
        return Tensor(_C.from_numpy(_numeric(np.asarray(data, _python_dtype(data, float_dtype)))))
    if isinstance(data, (list, tuple)):
        return _from_nested(data, float_dtype)
    if hasattr(data, "__dlpack__") and not isinstance(data, np.generic):
        return from_dlpack(data.detach() if hasattr(data, "detach") else data)
    return Tensor(_C.from_numpy(_numeric(np.asarray(data))))


def _from_nested(data: Any, float_dtype: Any) -> Tensor:
    if any(isinstance(x, Tensor) for x in data):
        return ops.stack([as_tensor(x) for x in data])
    try:
        array = np.array(data)
    except ValueError as error:
        raise ValueError(
            f"nested lists of unequal lengths make no tensor: {_ragged(data)}"
        ) from error
    if array.dtype == np.float64 and not _holds_arrays(data):
        array = array.astype(float_dtype, copy=False)
    return Tensor(_C.from_numpy(_numeric(array)))


def _ragged(data: Any) -> str:
    lengths = sorted({len(row) if hasattr(row, "__len__") else 0 for row in data})
    return f"found rows of {' and '.join(map(str, lengths))} elements"


def _holds_arrays(data: Any) -> bool:
    """Whether a nested list ends in NumPy values, whose dtype is kept."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (np.ndarray, np.generic))


def _python_dtype(value: Any, float_dtype: Any) -> Any:
    if isinstance(value, bool):
        return np.bool_
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            if float_dtype is np.float32:  # none is asked for
                raise ValueError(f"{value} fits no integer dtype; write it as a float")
            return float_dtype
        return np.int64 if value < 2**63 else np.uint64
    return float_dtype


def _numeric(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype.kind in "biuf":
        return array
    kind = str(array.dtype)
    if array.dtype.kind in "US":
        kind = f"str (such as {str(array.flat[0])!r})" if array.size else "str"
    if array.dtype == object and array.size:
        kind = f"object (first value {array.flat[0]!r} of type {type(array.flat[0]).__name__})"
    raise TypeError(f"a tensor holds numbers or booleans, not values of dtype {kind}")


def _may_alias(data: Any) -> bool:
    return not isinstance(data, (bool, int, float, list, tuple))


def _shares(result: Tensor, data: Any) -> bool:
    if isinstance(data, Tensor):
        return result.shares_memory(data)
    return isinstance(data, np.ndarray) and np.shares_memory(result.numpy(), data)


def filled_like(x: Tensor, value: float) -> Tensor:
    """A tensor of `value` with the shape, dtype and device of `x`, without history."""
    return Tensor(_C.full_like(x._data, value))


# At the end: the operations are defined on the class above.
from weft import ops  # noqa: E402
