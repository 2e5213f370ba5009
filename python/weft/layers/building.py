"""What happens around a layer's `build`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from weft import placement
from weft.device import chosen_device, current_device, is_gpu, working_on
from weft.layers.calls import calls, explain

if TYPE_CHECKING:
    from weft.layers.layer import Layer


def building(build: Callable[..., None]) -> Callable[..., None]:
    """`build` that names its weights after the layer and marks the layer built.

    Weights are made on the CPU, so that a seed gives the same ones everywhere, and then moved.
    """

    @functools.wraps(build)
    def wrapped(self: Layer, *args: Any, **kwargs: Any) -> None:
        nested = self.__dict__.get("_building", False)
        if nested:
            build(self, *args, **kwargs)
            return
        pushed = not calls.stack or calls.stack[-1] is not self
        if pushed:
            calls.stack.append(self)
        self.__dict__["_building"] = True
        # Building again replaces what an earlier build made, not what __init__ made.
        del self._variables[self.__dict__.setdefault("_made_before_build", len(self._variables)) :]
        self.__dict__.setdefault("_build_shapes", None)
        if args or kwargs:
            self._build_shapes = args[0] if args else dict(kwargs)
        try:
            if current_device() == "meta" and calls.twins is None:
                build(self, *args, **kwargs)
            else:
                with working_on("cpu"):
                    build(self, *args, **kwargs)
            home = chosen_device() or "cpu"
            if is_gpu(home) and not calls.abstract:
                placement.move_own(self, home)
            self.built = True
        except Exception as error:
            explain(error, (), {})
            raise
        finally:
            self.__dict__["_building"] = False
            if pushed:
                calls.stack.pop()

    return wrapped
