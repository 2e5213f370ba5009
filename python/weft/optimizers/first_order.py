"""SGD: steps along the gradient, with or without momentum."""

from __future__ import annotations

from typing import Any

from weft.optimizers.optimizer import Optimizer


class SGD(Optimizer):
    """Gradient descent, with optional (Nesterov) momentum.

    ``velocity = momentum * velocity - learning_rate * g`` and ``w += velocity``; with `nesterov`
    ``w += momentum * velocity - learning_rate * g``.

    Args:
        learning_rate: As in `Optimizer`.
        momentum: Share of the velocity kept, in [0, 1].
        nesterov: Look one step ahead.
        **common: Further arguments of `Optimizer`.

    Raises:
        ValueError: If an argument is no number in its range. The learning rate may be a schedule or
            a function, too.

    Example:
        >>> import weft
        >>> optimizer = weft.optimizers.SGD(0.1, momentum=0.9)

    Follows keras.optimizers.SGD.
    """

    rule = "sgd"

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.momentum = self._check_number("momentum", momentum, least=0.0, most=1.0)
        self.nesterov = bool(nesterov)

    def _slot_fills(self) -> list[tuple[str, float]]:
        return [("momentum", 0.0)] if self.momentum else []

    def _make_settings(self) -> Any:
        settings = super()._make_settings()
        settings.momentum, settings.nesterov = self.momentum, self.nesterov
        return settings

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same optimizer again."""
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
