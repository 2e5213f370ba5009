"""The base of metrics, and the mean and the sum of values.

What a metric remembers are float64 tensors that are added to in place: a batch costs a few small
operations and nothing is read back before `result`, which does the rest in NumPy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft import _C, ops
from weft.autograd import no_grad
from weft.device import current_device, gpu_in_use, is_gpu
from weft.lookup import snake_case, unique_name
from weft.losses.loss import masked_weights
from weft.programs.recording import later, note_attribute
from weft.tensor import Tensor, as_tensor
from weft.variable import Variable


class Metric:
    """A number that is followed over batches.

    A metric of your own creates its variables with `add_variable` in ``__init__``, and defines
    ``update_state(y_true, y_pred, sample_weight=None)`` and ``result()``.

    Args:
        dtype: Float type of the result.
        name: Name; that of the class by default, with a number from the second one on.

    Raises:
        NotImplementedError: When called, if the class does not define `update_state` or `result`.

    Example:
        >>> import weft
        >>> class Largest(weft.metrics.Metric):
        ...     def __init__(self, name="largest"):
        ...         super().__init__(name=name)
        ...         self.top = self.add_variable((), "zeros", name="top")
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.top.assign(weft.maximum(self.top, weft.max(y_pred)))
        ...     def result(self):
        ...         return self.top
        >>> float(Largest()([0.0, 0.0], [3.0, 2.0]))
        3.0

    Follows keras.metrics.Metric.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "result" in cls.__dict__:
            cls.result = _later(cls.__dict__["result"])  # type: ignore[method-assign]  # wrapped

    def __setattr__(self, name: str, value: Any) -> None:
        note_attribute(self, name, value)
        object.__setattr__(self, name, value)

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or unique_name(snake_case(type(self).__name__))
        self._dtype = "float32" if dtype is None else str(dtype)
        self._variables: list[Variable] = []

    @property
    def dtype(self) -> str:
        """Float type of the result."""
        return self._dtype

    @property
    def variables(self) -> list[Variable]:
        """What the metric remembers."""
        return list(self._variables)

    def add_variable(
        self,
        shape: Any,
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str | None = None,
        name: str | None = None,
    ) -> Variable:
        """A variable that `reset_state` sets to 0."""
        from weft import initializers

        value = initializers.get(initializer)(tuple(shape), dtype=dtype or self._dtype)
        variable = Variable(value, trainable=False, name=name)
        variable.path = f"{self.name}/{variable.name}"
        self._variables.append(variable)
        return variable

    add_weight = add_variable

    def _sum(self, name: str, shape: tuple[int, ...] = ()) -> Variable:
        """A sum over batches: float64, so that adding ones never stops to count."""
        return self.add_variable(shape, dtype="float64", name=name)

    def _tensor(self, value: Any, near: Any = None) -> Tensor:
        """`value` as a floating tensor without history."""
        t = as_tensor(value, near=near).detach()
        return t if t.dtype in ("float32", "float64") else t.astype("float32")

    def _result(self, value: Any) -> Tensor:
        # Results are for the reader: they are made on the CPU, where the numbers are.
        return as_tensor(np.asarray(value, np.float64), near="cpu").astype(self._dtype)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch."""
        raise NotImplementedError(f"{type(self).__name__} does not define update_state")

    def result(self) -> Any:
        """The number over all batches since the last reset."""
        raise NotImplementedError(f"{type(self).__name__} does not define result")

    def reset_state(self) -> None:
        """Forget all batches."""
        for variable in self._variables:
            _C.copy_into(_C.full((), 0.0, variable.dtype, variable.device), variable._data)

    reset_states = reset_state

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch and give the number so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        return {"name": self.name, "dtype": self._dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """The metric of a configuration."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


def _later(result: Callable[..., Any]) -> Callable[..., Any]:
    """`result` that a recorded step does not compute, since whoever reads the logs will."""

    @functools.wraps(result)
    def wrapped(self: Metric) -> Any:
        if not _C.is_recording():
            return result(self)
        return later([v._data for v in self._variables], functools.partial(result, self))

    return wrapped


def add_to(variables: Sequence[Variable], values: Sequence[Any]) -> None:
    """Add a value of the same shape to each variable, in one launch."""
    raw = [as_tensor(v)._data for v in values]
    if gpu_in_use():
        raw = _together(variables, raw)
    _C.scaled_add(raw, [v._data for v in variables], 1.0, 1.0)


def _together(variables: Sequence[Variable], raw: list[Any]) -> list[Any]:
    """Values on one device, that of the data among them; the variables go there as well."""
    device = next((array.device for array in raw if is_gpu(array.device)), "cpu")
    for variable in variables:
        variable.move_to(device)
    return [_C.to_device(array, device) for array in raw]


_counts: dict[tuple[int, str], Any] = {}


def count_of(n: int) -> Tensor:
    """The number `n` as a tensor; batches have few sizes, so they are kept."""
    key = (n, current_device())
    if key not in _counts:
        if len(_counts) > 100:
            _counts.clear()
        _counts[key] = as_tensor(np.asarray(n, np.float64).reshape(()))
    return _counts[key]


def weighted_rows(
    metric: Metric, values: Any, sample_weight: Any, reduce: Callable[..., Tensor]
) -> tuple[Tensor, Tensor]:
    """Weighted values and weights, one for each row; axes without weights are reduced first.

    Raises:
        ValueError: If the weights do not fit the values.
    """
    values = metric._tensor(values)
    weight = metric._tensor(sample_weight, near=values)
    given = weight.shape
    if weight.ndim == values.ndim + 1 and given[-1] == 1:
        weight = ops.squeeze(weight, -1)
    elif values.ndim == weight.ndim + 1 and weight.ndim >= 1 and values.shape[-1] == 1:
        weight = ops.expand_dims(weight, -1)
    if values.ndim > weight.ndim:
        values = reduce(values, axis=tuple(range(weight.ndim, values.ndim)))
    try:
        weight = ops.broadcast_to(weight, values.shape)
    except ValueError:
        raise ValueError(
            f"{metric.name}: sample_weight has shape {given}, the values {values.shape}; give one "
            "weight for each row"
        ) from None
    values = values * weight
    if values.ndim > 1:
        rest = tuple(range(1, values.ndim))
        values, weight = reduce(values, axis=rest), reduce(weight, axis=rest)
    return values, weight


class Mean(Metric):
    """The (weighted) mean of all values.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if `sample_weight` does not fit the values.

    Example:
        >>> import weft
        >>> mean = weft.metrics.Mean()
        >>> mean.update_state([1.0, 3.0])
        >>> mean.update_state(5.0)
        >>> float(mean.result())
        3.0

    Follows keras.metrics.Mean.
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total, self.count = self._sum("total"), self._sum("count")

    @no_grad()
    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add values, with a weight for each row."""
        if sample_weight is None:
            values = self._tensor(values)
            count: Any = count_of(values.size)
        else:
            values, weight = weighted_rows(self, values, sample_weight, ops.mean)
            count = ops.sum(weight) if weight.ndim else weight
        add_to([self.total, self.count], [ops.sum(values) if values.ndim else values, count])

    def result(self) -> Tensor:
        """The mean; 0 before the first value."""
        count = self.count.item()
        return self._result(self.total.item() / count if count else 0.0)


class Sum(Metric):
    """The (weighted) sum of all values.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if `sample_weight` does not fit the values.

    Example:
        >>> import weft
        >>> total = weft.metrics.Sum()
        >>> total.update_state([1.0, 3.0])
        >>> float(total.result())
        4.0

    Follows keras.metrics.Sum.
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self._sum("total")

    @no_grad()
    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add values, with a weight for each row."""
        if sample_weight is None:
            values = self._tensor(values)
        else:
            values, _ = weighted_rows(self, values, sample_weight, ops.sum)
        add_to([self.total], [ops.sum(values) if values.ndim else values])

    def result(self) -> Tensor:
        """The sum."""
        return self._result(self.total.item())


class MeanMetricWrapper(Mean):
    """The mean of a function of targets and predictions.

    Args:
        fn: A function that gives one value for each row.
        name: As in `Metric`.
        dtype: As in `Metric`.
        **kwargs: Further arguments of `fn`.

    Raises:
        ValueError: When called, what `fn` raises, or if `sample_weight` does not fit its values.

    Example:
        >>> import weft
        >>> metric = weft.metrics.MeanMetricWrapper(weft.losses.mean_absolute_error)
        >>> float(metric([[1.0], [2.0]], [[2.0], [4.0]]))
        1.5

    Follows keras.metrics.MeanMetricWrapper.
    """

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", None), dtype)
        self._fn, self._fn_kwargs = fn, kwargs

    @no_grad()
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add the values of a batch, with a weight for each row."""
        mask = getattr(y_pred, "_mask", None)  # set by layers that know which steps count
        if mask is not None:
            sample_weight = masked_weights(mask, sample_weight, self._dtype, "sum")
        super().update_state(self._fn(y_true, y_pred, **self._fn_kwargs), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        config = {**super().get_config(), **self._fn_kwargs}
        if type(self) is MeanMetricWrapper:
            from weft.saving import serialize

            config["fn"] = serialize(self._fn)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """The metric of a configuration."""
        config = dict(config)
        if "fn" in config and not callable(config["fn"]):
            from weft.metrics import TABLE
            from weft.saving import deserialize

            fn = config["fn"]
            config["fn"] = TABLE[fn] if isinstance(fn, str) else deserialize(fn)
        return cls(**config)
