"""Passes over recorded steps: which there are, and which are used."""

from __future__ import annotations

from collections.abc import Sequence

from weft import _C

_default: tuple[str, ...] | None = None


def passes() -> dict[str, str]:
    """The passes that rewrite recorded steps, in their order: what each one does, by its name.

    None of them changes a bit of a result; each leaves alone what it cannot prove to be safe.

    Example:
        >>> import weft
        >>> for name, does in weft.programs.passes().items():
        ...     print(f"{name}: {does}")  # doctest: +ELLIPSIS
        dead: launches whose results nobody reads are left out
        ...
    """
    return dict(_C.passes())


def check_passes(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """The names as a tuple.

    Raises:
        ValueError: If there is no such pass.
    """
    if names is None:
        return None
    known = passes()
    if isinstance(names, str):
        raise ValueError(f"passes must be a list of names such as [{names!r}], got {names!r}")
    for name in names:
        if name not in known:
            raise ValueError(f"there is no pass {name!r}; there are {', '.join(known)}")
    return tuple(names)


def default_passes() -> tuple[str, ...]:
    """Names of the passes that rewrite a step when nothing else is asked for."""
    return tuple(passes()) if _default is None else _default


def set_default_passes(names: Sequence[str] | None) -> None:
    """Use these passes for steps that are recorded from now on, those of models too.

    Args:
        names: Names of `passes`; an empty list for none, None for all.

    Raises:
        ValueError: If there is no such pass.

    Example:
        >>> import weft
        >>> weft.programs.set_default_passes([])  # look at launches as they were recorded
        >>> weft.programs.set_default_passes(None)
    """
    global _default
    _default = check_passes(names)
