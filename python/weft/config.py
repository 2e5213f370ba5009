"""Global defaults: float type, epsilon, image layout, dtype policy (names of keras.config)."""

from __future__ import annotations

from typing import Any

from weft.dtype_policies import DTypePolicy, dtype_policy, set_dtype_policy
from weft.dtypes import as_dtype

__all__ = [
    "dtype_policy",
    "epsilon",
    "floatx",
    "image_data_format",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]

_DATA_FORMATS = ("channels_last", "channels_first")
_state: dict[str, Any] = {"epsilon": 1e-7, "image_data_format": "channels_last"}


def floatx() -> str:
    """The default float type of layers.

    Returns:
        Name of a float type.

    Example:
        >>> import weft
        >>> weft.config.floatx()
        'float32'

    Follows keras.config.floatx.
    """
    return str(dtype_policy().variable_dtype)


def set_floatx(value: Any) -> None:
    """Make a float type the default of layers made from now on.

    Args:
        value: A float type or its name.

    Returns:
        None.

    Raises:
        ValueError: If it is no float type.

    Example:
        >>> import weft
        >>> weft.config.set_floatx("float64")
        >>> weft.config.floatx()
        'float64'
        >>> weft.config.set_floatx("float32")

    Follows keras.config.set_floatx.
    """
    dtype = as_dtype(value)
    if not dtype.is_floating:
        raise ValueError(f"set_floatx: {value!r} is no floating-point type")
    set_dtype_policy(DTypePolicy(str(dtype)))


def epsilon() -> float:
    """The small number that keeps divisions and logarithms finite.

    Returns:
        A positive number.

    Example:
        >>> import weft
        >>> weft.config.epsilon()
        1e-07

    Follows keras.config.epsilon.
    """
    return float(_state["epsilon"])


def set_epsilon(value: float) -> None:
    """Change `epsilon`.

    Args:
        value: A positive number.

    Returns:
        None.

    Raises:
        ValueError: If it is not positive.

    Example:
        >>> import weft
        >>> weft.config.set_epsilon(1e-6)
        >>> weft.config.epsilon()
        1e-06
        >>> weft.config.set_epsilon(1e-7)

    Follows keras.config.set_epsilon.
    """
    if not value > 0:
        raise ValueError(f"set_epsilon: epsilon must be positive, got {value!r}")
    _state["epsilon"] = float(value)


def image_data_format() -> str:
    """Where images have their channels by default: ``"channels_last"`` unless changed.

    Returns:
        ``"channels_last"`` or ``"channels_first"``.

    Example:
        >>> import weft
        >>> weft.config.image_data_format()
        'channels_last'

    Follows keras.config.image_data_format.
    """
    return str(_state["image_data_format"])


def set_image_data_format(data_format: str) -> None:
    """Change `image_data_format`.

    Args:
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Returns:
        None.

    Raises:
        ValueError: If it is neither.

    Example:
        >>> import weft
        >>> weft.config.set_image_data_format("channels_first")
        >>> weft.layers.Conv2D(2, 3).data_format
        'channels_first'
        >>> weft.config.set_image_data_format("channels_last")

    Follows keras.config.set_image_data_format.
    """
    _state["image_data_format"] = check_data_format(data_format)


def check_data_format(value: str | None) -> str:
    """`value`, or the default for None.

    Raises:
        ValueError: If it is neither ``"channels_last"`` nor ``"channels_first"``.
    """
    if value is None:
        return image_data_format()
    if value not in _DATA_FORMATS:
        from weft.errors import did_you_mean

        raise ValueError(f"unknown data_format {value!r}{did_you_mean(value, _DATA_FORMATS)}")
    return str(value)
