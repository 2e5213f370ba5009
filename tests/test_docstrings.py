"""Whatever weft offers says what it does and shows it; the examples themselves run in CI.

Operations say the rest, too: their arguments, shapes, results, errors and whom they follow.
"""

import importlib
import inspect
import re

import pytest

import weft
from weft.testing import check
from weft.testing.opcase import arrays_in, cases

MODULES = [
    "weft", "weft.activations", "weft.autograd", "weft.callbacks", "weft.config",
    "weft.constraints", "weft.data", "weft.datasets.digits", "weft.datasets.fashion_mnist",
    "weft.datasets.mnist", "weft.dtype_policies", "weft.initializers", "weft.layers",
    "weft.losses", "weft.metrics", "weft.models", "weft.ops", "weft.optimizers",
    "weft.optimizers.schedules", "weft.random", "weft.regularizers", "weft.saving",
    "weft.testing", "weft.utils", "weft.viz",
]  # fmt: skip

# What modules without __all__ import from here is not theirs to offer.
PRIVATE = ("weft.errors", "weft.datasets.idx")
# Parts of the machinery that are visible for those who extend it; an example would be a program.
WITHOUT_EXAMPLE = {"weft.autograd": {"Node", "note_in_place"}}
# Their files are fetched from other sites, so an example would need a network.
FETCHED = ("weft.datasets.fashion_mnist", "weft.datasets.mnist")


def public(module: str) -> dict[str, object]:
    """The functions and classes of weft that `module` offers."""
    namespace = vars(importlib.import_module(module))
    names = namespace.get("__all__") or [n for n in namespace if not n.startswith("_")]
    return {
        name: namespace[name]
        for name in names
        if (inspect.isfunction(namespace[name]) or inspect.isclass(namespace[name]))
        and namespace[name].__module__.startswith("weft.")
        and namespace[name].__module__ not in PRIVATE
    }


@pytest.mark.parametrize("module", MODULES)
def test_public_names_have_a_docstring(module: str) -> None:
    offered = public(module)
    assert offered
    # A class's own: not the one that inspect.getdoc would find on its base.
    assert [name for name, value in offered.items() if not value.__doc__] == []


@pytest.mark.parametrize("module", [m for m in MODULES if m not in FETCHED])
def test_public_names_have_an_example(module: str) -> None:
    exempt = WITHOUT_EXAMPLE.get(module, set())
    lacking = {name for name, value in public(module).items() if ">>>" not in value.__doc__}
    assert lacking == exempt


def test_methods_of_tensors_have_a_docstring() -> None:
    methods = {n: m for n, m in vars(weft.Tensor).items() if inspect.isfunction(m)}
    assert [n for n, m in methods.items() if not n.startswith("_") and not m.__doc__] == []


SECTION = re.compile(r"^(Args|Shapes|Returns|Raises|Example):\n((?:    .*\n|\n)+)", re.MULTILINE)
# Sizes of axes, as (N, C) or (...), or the words for it.
SHAPE = re.compile(r"\((?:\.\.\.|[A-Za-z0-9_]+,)[^()]*\)|\bshapes?\b|\baxis\b|\baxes\b")
SOURCE = re.compile(r"^(?:Source: |Follows )\S", re.MULTILINE)
OPERATIONS = public("weft.ops")


def sections(value: object) -> dict[str, str]:
    return dict(SECTION.findall(inspect.cleandoc(value.__doc__) + "\n"))


def errors_named(value: object) -> set[str]:
    """The exceptions that the docstring names: one at the beginning of each entry."""
    return set(re.findall(r"^    (\w+): \S", sections(value).get("Raises", ""), re.MULTILINE))


def lacks(operation: object) -> list[str]:
    """What the docstring of an operation leaves out."""
    found = sections(operation)
    lacking = [name for name in ("Args", "Returns", "Raises", "Example") if name not in found]
    described = re.findall(r"^    (\w+): \S", found.get("Args", ""), re.MULTILINE)
    if described != list(inspect.signature(operation).parameters):
        lacking.append("an entry for each argument, in their order")
    if not SHAPE.search(found.get("Args", "") + found.get("Returns", "")):
        lacking.append("shapes")
    if not errors_named(operation) <= {
        "IndexError",
        "NotImplementedError",
        "RuntimeError",
        "TypeError",
        "ValueError",
    }:
        lacking.append("the classes of the exceptions")
    if not SOURCE.search(inspect.cleandoc(operation.__doc__)):
        lacking.append("its source")
    return lacking


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_docstrings_of_operations_are_complete(name: str) -> None:
    assert lacks(OPERATIONS[name]) == []


# The Keras-like layer: what it offers by modules.
COMPLETE = [
    "weft.activations", "weft.callbacks", "weft.constraints", "weft.datasets.digits",
    "weft.datasets.fashion_mnist", "weft.datasets.mnist", "weft.initializers", "weft.layers",
    "weft.losses", "weft.metrics", "weft.optimizers", "weft.optimizers.schedules", "weft.random",
    "weft.regularizers",
]  # fmt: skip
# Classes that raise nothing of their own.
RAISE_NOTHING = {
    "weft.callbacks.Callback", "weft.callbacks.History", "weft.callbacks.ProgbarLogger",
    "weft.optimizers.Minimum",
}  # fmt: skip


@pytest.mark.parametrize("module", COMPLETE)
def test_docstrings_say_what_is_raised_and_whom_they_follow(module: str) -> None:
    for name, value in public(module).items():
        assert SOURCE.search(inspect.cleandoc(value.__doc__)), name
        assert bool(errors_named(value)) is (f"{module}.{name}" not in RAISE_NOTHING), name
        if inspect.isfunction(value):
            described = re.findall(r"^    (\w+): \S", sections(value).get("Args", ""), re.MULTILINE)
            assert described == list(inspect.signature(value).parameters), name
            assert "Returns" in sections(value), name


def test_an_incomplete_docstring_is_found() -> None:
    def silent(x):
        """Does something."""

    def vague(x, axis):
        """Does something.

        Args:
            x: A tensor.

        Raises:
            If it goes wrong.
        """

    assert "Args" in lacks(silent) and "its source" in lacks(silent)
    assert {"Returns", "an entry for each argument, in their order", "shapes"} <= set(lacks(vague))


def wrong_calls(case):
    """Positional and keyword arguments of calls that are refused: those of the case, then slips."""
    for bad in case.bad:
        values = check.to_tensors(tuple(bad.sample.kwargs.values()), "float32", "contiguous")
        yield (
            check.to_tensors(bad.sample.args, "float32", "contiguous"),
            dict(zip(bad.sample.kwargs, values, strict=True)),
        )
    for call in case.all_samples():
        arrays = [a for v in (*call.args, *call.kwargs.values()) for a in arrays_in(v)]
        if not all(a.size and a.ndim for a in arrays):
            continue
        args = check.to_tensors(call.args, case.dtypes[0], "contiguous")
        values = check.to_tensors(tuple(call.kwargs.values()), case.dtypes[0], "contiguous")
        given = inspect.signature(case.op).bind(
            *args, **dict(zip(call.kwargs, values, strict=True))
        )
        slips = [("axis", "a"), ("axis", 99), ("axes", "a"), ("axes", (99, 98)), ("shape", "a")]
        slips += [(next(iter(given.signature.parameters)), "a")]
        for name, value in slips:
            if name in given.signature.parameters:
                wrong = inspect.signature(case.op).bind_partial()
                wrong.arguments.update(given.arguments | {name: value})
                yield wrong.args, wrong.kwargs
        return


@pytest.mark.parametrize("case", [c for c in cases() if c.op in OPERATIONS.values()], ids=repr)
def test_docstrings_name_the_exceptions_that_are_raised(case) -> None:
    for args, kwargs in wrong_calls(case):
        try:
            case.op(*args, **kwargs)
        except (IndexError, TypeError, ValueError) as error:
            assert type(error).__name__ in errors_named(case.op), f"{error!r} of {args}, {kwargs}"
