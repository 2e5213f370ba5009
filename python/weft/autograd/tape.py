"""`GradientTape`, for code written against TensorFlow and Keras."""

from __future__ import annotations

import threading
from typing import Any

from weft.autograd.engine import grad
from weft.autograd.recording import enable_grad
from weft.tensor import Tensor, filled_like


class _Active(threading.local):
    def __init__(self) -> None:
        self.tapes: list[GradientTape] = []


_active = _Active()


class GradientTape:
    """Record what is computed inside a ``with`` block, then ask for gradients.

    weft records whatever depends on a `Variable` or a tensor with ``requires_grad``; the tape adds
    TensorFlow's calls to it. `watch` makes a plain tensor part of the recording. Asking for a
    gradient inside another active tape records the gradient too, for second derivatives.

    Args:
        persistent: Allow several calls of `gradient`.

    Raises:
        RuntimeError: If `gradient` is called a second time on a tape that is not persistent.

    Example:
        >>> import weft
        >>> x = weft.Variable(3.0)
        >>> with weft.GradientTape() as tape:
        ...     y = x * x
        >>> float(tape.gradient(y, x))
        6.0

    Follows tf.GradientTape.
    """

    def __init__(self, persistent: bool = False) -> None:
        self.persistent = persistent
        self._used = False
        self._mode = enable_grad()

    def __enter__(self) -> GradientTape:
        self._mode.__enter__()
        _active.tapes.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        if self in _active.tapes:
            _active.tapes.remove(self)
        self._mode.__exit__(*exception)

    def watch(self, tensor: Any) -> None:
        """Record what is computed from `tensor` (one tensor, or a list of them)."""
        for t in tensor if isinstance(tensor, (list, tuple)) else [tensor]:
            t.requires_grad = True

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = "none",
    ) -> Any:
        """Gradients of `target` (or of the sum of several targets) with respect to `sources`.

        Args:
            target: A tensor or a list of tensors.
            sources: A tensor, or a list or dict of tensors; the result has the same structure.
            output_gradients: Gradients with respect to `target`; ones by default.
            unconnected_gradients: ``"none"`` or ``"zero"``: what to give for a source that the
                target does not depend on.

        Raises:
            RuntimeError: If the tape is not persistent and was asked before.
            ValueError: If no source can have a gradient because an operation without one (such as
                argmax) broke the path; the message names it.
        """
        if unconnected_gradients not in ("none", "zero"):
            raise ValueError(
                f"unconnected_gradients must be 'none' or 'zero', got {unconnected_gradients!r}"
            )
        if self._used and not self.persistent:
            raise RuntimeError(
                "a GradientTape gives gradients once; pass persistent=True to ask it again"
            )
        self._used = True
        flat, rebuild = _flatten(sources)
        targets = [target] if isinstance(target, Tensor) else list(target)
        if output_gradients is None:
            seeds = [filled_like(t, 1) for t in targets]
        else:
            single = not isinstance(output_gradients, (list, tuple))
            seeds = [output_gradients] if single else list(output_gradients)
        found = self._walk(targets, seeds, flat)
        if all(g is None for g in found):
            _explain_break(targets, flat)
        if unconnected_gradients == "zero":
            found = [
                filled_like(s, 0) if g is None else g for s, g in zip(flat, found, strict=True)
            ]
        return rebuild(found)

    def _walk(self, targets: list[Tensor], seeds: list[Any], sources: list[Tensor]) -> list[Any]:
        pairs = [(t, s) for t, s in zip(targets, seeds, strict=True) if t.requires_grad]
        if not pairs:
            return [None] * len(sources)
        nested = bool(_active.tapes)
        return list(
            grad(
                [t for t, _ in pairs],
                sources,
                [s for _, s in pairs],
                retain_graph=self.persistent or nested,
                create_graph=nested,
                allow_unused=True,
            )
        )


def _flatten(sources: Any) -> tuple[list[Tensor], Any]:
    if isinstance(sources, dict):
        keys = list(sources)
        return [sources[k] for k in keys], lambda found: dict(zip(keys, found, strict=True))
    if isinstance(sources, (list, tuple)):
        return list(sources), list
    return [sources], lambda found: found[0]


def _explain_break(targets: list[Tensor], sources: list[Tensor]) -> None:
    for target in targets:
        if target._severed is not None:
            op, reason = target._severed
            names = ", ".join(repr(getattr(s, "path", None) or s.shape) for s in sources)
            raise ValueError(
                f"no gradient reaches {names}: the path to the target is broken by {op}, which has "
                f"no gradient: {reason}"
            )
