"""`Input` and `InputLayer`: where data enter a model."""

from __future__ import annotations

from typing import Any

from weft.dtype_policies import dtype_policy
from weft.dtypes import as_dtype
from weft.layers.arguments import declared_shape
from weft.layers.calls import is_shape
from weft.layers.layer import Layer


class InputLayer(Layer):
    """The entry of a model: the shape and dtype of what it is given.

    Args:
        shape: Shape of one sample; None for sizes that vary.
        batch_size: Number of samples, if it is fixed.
        dtype: Dtype of the data.
        batch_shape: `shape` together with the batch axis, instead of both.

    Raises:
        ValueError: If no shape is given, or it is no tuple of sizes.

    Example:
        >>> import weft
        >>> weft.layers.InputLayer((28, 28)).batch_shape
        (None, 28, 28)

    Follows keras.layers.InputLayer.
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        batch_shape: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        declared = declared_shape("InputLayer", kwargs)
        super().__init__(name=name, **kwargs)
        if isinstance(shape, int):
            shape = (shape,)
        if batch_shape is None and shape is None and declared is not None:
            batch_shape = declared
        for given in (shape, batch_shape):
            if given is not None and not is_shape(given):
                raise ValueError(
                    "Input: shape must be a tuple of sizes such as (28, 28), without the batch, "
                    f"got {given!r}"
                )
        if shape is None and batch_shape is None:
            raise ValueError("Input: shape is missing, for instance Input((28, 28))")
        self.batch_shape: tuple[int | None, ...] = (
            tuple(batch_shape) if batch_shape is not None else (batch_size, *shape)
        )
        if any(size is not None and size < 0 for size in self.batch_shape):
            raise ValueError(f"Input: sizes must not be negative, got {self.batch_shape}")
        self.input_dtype = str(
            as_dtype(dtype) if dtype is not None else dtype_policy().compute_dtype
        )
        self.autocast = False
        self.built = True

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        """Shape, dtype and name."""
        return {"batch_shape": list(self.batch_shape), "dtype": self.input_dtype, "name": self.name}


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    name: str | None = None,
    batch_shape: Any = None,
) -> Any:
    """A symbolic tensor: the input of a functional model, or the first entry of a Sequential one.

    Args:
        shape: Shape of one sample; None for sizes that vary.
        batch_size: Number of samples, if it is fixed.
        dtype: Dtype of the data; float32 by default.
        name: Name of the input.
        batch_shape: `shape` together with the batch axis, instead of both.

    Returns:
        A symbolic tensor (batch, ...) of that shape.

    Raises:
        ValueError: If the shape is missing or holds something else than sizes and None.

    Example:
        >>> import weft
        >>> model = weft.Sequential([weft.Input((4,)), weft.layers.Dense(2)])
        >>> model.output_shape
        (None, 2)

    Follows keras.Input.
    """
    from weft.models.functional import symbolic_input

    layer = InputLayer(shape, batch_size, dtype, batch_shape, name)
    return symbolic_input(layer)
