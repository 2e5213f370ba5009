"""What happens around a layer's `build`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from weft.device import current_device, device
from weft.layers.calls import calls, explain

if TYPE_CHECKING:
    from weft.layers.layer import Layer


def building(build: Callable[..., None]) -> Callable[..., None]:
    """`build` that names its weights after the layer, on the cpu, and marks the layer built."""

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
                with device("cpu"):
                    build(self, *args, **kwargs)
            self.built = True
        except Exception as error:
            explain(error, (), {})
            raise
        finally:
            self.__dict__["_building"] = False
            if pushed:
                calls.stack.pop()

    return wrapped
