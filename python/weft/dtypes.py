"""Element types: `weft.float32` and its kin, and what may stand for them.

A `DType` is a string with facts attached, so that ``x.dtype == "float32"``,
``np.dtype(x.dtype)`` and ``json.dumps(x.dtype)`` all do what a user expects.
"""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from weft import _C


class DType(str):
    """The type of a tensor's elements; a string such as ``"float32"``.

    Example:
        >>> import weft
        >>> weft.float32 == "float32", weft.float32.itemsize, weft.int8.is_floating
        (True, 4, False)
    """

    __slots__ = ("is_floating", "is_integer", "itemsize")
    itemsize: int
    is_floating: bool
    is_integer: bool

    def __new__(cls, name: str, itemsize: int) -> DType:  # noqa: D102  (see the class)
        self = super().__new__(cls, name)
        self.itemsize = itemsize
        self.is_floating = "float" in name
        self.is_integer = "int" in name
        return self

    def __repr__(self) -> str:
        return f"weft.{self}"

    # Pickling and copying give back the one object of this name.
    def __reduce__(self) -> tuple[Any, ...]:
        return (as_dtype, (str(self),))

    @property
    def name(self) -> str:
        """The name alone, as `numpy.dtype.name`."""
        return str(self)


bool_ = DType("bool", 1)
uint8, uint16 = DType("uint8", 1), DType("uint16", 2)
uint32, uint64 = DType("uint32", 4), DType("uint64", 8)
int8, int16 = DType("int8", 1), DType("int16", 2)
int32, int64 = DType("int32", 4), DType("int64", 8)
float16, bfloat16 = DType("float16", 2), DType("bfloat16", 2)
float32, float64 = DType("float32", 4), DType("float64", 8)

# In the order of the C++ enum (csrc/core/dtype.h).
ALL = (
    bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64,
    float16, bfloat16, float32, float64,
)  # fmt: skip
_C.set_dtype_objects(list(ALL))

_BY_NAME = {str(dtype): dtype for dtype in ALL}
_PYTHON_TYPES = {bool: bool_, int: int64, float: float32}
_ALIASES = {"float": float32, "int": int64, "half": float16, "double": float64, "boolean": bool_}


def as_dtype(dtype: Any) -> DType:
    """The `DType` that `dtype` names.

    Args:
        dtype: A `DType`, its name, a NumPy dtype or scalar type, or Python's ``bool``, ``int``
            (int64) or ``float`` (float32).

    Raises:
        TypeError: If it names no dtype of weft; the message has the nearest name.

    Example:
        >>> import weft
        >>> weft.dtypes.as_dtype("float64").itemsize
        8
    """
    if type(dtype) is DType:
        return dtype
    if isinstance(dtype, type) and dtype in _PYTHON_TYPES:
        return _PYTHON_TYPES[dtype]
    name = dtype if isinstance(dtype, str) else _name_of(dtype)
    found = _BY_NAME.get(name) or _ALIASES.get(name)
    if found is None:
        near = difflib.get_close_matches(name, _BY_NAME, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        raise TypeError(f"unknown dtype {dtype!r}{hint} Known: {', '.join(_BY_NAME)}")
    return found


def _name_of(dtype: Any) -> str:
    try:
        return np.dtype(dtype).name
    except TypeError:
        # torch.float32 and other libraries' dtypes print as "library.name".
        return str(dtype).rpartition(".")[2]


def limits(dtype: DType) -> tuple[int, int]:
    """The least and the largest number of an integer dtype.

    Example:
        >>> from weft.dtypes import as_dtype, limits
        >>> limits(as_dtype("uint8"))
        (0, 255)
    """
    bits = 8 * dtype.itemsize
    return (0, 2**bits - 1) if str(dtype)[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def check_fits(array: Any, dtype: DType) -> None:
    """Refuse numbers that an integer dtype cannot hold, which a cast would wrap around.

    Args:
        array: A raw tensor of what the user wrote as numbers of Python.
        dtype: What they are to become.

    Raises:
        ValueError: If one does not fit; the message names it.
    """
    if not dtype.is_integer or not array.size or array.device == "meta":
        return
    values = array.numpy()
    low, high = limits(dtype)
    if values.dtype.kind == "b" or (values.min() >= low and values.max() <= high):
        return
    wrong = values[~((values >= low) & (values <= high))].flat[0]
    raise ValueError(f"{wrong} does not fit {dtype}, which holds integers from {low} to {high}")


def result_type(*dtypes: Any) -> DType:
    """The dtype that holds the values of all `dtypes`, by NumPy's rules.

    Args:
        dtypes: Dtypes, their names, or tensors.

    Returns:
        The dtype.

    Raises:
        ValueError: If none is given.
        TypeError: If one is unknown.

    Example:
        >>> import weft
        >>> weft.result_type("int32", "float32"), weft.result_type("int8", "uint8")
        (weft.float64, weft.int16)

    Follows numpy.result_type.
    """
    if not dtypes:
        raise ValueError("result_type needs at least one dtype")
    resolved = [as_dtype(getattr(d, "dtype", d)) for d in dtypes]
    result = resolved[0]
    for other in resolved[1:]:
        result = _C.promote(result, other)
    return result
