"""Optimizers that scale each element by the history of its own gradients."""

from __future__ import annotations

from typing import Any

from weft.optimizers.optimizer import Optimizer


class RMSprop(Optimizer):
    """Divides the gradient by a running root mean square of itself.

    Args:
        learning_rate: As in `Optimizer`.
        rho: Share of the mean square kept at each step.
        momentum: Share of the last step that is added to the next.
        epsilon: Added to the mean square.
        centered: Use the variance instead of the mean square.
        **common: Further arguments of `Optimizer`.

    Raises:
        ValueError: If an argument is no number in its range. The learning rate may be a schedule or
            a function, too.

    Example:
        >>> import weft
        >>> optimizer = weft.optimizers.RMSprop(0.01, centered=True)

    Follows keras.optimizers.RMSprop (Hinton, 2012).
    """

    rule = "rmsprop"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho = self._check_number("rho", rho, least=0.0, most=1.0)
        self.momentum = self._check_number("momentum", momentum, least=0.0, most=1.0)
        self.epsilon = self._check_number("epsilon", epsilon, least=0.0)
        self.centered = bool(centered)

    def _slot_fills(self) -> list[tuple[str, float]]:
        slots = [("velocity", 0.0)]
        if self.momentum:
            slots.append(("momentum", 0.0))
        if self.centered:
            slots.append(("average_gradient", 0.0))
        return slots

    def _make_settings(self) -> Any:
        settings = super()._make_settings()
        settings.rho, settings.momentum = self.rho, self.momentum
        settings.epsilon, settings.centered = self.epsilon, self.centered
        return settings

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same optimizer again."""
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }


class Adagrad(Optimizer):
    """Divides the gradient by the root of the sum of all its squares so far.

    Args:
        learning_rate: As in `Optimizer`.
        initial_accumulator_value: What the sums start from.
        epsilon: Added to the sums.
        **common: Further arguments of `Optimizer`.

    Raises:
        ValueError: If an argument is no number in its range. The learning rate may be a schedule or
            a function, too.

    Example:
        >>> import weft
        >>> optimizer = weft.optimizers.Adagrad(0.1)

    Follows keras.optimizers.Adagrad (Duchi, Hazan and Singer, 2011).
    """

    rule = "adagrad"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.initial_accumulator_value = self._check_number(
            "initial_accumulator_value", initial_accumulator_value, least=0.0
        )
        self.epsilon = self._check_number("epsilon", epsilon, least=0.0)

    def _slot_fills(self) -> list[tuple[str, float]]:
        return [("accumulator", self.initial_accumulator_value)]

    def _make_settings(self) -> Any:
        settings = super()._make_settings()
        settings.epsilon = self.epsilon
        return settings

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same optimizer again."""
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }


class Adadelta(Optimizer):
    """Scales the gradient by the ratio of running root mean squares of steps and gradients.

    Args:
        learning_rate: As in `Optimizer`; 1.0 is the rate of the paper.
        rho: Share of the mean squares kept at each step.
        epsilon: Added to both mean squares.
        **common: Further arguments of `Optimizer`.

    Raises:
        ValueError: If an argument is no number in its range. The learning rate may be a schedule or
            a function, too.

    Example:
        >>> import weft
        >>> optimizer = weft.optimizers.Adadelta(1.0)

    Follows keras.optimizers.Adadelta (Zeiler, 2012).
    """

    rule = "adadelta"
    slot_names = ("accumulated_grad", "accumulated_delta_var")

    def __init__(
        self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **common: Any
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho = self._check_number("rho", rho, least=0.0, most=1.0)
        self.epsilon = self._check_number("epsilon", epsilon, least=0.0)

    def _make_settings(self) -> Any:
        settings = super()._make_settings()
        settings.rho, settings.epsilon = self.rho, self.epsilon
        return settings

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same optimizer again."""
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}


class Ftrl(Optimizer):
    """Follow the regularised leader: keeps useless weights at exactly 0.

    Args:
        learning_rate: As in `Optimizer`.
        learning_rate_power: At most 0; how the rate falls with the squares of the gradients.
        initial_accumulator_value: What the sums of squares start from.
        l1_regularization_strength: At least 0; pulls weights to 0.
        l2_regularization_strength: At least 0.
        l2_shrinkage_regularization_strength: At least 0; an L2 penalty on the gradient's side.
        beta: Added to the root of the sums of squares, as in the paper.
        **common: Further arguments of `Optimizer`.

    Raises:
        ValueError: If an argument is no number in its range. The learning rate may be a schedule or
            a function, too.

    Example:
        >>> import weft
        >>> optimizer = weft.optimizers.Ftrl(0.1, l1_regularization_strength=0.01)

    Follows keras.optimizers.Ftrl (McMahan et al., 2013).
    """

    rule = "ftrl"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        number = self._check_number
        self.learning_rate_power = number("learning_rate_power", learning_rate_power, most=0.0)
        self.initial_accumulator_value = number(
            "initial_accumulator_value", initial_accumulator_value, least=0.0
        )
        self.l1_regularization_strength = number(
            "l1_regularization_strength", l1_regularization_strength, least=0.0
        )
        self.l2_regularization_strength = number(
            "l2_regularization_strength", l2_regularization_strength, least=0.0
        )
        self.l2_shrinkage_regularization_strength = number(
            "l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength, least=0.0
        )
        self.beta = number("beta", beta, least=0.0)

    def _slot_fills(self) -> list[tuple[str, float]]:
        return [("accumulator", self.initial_accumulator_value), ("linear", 0.0)]

    def _make_settings(self) -> Any:
        settings = super()._make_settings()
        settings.learning_rate_power = self.learning_rate_power
        settings.l1, settings.l2 = self.l1_regularization_strength, self.l2_regularization_strength
        settings.l2_shrinkage = self.l2_shrinkage_regularization_strength
        settings.beta = self.beta
        return settings

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same optimizer again."""
        names = (
            "learning_rate_power",
            "initial_accumulator_value",
            "l1_regularization_strength",
            "l2_regularization_strength",
            "l2_shrinkage_regularization_strength",
            "beta",
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
