"""Finding objects by name: `"adam"`, `"MeanSquaredError"`, a configuration, or the thing itself."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from weft.errors import did_you_mean

_counts: dict[str, Iterator[int]] = defaultdict(itertools.count)


def snake_case(name: str) -> str:
    """``"MeanSquaredError"`` -> ``"mean_squared_error"``, as Keras spells names."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(stem: str) -> str:
    """`stem`, then ``stem_1``, ``stem_2``, ... for later calls."""
    number = next(_counts[stem])
    return f"{stem}_{number}" if number else stem


def name_table(classes: Iterable[type], aliases: Mapping[str, Any]) -> dict[str, Any]:
    """Every name of the classes (as written, in snake case, in lower case), and the aliases."""
    table: dict[str, Any] = {}
    for item in classes:
        for name in (item.__name__, snake_case(item.__name__), item.__name__.lower()):
            table.setdefault(name, item)
    table.update(aliases)
    return table


def find(identifier: Any, table: Mapping[str, Any], what: str) -> Any:
    """What `identifier` stands for: an entry of `table`, a configuration's object, or itself.

    Raises:
        ValueError: If the name is unknown (with the nearest one), or it is no such thing at all.
    """
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        from weft.saving import deserialize

        return deserialize(identifier)
    if isinstance(identifier, str):
        found = table.get(identifier)
        if found is None:
            found = _registered(identifier)
        if found is None:
            hint = did_you_mean(identifier, table)
            raise ValueError(f"unknown {what} {identifier!r}{hint}")
        return found() if isinstance(found, type) else found
    if callable(identifier):
        return identifier() if isinstance(identifier, type) else identifier
    raise ValueError(
        f"a {what} is a name, an object or a function, not {identifier!r} of type "
        f"{type(identifier).__name__}"
    )


def _registered(name: str) -> Any:
    from weft.saving.registry import get_registered_object

    return get_registered_object(name)
