"""`Layer`: weights, a call, a configuration; what every layer and model shares."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np

from weft import _C, constraints, initializers, placement, regularizers
from weft.device import working_on
from weft.dtype_policies import DTypePolicy, get_policy
from weft.dtypes import as_dtype
from weft.errors import nearest
from weft.layers.arguments import (
    bind,
    declared_shape,
    parameters_of,
    serialized_arguments,
    unknown_arguments,
)
from weft.layers.building import build_for, building, call_aside
from weft.layers.calls import (
    Symbolic,
    calls,
    explain,
    flatten,
    infer,
    map_shapes,
    map_structure,
    shapes_of,
)
from weft.layers.input_spec import InputSpec, check_inputs, check_is_data
from weft.layers.masks import masks_of, pass_masks
from weft.layers.tracking import Tracking
from weft.lookup import snake_case, unique_name
from weft.programs.recording import BOOKKEEPING as _BOOKKEEPING
from weft.programs.recording import note_attribute
from weft.tensor import Tensor, as_tensor
from weft.variable import Variable


class Layer(Tracking):
    """The base of all layers.

    A subclass keeps its configuration in ``__init__``, creates weights in ``build`` (through
    `add_weight`), and computes in ``call``. ``build`` runs on the first call, when the input shape
    is known.

    Args:
        activity_regularizer: Loss on the outputs, added during each call.
        trainable: Whether the weights are trained.
        dtype: A dtype, or a policy such as ``"mixed_float16"``: what is computed in, and stored.
        autocast: Convert floating-point inputs to the dtype of the computation.
        name: Name; ``dense``, ``dense_1``... by default.
        input_shape: Shape of one sample, for the first layer of a Sequential model.

    Raises:
        TypeError: If an argument is unknown; the message names the nearest one.

    Example:
        >>> import weft
        >>> class Scale(weft.layers.Layer):
        ...     def build(self, input_shape):
        ...         self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")
        ...     def call(self, x):
        ...         return x * self.factor
        >>> layer = Scale()
        >>> layer([[1.0, 2.0]]).tolist(), layer.count_params()
        ([[1.0, 2.0]], 2)

    Follows keras.layers.Layer.
    """

    # Whether `call` wants its first argument as tensors; lookups of words do not.
    converts_inputs = True
    input_spec: InputSpec | list[InputSpec] | None = None
    supports_masking = False
    _symbolic_output: Any = None  # of its last call on symbolic tensors
    _sequence: Any = None  # the Sequential model that it belongs to

    def __new__(cls, *args: Any, **kwargs: Any) -> Layer:
        self = super().__new__(cls)
        self.__dict__["_arguments"] = bind(cls, args, kwargs)
        return self

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = building(cls.__dict__["build"])  # type: ignore[method-assign]  # wrapped
        if "call" in cls.__dict__:
            parameters = inspect.signature(cls.__dict__["call"]).parameters
            cls._call_parameters = tuple(parameters.values())[1:]
            cls._training_parameter = parameters.get("training")
            cls._takes_mask = "mask" in parameters

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _BOOKKEEPING:
            note_attribute(self, name, value)
        object.__setattr__(self, name, value)

    _call_parameters: tuple[inspect.Parameter, ...] = ()
    _training_parameter: inspect.Parameter | None = None
    _takes_mask = False  # whether `call` has a parameter `mask`
    _makes_masks = False  # whether outputs may have a mask although no input has one

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._declared_shape = declared_shape(type(self).__name__, kwargs)
        if kwargs:
            raise TypeError(unknown_arguments(type(self), kwargs))
        if name is not None and not isinstance(name, str):
            raise ValueError(f"{type(self).__name__}: name must be a string, got {name!r}")
        self.auto_named = name is None
        self.name = name if name is not None else unique_name(snake_case(type(self).__name__))
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._policy = get_policy(dtype)
        self.autocast = autocast
        self.built = False
        self._trainable = bool(trainable)
        self._variables: list[Variable] = []
        self._losses: list[Tensor] = []
        self._build_shapes: Any = None

    # --- what a subclass defines -----------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Create the weights for inputs of `input_shape`; runs once, before the first call."""
        if not self.built:
            self._build_shapes = input_shape
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; subclasses define it."""
        raise NotImplementedError(
            f"layer {self.name!r}: class {type(self).__name__} defines no call method"
        )

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Shape of the output for an input shape, found by running `call` without memory.

        Example:
            >>> import weft
            >>> weft.layers.Flatten().compute_output_shape((None, 4, 5))
            (None, 20)
        """
        specs = self.compute_output_spec(*args, **kwargs)
        return shapes_of(specs)

    def compute_output_spec(self, input_shape: Any, dtype: Any = None) -> Any:
        """``(shape, dtype)`` of the output for an input shape."""
        dtype = str(as_dtype(dtype)) if dtype is not None else str(self.compute_dtype)
        specs = map_shapes(lambda shape: (shape, dtype), input_shape)
        if self.built:
            return infer(self, specs)
        twin = copy.deepcopy(self)
        calls.abstract = True
        try:
            return infer(twin, specs)
        finally:
            calls.abstract = False

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the outputs, given that of the inputs: the same, unless a class differs.

        Asked only of layers with `supports_masking`. A mask is a bool tensor with the batch and
        the steps of a sequence as its axes; it is False for steps to leave out.

        Example:
            >>> import weft
            >>> x = weft.layers.Embedding(5, 2, mask_zero=True)([[1, 2, 0]])
            >>> weft.layers.Dense(3).compute_mask(x, [[True, True, False]])
            [[True, True, False]]
        """
        return previous_mask

    # --- dtypes ----------------------------------------------------------------------------------

    @property
    def dtype_policy(self) -> DTypePolicy:
        """What the layer computes in and stores."""
        return self._policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self._policy = get_policy(value)

    @property
    def compute_dtype(self) -> Any:
        """The dtype that the layer computes in."""
        return self._policy.compute_dtype

    @property
    def variable_dtype(self) -> Any:
        """The dtype of the weights."""
        return self._policy.variable_dtype

    dtype = variable_dtype

    # --- weights ---------------------------------------------------------------------------------

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
    ) -> Variable:
        """A new weight of the layer.

        Args:
            shape: Shape; a scalar by default.
            initializer: Name, function or object; Glorot uniform by default, zeros for integers.
            dtype: Dtype; that of the layer's policy by default.
            trainable: Whether training changes it.
            autocast: Let it answer in the dtype of the computation during a call.
            regularizer: Loss on it that is added while training.
            constraint: Applied to it after each update.
            name: Name, unique within the layer.
        """
        shape = (shape,) if isinstance(shape, int) else tuple(shape or ())
        dtype = as_dtype(dtype) if dtype is not None else self.variable_dtype
        if initializer is None:
            initializer = "glorot_uniform" if dtype.is_floating else "zeros"
        make = initializers.get(initializer)
        name = name or f"variable_{len(self._variables)}"
        if calls.abstract:
            variable = Variable(_C.empty((), dtype, "cpu"), trainable=trainable, name=name)
            variable._data = _C.empty(shape, dtype, "cpu")  # memory that is never touched
        else:
            # On the CPU, so that the same seed gives the same weights on every device.
            with working_on("cpu"):
                value = make(shape, dtype=dtype)
            variable = Variable(value, dtype=dtype, trainable=trainable, name=name)
        variable.path = "/".join([*(layer.name for layer in calls.stack or [self]), name])
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        variable.autocast = autocast
        if trainable and not self._trainable:
            variable.trainable = False
            variable.frozen_by_layer = True
        self._variables.append(variable)
        return variable

    # --- losses ----------------------------------------------------------------------------------

    def add_loss(self, loss: Any) -> None:
        """Add losses (tensors) of the running call, which training adds to the main loss."""
        new = [as_tensor(item) for item in (loss if isinstance(loss, (list, tuple)) else [loss])]
        for item in new:
            if item.size != 1:
                raise ValueError(
                    f"add_loss: layer {self.name!r} adds a loss of shape {item.shape}; reduce it "
                    "to one number with .sum() or .mean()"
                )
        if calls.twins is not None:
            return
        root = calls.stack[0] if calls.stack else self
        root._noisy = [*root._noisy, self]
        self._losses.extend(new)

    # Layers that added losses while this one was the outermost of a call.
    _noisy: list[Layer] = []

    def _forget_losses(self) -> None:
        for layer in self._noisy:
            layer._losses.clear()
        self._noisy = []

    @property
    def losses(self) -> list[Tensor]:
        """Losses added during the last call, and those of regularized weights."""
        found = [loss for layer in self._flatten_layers() for loss in layer._losses]
        return found + [
            v.regularizer(v) for v in self.trainable_variables if v.regularizer is not None
        ]

    # --- the call --------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # One array, at most with the flag of a training loop: nothing to look for in structures.
        x = args[0] if len(args) == 1 else None
        plain = not kwargs or (len(kwargs) == 1 and type(kwargs.get("training", 0)) is bool)
        policy = self._policy
        masks: Any = None
        if plain and isinstance(x, Tensor):
            masks = x._mask
            if x._data.dtype is not policy.compute_dtype and self.converts_inputs:
                args = (self._convert(x),)
        elif plain and isinstance(x, np.ndarray):
            if self.converts_inputs:
                args = (self._convert(x),)
        else:
            args, kwargs = self._convert_all(args, kwargs)
            if any(isinstance(leaf, Symbolic) for leaf in flatten([args, kwargs])):
                return self._call_symbolic(args, kwargs)
            masks = kwargs.get("mask")
            if masks is None and args:
                masks = masks_of(args[0])
        stack, outer_training, twins = calls.stack, calls.training, calls.twins
        if self._noisy and not stack and twins is None:
            self._forget_losses()
        stack.append(self)
        try:
            if not self.built:
                self._build_for(args, kwargs)
            specs = self.input_spec
            # Most calls repeat the shape of the call before.
            if specs is not None and not (
                isinstance(x, Tensor) and self._accepted == (specs, x._data.shape)
            ):
                check_inputs(self, specs, args)
            if self._training_parameter is not None or "training" in kwargs:
                self._pass_training(kwargs)
            if masks is not None and self._takes_mask:
                kwargs["mask"] = masks
            if twins is None and not policy.mixed:
                outputs = self.call(*args, **kwargs)
            else:
                outputs = call_aside(self, args, kwargs)
            if masks is not None or self._makes_masks:
                pass_masks(self, args, masks, outputs)
            if self.activity_regularizer is not None:
                self._regularize_activity(outputs)
        except Exception as error:
            explain(error, args, kwargs)
            raise
        finally:
            stack.pop()
            calls.training = outer_training
        return outputs

    def _pass_training(self, kwargs: dict[str, Any]) -> None:
        """Explicit, else what the outer call decided, else the default of `call`, else False."""
        training = kwargs.pop("training", None)
        if training is None:
            training = calls.training
        parameter = self._training_parameter
        if training is None and parameter is not None:
            training = parameter.default if isinstance(parameter.default, bool) else False
        calls.training = training
        if parameter is not None:
            kwargs["training"] = bool(training)

    def _convert(self, value: Any) -> Any:
        if isinstance(value, (bool, int, float, str, bytes)) or value is None:
            return value
        if not isinstance(value, Tensor):
            if isinstance(value, Symbolic) or not hasattr(value, "__array__"):
                return value
            value = as_tensor(np.asarray(value), near=placement.home_in_call(self))
        dtype = self._policy.compute_dtype
        if self.autocast and value.dtype.is_floating and value.dtype is not dtype:
            converted = value.astype(dtype)
            converted._mask = value._mask
            return converted
        return value

    def _convert_all(self, args: Any, kwargs: Any) -> Any:
        if not self.converts_inputs:
            return args, kwargs
        check_is_data(self, args)
        if args and isinstance(args[0], (list, tuple)) and _holds_numbers(args[0]):
            args = (as_tensor(args[0]), *args[1:])
        return (
            tuple(map_structure(self._convert, a) for a in args),
            {key: map_structure(self._convert, a) for key, a in kwargs.items()},
        )

    def _build_for(self, args: Any, kwargs: Any) -> None:
        build_for(self, args, kwargs)

    _accepted: tuple[InputSpec, tuple[int, ...]] | None = None  # by the last check

    def _regularize_activity(self, outputs: Any) -> None:
        assert self.activity_regularizer is not None
        for output in flatten(outputs):
            if isinstance(output, Tensor):
                rows = output.shape[0] if output.ndim else 1
                self.add_loss(self.activity_regularizer(output) / max(rows, 1))

    @property
    def output(self) -> Any:
        """What the layer gave when it was last called on symbolic tensors, for feature extraction.

        Raises:
            AttributeError: If it is not part of a graph.
        """
        if self._symbolic_output is None and self._sequence is not None:
            self._sequence.connect()
        if self._symbolic_output is None:
            raise AttributeError(
                f"layer {self.name!r} is not part of a graph yet, so it has no output"
            )
        return self._symbolic_output

    def _call_symbolic(self, args: Any, kwargs: Any) -> Any:
        from weft.models.functional import call_symbolic

        return call_symbolic(self, args, kwargs)

    def to(self, device: str) -> Any:
        """Move the weights to a device, where calls then compute; gives the layer itself.

        Args:
            device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"sim"``, ...

        Raises:
            ValueError: If the device does not exist or cannot be used in this process.

        Example:
            >>> import weft
            >>> layer = weft.layers.Dense(2)
            >>> layer.build((None, 3))
            >>> layer.to("sim").kernel.device
            'sim'
        """
        placement.move(self, device)
        self.__dict__["_placed"] = True
        return self

    # --- configuration ---------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """What the class needs to make the layer again, as plain values.

        The arguments of ``__init__``: weft's layers keep each under its own name; of other classes
        the values given to the constructor are taken.

        Raises:
            NotImplementedError: If an argument cannot be written as plain values.
        """
        from weft.saving.serialization import serialize

        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self._policy.name,
        }
        kind: Any = type(self)
        known = parameters_of(kind)
        if (
            self.activity_regularizer is not None
            or known.get("activity_regularizer", Layer) is not Layer
        ):
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        config = {key: value for key, value in config.items() if key in known}
        wanted = {name: owner for name, owner in known.items() if name not in config}
        return {**config, **serialized_arguments(self, wanted)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A new layer of a configuration."""
        from weft.saving.serialization import deserialize

        return cls(**{key: deserialize(value) for key, value in config.items()})

    # --- copies and missing attributes -----------------------------------------------------------

    def __reduce__(self) -> Any:
        return (_blank, (type(self),), self.__dict__.copy())

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__") and "_losses" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}: call super().__init__() at the beginning of __init__"
            )
        if hasattr(type(self), name):
            # A property that raised AttributeError: let its own message be seen.
            return object.__getattribute__(self, name)
        near = nearest(name, [key for key in dir(type(self)) if not key.startswith("_")])
        hint = f"; did you mean {near!r}?" if near else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name!r} built={self.built}>"


def _blank(cls: type) -> Any:
    return object.__new__(cls)


def _holds_numbers(value: Any) -> bool:
    """Whether nested lists hold plain numbers only: data, not a list of inputs."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (bool, int, float, np.generic))
