"""Whatever weft offers says what it does and shows it; the examples themselves run in CI."""

import importlib
import inspect

import pytest

import weft

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
