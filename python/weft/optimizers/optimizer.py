"""The base of all optimizers: learning rate, slots, clipping, accumulation, averages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from weft import _C
from weft.autograd import enable_grad, grad
from weft.lookup import snake_case, unique_name
from weft.optimizers.checks import COMMON, check_common, check_known, check_number
from weft.optimizers.gradient_checks import explain_shapes, without_missing
from weft.optimizers.schedules.schedule import LearningRateSchedule
from weft.optimizers.settings import Settings
from weft.programs.recording import afterwards, note_change, on_host
from weft.tensor import Tensor, as_tensor
from weft.variable import ReadBack, Variable


class Optimizer(Settings):
    """Changes variables along their gradients.

    All variables are updated by one call into the compiled module, however many they are. The
    learning rate and the number of updates live in tensors, so that a recorded training step can
    be replayed with another rate.

    Args:
        learning_rate: A number, a `LearningRateSchedule`, or a function without arguments.
        weight_decay: Before each update, subtract ``learning_rate * weight_decay`` times the
            variable from it (not from its gradient).
        clipnorm: Shorten each gradient to this Euclidean norm.
        clipvalue: Cut each element of the gradients to [-clipvalue, clipvalue].
        global_clipnorm: Shorten all gradients together, by one factor, to this norm.
        use_ema: Keep exponential moving averages of the variables.
        ema_momentum: How much of the average is kept at each step.
        ema_overwrite_frequency: Copy the averages into the variables every so many updates.
        loss_scale_factor: The loss was multiplied by this; gradients are divided by it.
        gradient_accumulation_steps: Add up gradients over so many calls and update with the mean.
        name: Name; unique by default.

    Raises:
        TypeError: For an unknown argument, with the nearest known one.
        ValueError: For an impossible value, which is named.

    Example:
        >>> import weft
        >>> w = weft.Variable([1.0, -2.0])
        >>> optimizer = weft.optimizers.SGD(learning_rate=0.5)
        >>> steps = optimizer.apply_gradients([(weft.tensor([1.0, 1.0]), w)])
        >>> w.tolist()
        [0.5, -2.5]

    Follows keras.optimizers.Optimizer.
    """

    rule: str = ""  # the update rule of the compiled module
    slot_names: tuple[str, ...] = ()

    def __init__(self, learning_rate: Any = 0.001, name: str | None = None, **common: Any) -> None:
        check_known(type(self), common)
        options = {**COMMON, **common}
        check_common(type(self).__name__, options)
        self.name = name if name is not None else unique_name(snake_case(type(self).__name__))
        self.weight_decay: float | None = options["weight_decay"]
        self.clipnorm: float | None = options["clipnorm"]
        self.clipvalue: float | None = options["clipvalue"]
        self.global_clipnorm: float | None = options["global_clipnorm"]
        self.use_ema: bool = options["use_ema"]
        self.ema_momentum: float = options["ema_momentum"]
        self.ema_overwrite_frequency: int | None = options["ema_overwrite_frequency"]
        self.loss_scale_factor: float | None = options["loss_scale_factor"]
        self.gradient_accumulation_steps: int | None = options["gradient_accumulation_steps"]
        self._iterations = _counter(self.name, "iteration")
        self._count = ReadBack(self._iterations)
        self._rate = Variable(0.0, dtype="float64", trainable=False, name="learning_rate")
        self._rate.path = f"{self.name}/learning_rate"
        self._source: LearningRateSchedule | Callable[[], Any] | None = None
        self._set_learning_rate(learning_rate)
        self.built = False
        self._no_decay: list[Any] = []

    # --- the learning rate and the step count ----------------------------------------------------

    @property
    def learning_rate(self) -> Any:
        """The current rate: a variable, or what the schedule or function gives now."""
        if self._source is not None:
            return as_tensor(np.float32(self._current_rate()))
        return self._rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if isinstance(self._source, LearningRateSchedule) and not callable(value):
            raise TypeError(
                f"{type(self).__name__}: the learning rate follows the schedule "
                f"{type(self._source).__name__} and cannot be set to {value!r}; assign another "
                "schedule, or make the optimizer with a number"
            )
        self._set_learning_rate(value)

    def _set_learning_rate(self, value: Any) -> None:
        if isinstance(value, dict):
            from weft.saving import deserialize

            value = deserialize(value)
        if callable(value) and not isinstance(value, Tensor):
            self._follow_source(value)
            return
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if isinstance(value, (str, bool)) or not 0 <= number < float("inf"):
            raise ValueError(
                f"{type(self).__name__}: learning_rate must be a number of at least 0, a schedule "
                f"or a function, got {value!r}"
            )
        self._follow_source(None)
        _assign_number(self._rate, number)

    def _follow_source(self, source: Any) -> None:
        if (source is None) != (self._source is None):
            note_change(f"the learning rate of {self.name!r}")  # the host has a turn, or has none
        self._source = source

    def _current_rate(self) -> float:
        if isinstance(self._source, LearningRateSchedule):
            if type(self._source).__call__ is LearningRateSchedule.__call__:
                return self._source.value(self._count.read())
            return float(self._source(self._iterations.detach()))
        assert self._source is not None
        return float(self._source())

    @property
    def iterations(self) -> Variable:
        """How many updates were made: a variable of one integer."""
        return self._iterations

    # --- variables -------------------------------------------------------------------------------

    def build(self, variables: Iterable[Variable]) -> None:
        """Create the slots for `variables`; `apply` does it at its first call.

        From then on the optimizer belongs to these variables.
        """
        if self.built:
            return
        self._trainable_variables = list(variables)
        for v in self._trainable_variables:
            if not isinstance(v, Variable):
                raise TypeError(
                    f"{type(self).__name__}: can only change variables (weft.Variable), not "
                    f"{type(v).__name__}; wrap the value: weft.Variable(value)"
                )
        self._slots = [
            [self._new_slot(v, name, fill) for v in self._trainable_variables]
            for name, fill in self._slot_fills()
        ]
        self._extra = self._extra_variables()
        self._averages = self._slots_if(self.use_ema, "average")
        self._accumulators = self._slots_if(
            self.gradient_accumulation_steps, "gradient_accumulator"
        )
        self._accumulated = _counter(self.name, "accumulated")
        self._accumulated_count = ReadBack(self._accumulated)
        self.built = True
        if self._trainable_variables:
            self._follow()
        else:
            self._index()

    def _index(self) -> None:
        """What is derived from the variables, and made again after a copy."""
        self._ids = [id(v) for v in self._trainable_variables]
        self._positions = {key: i for i, key in enumerate(self._ids)}
        self._settings = self._make_settings()
        self._plan = self._make_plan(range(len(self._ids)))
        self._first = self._trainable_variables[0]._data if self._ids else None

    def _follow(self) -> None:
        """Go to where the variables are: they were moved, or loaded elsewhere."""
        device = self._trainable_variables[0]._data.device
        for variable in self.variables:
            variable.move_to(device)
        self._index()

    def _slots_if(self, wanted: Any, name: str) -> list[Variable]:
        return [self._new_slot(v, name, 0.0) for v in self._trainable_variables] if wanted else []

    def _new_slot(self, variable: Variable, name: str, fill: float) -> Variable:
        # What a parameter in half precision would round away is kept in its slots.
        dtype = "float32" if variable.dtype.itemsize == 2 else variable.dtype
        data = _C.full(variable.shape, fill, dtype, variable.device)
        slot = Variable(Tensor(data), trainable=False, name=f"{variable.name}_{name}")
        slot.path = f"{self.name}/{variable.path.replace('/', '_')}_{name}"
        return slot

    def _slot_fills(self) -> list[tuple[str, float]]:
        """Names and first values of the slots, in the order of the compiled rule."""
        return [(name, 0.0) for name in self.slot_names]

    def _extra_variables(self) -> list[Variable]:
        return []

    @property
    def variables(self) -> list[Variable]:
        """What the optimizer itself remembers: step count, learning rate, slots."""
        own = [self._iterations, self._rate]
        if not self.built:
            return own
        if self.gradient_accumulation_steps:
            own.append(self._accumulated)
        slots = [s for group in zip(*self._slots, strict=True) for s in group]
        return [*own, *self._extra, *slots, *self._averages, *self._accumulators]

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Leave variables out of the weight decay; call it before the first step.

        Args:
            var_list: The variables.
            var_names: Words; variables whose path contains one are left out.

        Raises:
            RuntimeError: If the optimizer was built already.
        """
        if self.built:
            raise RuntimeError(
                "exclude_from_weight_decay must be called before the optimizer is built (by build "
                "or by its first step)"
            )
        self._no_decay = [*(var_list or ()), *(var_names or ())]

    def _decays(self, variable: Variable) -> bool:
        return not any(
            item in variable.path if isinstance(item, str) else item is variable
            for item in self._no_decay
        )

    # --- steps -----------------------------------------------------------------------------------

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """Update variables from pairs ``(gradient, variable)``; gives the step count."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self._iterations

    def apply(
        self, grads: Iterable[Any], trainable_variables: Iterable[Variable] | None = None
    ) -> None:
        """Update variables from their gradients.

        Args:
            grads: One gradient for each variable, of its shape; None for a variable to leave.
            trainable_variables: The variables; those of `build` by default.

        Raises:
            ValueError: If no variable has a gradient, a shape differs, or the optimizer was built
                for other variables.
        """
        grads = list(grads)
        if trainable_variables is None:
            if not self.built:
                raise ValueError("apply needs trainable_variables until the optimizer is built")
            variables = self._trainable_variables
        else:
            variables = list(trainable_variables)
        if len(grads) != len(variables):
            raise ValueError(
                f"{type(self).__name__}: {len(grads)} gradients for {len(variables)} variables"
            )
        for g in grads:
            if g is None:
                grads, variables = without_missing(type(self).__name__, grads, variables)
                break
        if not self.built:
            self.build(variables)
        if self._ids and self._first is not self._trainable_variables[0]._data:
            self._follow()
        raw = [
            g._data if isinstance(g, Tensor) else as_tensor(g, near=v)._data
            for g, v in zip(grads, variables, strict=True)
        ]
        chosen = None if list(map(id, variables)) == self._ids else self._find(variables)
        try:
            self._step(raw, variables, chosen)
        except ValueError as error:
            raise ValueError(
                explain_shapes(type(self).__name__, raw, variables) or str(error)
            ) from None

    def _step(self, raw: list[Any], variables: list[Variable], chosen: list[int] | None) -> None:
        # What depends on the number of the step is decided by the host, also in a replay.
        steps = self.gradient_accumulation_steps
        if not steps:
            self._update(raw, variables, chosen)
            return
        accumulators = self._pick(self._accumulators, chosen)
        _C.scaled_add(raw, accumulators, 1.0, 1 / steps)

        def update_when_due() -> None:
            count = (self._accumulated_count.read() + 1) % steps
            _assign_number(self._accumulated, count)
            self._accumulated_count.wrote(count)
            if count == 0:
                self._update(accumulators, variables, chosen)
                _C.scaled_add(accumulators, accumulators, 0.0, 0.0)

        on_host(update_when_due)

    def _update(self, raw: list[Any], variables: list[Variable], chosen: list[int] | None) -> None:
        counts = self._source is not None or self.use_ema
        if counts:
            on_host(self._begin_update)
        (self._plan if chosen is None else self._make_plan(chosen)).update(raw)
        if counts:
            on_host(lambda: self._end_update(variables, chosen))
            afterwards(self._note_count)
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))

    def _begin_update(self) -> None:
        if self._source is not None:
            _assign_number(self._rate, self._current_rate())
        self._steps_before = self._count.read()

    def _end_update(self, variables: list[Variable], chosen: list[int] | None) -> None:
        self._note_count()
        if self.use_ema:
            self._update_averages(variables, chosen)

    def _note_count(self) -> None:
        # For another update in the same replay, and again when the replay has counted its writes.
        self._count.wrote(self._steps_before + 1)

    def _make_plan(self, chosen: Sequence[int]) -> Any:
        return _C.UpdatePlan(
            self._settings,
            [self._trainable_variables[i]._data for i in chosen],
            [slot[i]._data for slot in self._slots for i in chosen],
            [self._decays(self._trainable_variables[i]) for i in chosen],
            self._rate._data,
            self._iterations._data,
            self._extra[0]._data if self._extra else None,
        )

    def _find(self, variables: Sequence[Variable]) -> list[int]:
        """Positions of `variables` among those the optimizer was built for."""
        unknown = [v for v in variables if id(v) not in self._positions]
        if unknown:
            paths = ", ".join(repr(getattr(v, "path", v)) for v in unknown[:5])
            raise ValueError(
                f"this optimizer ({self.name}) was built for the variables of another model and "
                f"does not know {paths}; make a new optimizer for this model, or call "
                "optimizer.build(all variables) before the first step"
            )
        return [self._positions[id(v)] for v in variables]

    def _pick(self, slot: list[Variable], chosen: list[int] | None) -> list[Any]:
        return [s._data for s in (slot if chosen is None else [slot[i] for i in chosen])]

    def _update_averages(self, variables: list[Variable], chosen: list[int] | None) -> None:
        step = self._steps_before + 1
        keep = self.ema_momentum if step > 1 else 0.0
        raw, averages = [v._data for v in variables], self._pick(self._averages, chosen)
        _C.scaled_add(raw, averages, keep, 1 - keep)
        if self.ema_overwrite_frequency and step % self.ema_overwrite_frequency == 0:
            _C.scaled_add(averages, raw, 0.0, 1.0)

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Copy the moving averages into the variables, at the end of training."""
        if not self.use_ema:
            return
        for variable, position in zip((kept := list(var_list)), self._find(kept), strict=True):
            variable.assign(self._averages[position])

    def minimize(self, loss: Any, var_list: Any = None, tape: Any = None) -> Tensor:
        """One step that lowers `loss`.

        Args:
            loss: A function without arguments that computes the loss, or its value as a tensor.
            var_list: The variables to change, or a function that gives them.
            tape: The tape that recorded a tensor loss; without one its own history is used.

        Returns:
            The number of updates made so far.

        Example:
            >>> import weft
            >>> w = weft.Variable(1.0)
            >>> optimizer = weft.optimizers.SGD(learning_rate=0.1)
            >>> int(optimizer.minimize(lambda: w**2 / 2.0, [w])), round(float(w), 4)
            (1, 0.9)
        """
        if callable(var_list):
            var_list = var_list()
        variables = self._trainable_variables if var_list is None and self.built else var_list
        if variables is None:
            raise ValueError("minimize needs var_list, the variables to change")
        variables = [variables] if isinstance(variables, Variable) else list(variables)
        if callable(loss) and not isinstance(loss, Tensor):
            with enable_grad():
                loss = loss()
        if tape is not None:
            gradients = tape.gradient(loss, variables)
        else:
            gradients = grad(loss, variables, allow_unused=True)
        self.apply(gradients, variables)
        return Tensor(_C.copy(self._iterations._data))

    def scale_loss(self, loss: Tensor) -> Tensor:
        """`loss` times the loss scale factor, if there is one."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # --- configuration and state -----------------------------------------------------------------

    def _make_settings(self) -> Any:
        settings = _C.UpdateSettings(self.rule)
        settings.weight_decay = self.weight_decay or 0.0
        settings.gradient_scale = 1 / (self.loss_scale_factor or 1.0)
        settings.clip_value = self.clipvalue or 0.0
        settings.clip_norm = self.clipnorm or 0.0
        settings.global_clip_norm = self.global_clipnorm or 0.0
        return settings

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same optimizer again."""
        rate: Any = float(self._rate.item())
        if self._source is not None:
            from weft.saving import serialize

            rate = serialize(self._source)
        return {"name": self.name, "learning_rate": rate, **{k: getattr(self, k) for k in COMMON}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Optimizer:
        """The optimizer of a configuration."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            from weft.saving import deserialize

            config["learning_rate"] = deserialize(config["learning_rate"], custom_objects)
        return cls(**config)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Write the values of `variables` into `store`, by their position."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Read back what `save_own_variables` wrote.

        Raises:
            ValueError: If the number of variables differs.
        """
        own = self.variables
        if len(store) != len(own):
            raise ValueError(
                f"optimizer {self.name}: the file has {len(store)} values, the optimizer "
                f"{len(own)} variables; build it for the same model first"
            )
        for i, variable in enumerate(own):
            variable.assign(store[str(i)])

    def __getstate__(self) -> dict[str, Any]:
        rebuilt = ("_plan", "_settings", "_positions", "_ids", "_first")
        return {k: v for k, v in self.__dict__.items() if k not in rebuilt}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.built:
            self._index()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def _check_number(self, name: str, value: Any, **bounds: float) -> float:
        return check_number(type(self).__name__, name, value, **bounds)


def _counter(owner: str, name: str) -> Variable:
    counter = Variable(0, dtype="int64", trainable=False, name=name)
    counter.path = f"{owner}/{name}"
    return counter


def _assign_number(variable: Variable, value: float) -> None:
    number = _C.from_numpy(np.asarray(value, str(variable.dtype)))
    _C.copy_into(_C.to_device(number, variable._data.device), variable._data)
