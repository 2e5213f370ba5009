"""Adam and its family: a running mean of gradients over a running root mean square."""

from __future__ import annotations

from typing import Any

from weft.optimizers.optimizer import Optimizer
from weft.variable import Variable


class _MomentOptimizer(Optimizer):
    """Keeps running first and second moments with shares `beta_1` and `beta_2`."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta_1 = self._check_number("beta_1", beta_1, least=0.0, below=1.0)
        self.beta_2 = self._check_number("beta_2", beta_2, least=0.0, below=1.0)
        self.epsilon = self._check_number("epsilon", epsilon, least=0.0)

    def _make_settings(self) -> Any:
        settings = super()._make_settings()
        settings.beta_1, settings.beta_2 = self.beta_1, self.beta_2
        settings.epsilon = self.epsilon
        return settings

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same optimizer again."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


class Adam(_MomentOptimizer):
    """Steps of about the learning rate, along the running mean of the gradients.

    Args:
        learning_rate: As in `Optimizer`.
        beta_1: Share of the mean kept at each step, in [0, 1).
        beta_2: Share of the mean square kept, in [0, 1).
        epsilon: Added to the root mean square.
        amsgrad: Divide by the largest root mean square so far.
        **common: Further arguments of `Optimizer`.

    Raises:
        ValueError: If an argument is no number in its range. The learning rate may be a schedule or
            a function, too.

    Example:
        >>> import weft
        >>> w = weft.Variable([0.0])
        >>> optimizer = weft.optimizers.Adam(learning_rate=0.5)
        >>> optimizer.apply([weft.tensor([3.0])], [w])
        >>> round(float(w), 4)
        -0.5

    Follows keras.optimizers.Adam (Kingma and Ba, 2014; Reddi, Kale and Kumar, 2018).
    """

    rule = "adam"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)
        self.amsgrad = bool(amsgrad)

    def _slot_fills(self) -> list[tuple[str, float]]:
        slots = [("momentum", 0.0), ("velocity", 0.0)]
        return [*slots, ("velocity_hat", 0.0)] if self.amsgrad else slots

    def _make_settings(self) -> Any:
        settings = super()._make_settings()
        settings.amsgrad = self.amsgrad
        return settings

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same optimizer again."""
        return {**super().get_config(), "amsgrad": self.amsgrad}


class AdamW(Adam):
    """Adam with weight decay that the running means do not see.

    Args:
        learning_rate: As in `Optimizer`.
        weight_decay: Each step also takes ``learning_rate * weight_decay`` of the weights away.
        beta_1: As in `Adam`.
        beta_2: As in `Adam`.
        epsilon: As in `Adam`.
        amsgrad: As in `Adam`.
        **common: Further arguments of `Optimizer`.

    Raises:
        ValueError: If an argument is no number in its range. The learning rate may be a schedule or
            a function, too.

    Example:
        >>> import weft
        >>> optimizer = weft.optimizers.AdamW(1e-3, weight_decay=0.01)

    Follows keras.optimizers.AdamW (Loshchilov and Hutter, 2017).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ) -> None:
        if weight_decay is None:
            raise ValueError("AdamW: weight_decay must be a number; without one use Adam")
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **common
        )


class Adamax(_MomentOptimizer):
    """Adam with the largest recent gradient in place of the root mean square.

    Args:
        learning_rate: As in `Optimizer`.
        beta_1: Share of the mean kept at each step, in [0, 1).
        beta_2: Share of the largest gradient kept, in [0, 1).
        epsilon: Added to the largest gradient.
        **common: Further arguments of `Optimizer`.

    Raises:
        ValueError: If an argument is no number in its range. The learning rate may be a schedule or
            a function, too.

    Example:
        >>> import weft
        >>> optimizer = weft.optimizers.Adamax(0.002)

    Follows keras.optimizers.Adamax (Kingma and Ba, 2014).
    """

    rule = "adamax"
    slot_names = ("momentum", "norm")


class Nadam(_MomentOptimizer):
    """Adam with Nesterov momentum.

    Args:
        learning_rate: As in `Optimizer`.
        beta_1: Share of the mean kept at each step, in [0, 1).
        beta_2: Share of the mean square kept, in [0, 1).
        epsilon: Added to the root mean square.
        **common: Further arguments of `Optimizer`.

    Raises:
        ValueError: If an argument is no number in its range. The learning rate may be a schedule or
            a function, too.

    Example:
        >>> import weft
        >>> optimizer = weft.optimizers.Nadam(0.002)

    Follows keras.optimizers.Nadam (Dozat, 2015).
    """

    rule = "nadam"
    slot_names = ("momentum", "velocity")

    def _extra_variables(self) -> list[Variable]:
        product = Variable(1.0, dtype="float64", trainable=False, name="product")
        product.path = f"{self.name}/product"
        return [product]
