"""Every differentiable OpCase: first and second derivatives against finite differences."""

import itertools

import pytest

import weft
from weft.autograd import gradcheck, gradgradcheck
from weft.testing import check
from weft.testing.opcase import arrays_in, cases, map_arrays

# Finite differences cost two calls per element; larger samples add time, not insight.
MAX_ELEMENTS = 200


def small_samples(case):
    for call in case.all_samples():
        arrays = [a for v in itertools.chain(call.args, call.kwargs.values()) for a in arrays_in(v)]
        floats = [a for a in arrays if a.dtype.kind == "f"]
        if floats and 0 < sum(a.size for a in floats) <= MAX_ELEMENTS:
            yield call


def as_function(case, call, only_float64=True):
    """The call as a function of its float arrays alone, and these arrays."""
    structure = (call.args, tuple(call.kwargs.values()))
    floats = [a for a in arrays_in(structure) if a.dtype.kind == "f"]

    def function(*leaves):
        rest = iter(leaves)
        args, values = map_arrays(lambda a: next(rest) if a.dtype.kind == "f" else a, structure)
        result = check.as_list(case.op(*args, **dict(zip(call.kwargs, values, strict=True))))
        return tuple(r for r in result if r.dtype == "float64" or not only_float64)

    return function, [a.astype("float64") for a in floats]


DIFFERENTIABLE = [c for c in cases() if c.differentiable]


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=repr)
def test_gradients_equal_finite_differences(case):
    checked = 0
    for call in small_samples(case):
        function, arrays = as_function(case, call)
        if function(*map(weft.tensor, arrays)):
            assert gradcheck(function, arrays), call
            checked += 1
    assert checked, "no sample is small enough for finite differences"


@pytest.mark.parametrize("case", [c for c in DIFFERENTIABLE if c.second_derivative], ids=repr)
def test_gradients_of_gradients_equal_finite_differences(case):
    for call in small_samples(case):
        function, arrays = as_function(case, call)
        if sum(a.size for a in arrays) <= MAX_ELEMENTS // 4 and function(*map(weft.tensor, arrays)):
            assert gradgradcheck(function, arrays), call


@pytest.mark.parametrize("case", [c for c in cases() if not c.differentiable], ids=repr)
def test_operations_without_gradient_say_why(case):
    call = next(small_samples(case), None)
    if call is None:
        pytest.skip("takes no floating-point tensor")
    function, arrays = as_function(case, call, only_float64=False)
    for result in function(*(weft.tensor(a, requires_grad=True) for a in arrays)):
        assert not result.requires_grad
        assert result._severed is not None, f"{case.name} does not declare not_differentiable"
        with pytest.raises(RuntimeError, match="no gradient"):
            result.backward()
