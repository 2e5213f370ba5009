"""Dtype policies: the type a layer computes in and the type its variables have."""

from __future__ import annotations

from typing import Any

from weft.dtypes import DType, as_dtype, bfloat16, float16, float32
from weft.errors import did_you_mean

_MIXED = {"mixed_float16": float16, "mixed_bfloat16": bfloat16}


class DTypePolicy:
    """What a layer computes in (`compute_dtype`) and stores (`variable_dtype`).

    Args:
        name: A dtype such as ``"float32"`` for both, or ``"mixed_float16"`` or
            ``"mixed_bfloat16"``, which compute in 16 bits and store float32.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> import weft
        >>> policy = weft.dtype_policies.DTypePolicy("mixed_float16")
        >>> policy.compute_dtype, policy.variable_dtype
        (weft.float16, weft.float32)

    Follows keras.dtype_policies.DTypePolicy.
    """

    def __init__(self, name: str) -> None:
        self.compute_dtype: DType
        self.variable_dtype: DType
        if name in _MIXED:
            self.compute_dtype, self.variable_dtype = _MIXED[name], float32
        else:
            try:
                dtype = as_dtype(name)
            except TypeError:
                known = [*_MIXED, "float16", "bfloat16", "float32", "float64"]
                raise ValueError(
                    f"unknown dtype policy {name!r}{did_you_mean(name, known)}"
                ) from None
            self.compute_dtype = self.variable_dtype = dtype
            name = str(dtype)
        self.name = name
        self.mixed = self.compute_dtype is not self.variable_dtype

    def get_config(self) -> dict[str, Any]:
        """What `DTypePolicy` needs to be made again."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """The policy of a configuration."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"DTypePolicy({self.name!r})"


_global = DTypePolicy("float32")


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are given none.

    Returns:
        The policy.

    Example:
        >>> import weft
        >>> weft.dtype_policies.dtype_policy().name
        'float32'

    Follows keras.config.dtype_policy.
    """
    return _global


def set_dtype_policy(policy: Any) -> None:
    """Give layers made from now on another policy.

    Args:
        policy: A policy, or its name.

    Returns:
        None.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> import weft
        >>> weft.dtype_policies.set_dtype_policy("mixed_bfloat16")
        >>> weft.layers.Dense(2).compute_dtype
        weft.bfloat16
        >>> weft.dtype_policies.set_dtype_policy("float32")

    Follows keras.config.set_dtype_policy.
    """
    global _global
    _global = get_policy(policy)


set_global_policy = set_dtype_policy
global_policy = dtype_policy


def get_policy(identifier: Any) -> DTypePolicy:
    """The policy that a layer's `dtype` argument means: a policy, name, dtype or configuration.

    Args:
        identifier: A policy, name, dtype or configuration; None for the current one.

    Returns:
        The policy.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> import weft
        >>> weft.dtype_policies.get("mixed_float16").compute_dtype
        weft.float16

    Follows keras.dtype_policies.get.
    """
    if identifier is None:
        return _global
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return DTypePolicy(identifier.get("config", identifier)["name"])
    return DTypePolicy(identifier if isinstance(identifier, str) else str(as_dtype(identifier)))


get = get_policy
