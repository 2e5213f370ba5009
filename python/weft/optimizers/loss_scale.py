"""Dynamic loss scaling, which keeps small float16 gradients from vanishing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from weft import ops
from weft.optimizers.checks import check_number
from weft.optimizers.optimizer import Optimizer
from weft.programs.recording import on_host
from weft.tensor import Tensor, as_tensor
from weft.variable import Variable


class LossScaleOptimizer(Optimizer):
    """Another optimizer, with the loss multiplied by a factor and its gradients divided by it.

    The factor is doubled after `dynamic_growth_steps` updates in a row. When a gradient is not
    finite the step is skipped and the factor halved. `compile` wraps the optimizer of a model whose
    policy is ``"mixed_float16"`` in this one.

    Whether the gradients are finite is read by the host, so each step waits for the device.

    Args:
        inner_optimizer: The optimizer that updates the variables.
        initial_scale: The first factor.
        dynamic_growth_steps: Updates without an infinite gradient before the factor is doubled.
        name: Name; unique by default.

    Raises:
        TypeError: If `inner_optimizer` is no optimizer.
        ValueError: For a factor or a number of steps that is not positive.

    Example:
        >>> import weft
        >>> w = weft.Variable([1.0, 2.0])
        >>> optimizer = weft.optimizers.LossScaleOptimizer(weft.optimizers.SGD(0.5), 4.0)
        >>> optimizer.apply([weft.tensor([4.0, 8.0])], [w])  # of the loss times 4
        >>> w.tolist(), float(optimizer.dynamic_scale)
        ([0.5, 1.0], 4.0)

    Follows keras.optimizers.LossScaleOptimizer.
    """

    def __init__(
        self,
        inner_optimizer: Any,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str = "loss_scale_optimizer",
    ) -> None:
        if isinstance(inner_optimizer, dict):
            from weft.saving import deserialize

            inner_optimizer = deserialize(inner_optimizer)
        if not isinstance(inner_optimizer, Optimizer):
            raise TypeError(
                "LossScaleOptimizer: inner_optimizer must be an optimizer, got "
                f"{inner_optimizer!r}; for example LossScaleOptimizer(weft.optimizers.Adam())"
            )
        own = type(self).__name__
        check_number(own, "initial_scale", initial_scale, above=0.0)
        check_number(own, "dynamic_growth_steps", dynamic_growth_steps, above=0.0)
        self.inner_optimizer = inner_optimizer
        self.initial_scale = float(initial_scale)
        self.dynamic_growth_steps = int(dynamic_growth_steps)
        self.name = name
        self.dynamic_scale = self._number("dynamic_scale", self.initial_scale, "float32")
        self.step_counter = self._number("step_counter", 0, "int64")

    def _number(self, name: str, value: float, dtype: str) -> Variable:
        variable = Variable(value, dtype=dtype, trainable=False, name=name)
        variable.path = f"{self.name}/{name}"
        return variable

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "inner_optimizer":
            raise AttributeError(name)
        return getattr(self.inner_optimizer, name)

    @property
    def learning_rate(self) -> Any:
        """The rate of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Variable:
        """How many updates the inner optimizer made; skipped steps do not count."""
        return self.inner_optimizer.iterations

    @property
    def built(self) -> bool:
        """Whether the inner optimizer has its slots."""
        return self.inner_optimizer.built

    @built.setter
    def built(self, value: bool) -> None:
        self.inner_optimizer.built = value

    @property
    def variables(self) -> list[Variable]:
        """The step counter, the factor, and what the inner optimizer remembers."""
        return [self.step_counter, self.dynamic_scale, *self.inner_optimizer.variables]

    def build(self, variables: Iterable[Variable]) -> None:
        """Create the slots of the inner optimizer."""
        self.inner_optimizer.build(variables)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """Update variables from pairs ``(gradient, variable)``; gives the step count."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self.iterations

    def apply(
        self, grads: Iterable[Any], trainable_variables: Iterable[Variable] | None = None
    ) -> None:
        """Divide the gradients by the factor and update, or skip the step if one is not finite.

        Args:
            grads: The gradients of the scaled loss, one for each variable; None for a variable to
                leave.
            trainable_variables: The variables; those of `build` by default.
        """
        grads = [None if g is None else as_tensor(g) for g in grads]
        # Sums would overflow for gradients that are large and still usable.
        flags = [ops.all(ops.isfinite(g)) for g in grads if g is not None]
        finite = ops.all(ops.stack(flags)) if flags else None
        # The host decides, also in a replay.
        on_host(lambda: self._apply_if(finite, grads, trainable_variables))

    def _apply_if(
        self, finite: Tensor | None, grads: list[Any], variables: Iterable[Variable] | None
    ) -> None:
        if finite is not None and not bool(finite):
            self.step_counter.assign(0)
            self.dynamic_scale.assign(self.dynamic_scale * 0.5)
            return
        inverse = 1.0 / float(self.dynamic_scale)
        self.inner_optimizer.apply(
            [None if g is None else g.detach() * inverse for g in grads], variables
        )
        if int(self.step_counter) + 1 < self.dynamic_growth_steps:
            self.step_counter.assign_add(1)
        else:
            self.step_counter.assign(0)
            self.dynamic_scale.assign(self.dynamic_scale * 2.0)

    def scale_loss(self, loss: Tensor) -> Tensor:
        """`loss` times the factor (and the inner optimizer's own, if it has one)."""
        scaled = self.inner_optimizer.scale_loss(loss)
        return scaled * ops.cast(self.dynamic_scale, scaled.dtype)

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Let the inner optimizer copy its averages into the variables."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Leave variables out of the inner optimizer's weight decay."""
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same optimizer again."""
        from weft.saving import serialize

        return {
            "name": self.name,
            "inner_optimizer": serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> LossScaleOptimizer:
        """The optimizer of a configuration."""
        from weft.saving import deserialize

        config = dict(config)
        config["inner_optimizer"] = deserialize(config["inner_optimizer"], custom_objects)
        return cls(**config)

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
