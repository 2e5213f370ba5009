"""Ordinary slips in the arguments of operations: every one is named, none is passed over.

What each operation refuses beyond these is in its `OpCase` (tests/test_ops.py).
"""

import inspect

import numpy as np
import pytest

import weft
from weft.testing import check
from weft.testing.opcase import arrays_in, cases

# Words of Python and pybind11 that say nothing to somebody who calls an operation.
RAW = (
    "incompatible function arguments",
    "Invoked with",
    "_C.Tensor",
    "not supported between",
    "unsupported operand",
    "invalid literal",
    "could not convert",
    "cannot be interpreted",
    "has no attribute",
    "not iterable",
    "not subscriptable",
    "required positional",
)


def has_parameter(case, *names):
    return any(name in inspect.signature(case.op).parameters for name in names)


def arguments(case):
    """Those of the first sample whose tensors all have elements and axes, by name."""
    for call in case.all_samples():
        arrays = [a for v in (*call.args, *call.kwargs.values()) for a in arrays_in(v)]
        if all(a.size and a.ndim for a in arrays):
            args = check.to_tensors(call.args, case.dtypes[0], "contiguous")
            kwargs = check.to_tensors(tuple(call.kwargs.values()), case.dtypes[0], "contiguous")
            call = dict(zip(call.kwargs, kwargs, strict=True))
            return dict(inspect.signature(case.op).bind(*args, **call).arguments)
    raise AssertionError(f"{case} has no sample with elements")


def refusal(case, **wrong):
    bound = inspect.signature(case.op).bind_partial()
    bound.arguments.update(arguments(case) | wrong)
    with pytest.raises((TypeError, ValueError, IndexError)) as caught:
        case.op(*bound.args, **bound.kwargs)
    message = str(caught.value)
    assert not any(words in message for words in RAW), message
    return message


WITH_AXIS = [c for c in cases() if has_parameter(c, "axis", "axes", "dim")]


@pytest.mark.parametrize("axis", ["a", 1.5, {}])
@pytest.mark.parametrize("case", WITH_AXIS, ids=repr)
def test_an_axis_is_an_integer(case, axis):
    name = "axis" if has_parameter(case, "axis") else "axes"
    message = refusal(case, **{name: axis})
    assert "axis" in message or "axes" in message, message


WITH_SHAPE = [c for c in cases() if has_parameter(c, "shape", "newshape")]


@pytest.mark.parametrize("shape", [(2.0, 3), "ab", 1.5, (None, 2)])
@pytest.mark.parametrize("case", WITH_SHAPE, ids=repr)
def test_a_shape_holds_integers(case, shape):
    message = refusal(case, shape=shape)
    assert "shape" in message and case.name.split(".")[-1] in message, message


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda x: weft.sum(x, axis=1.0),
            "sum: axis must be an integer or several or None, got 1.0",
        ),
        (
            lambda x: weft.argmax(x, axis=(0, 1)),
            "argmax: axis must be an integer or None, got (0, 1)",
        ),
        (lambda x: weft.transpose(x, "ab"), "transpose: axis must be an integer or several, got"),
        (lambda x: weft.reshape(x, (2.0, 3)), "reshape: shape must hold integers, got (2.0, 3)"),
        (
            lambda x: weft.softmax(x, axis="a"),
            "softmax: axis must be an integer, got 'a' of type str",
        ),
        (
            lambda x: weft.concatenate([x, x], axis=1.5),
            "concatenate: axis must be an integer, got 1.5",
        ),
        (lambda x: weft.take(x, [0], axis="a"), "take: axis must be an integer, got 'a'"),
        (lambda x: weft.sort(x, axis="a"), "sort: axis must be an integer, got 'a'"),
        (lambda x: weft.topk(x, 2.5), "topk: k must be an integer, got 2.5 of type float"),
        (lambda x: weft.topk(x, 2, axis="a"), "topk: axis must be an integer, got 'a'"),
        (lambda x: weft.one_hot([0], 2.5), "one_hot: num_classes must be an integer, got 2.5"),
        (lambda x: weft.split(x, 1.5), "split: indices_or_sections must be an integer, got 1.5"),
        (lambda x: weft.split(x, [0.5]), "split: indices_or_sections must be an integer, got 0.5"),
        (lambda x: weft.tile(x, "a"), "tile: repeats must hold integers, got 'a'"),
        (lambda x: weft.repeat(x, 1.5), "repeat: repeats must hold integers, got 1.5"),
        (lambda x: weft.roll(x, 0.5), "roll: shift must hold integers, got 0.5"),
        (lambda x: weft.random.normal("a"), "normal: shape must hold integers, got 'a'"),
        (lambda x: weft.random.normal(2, "a"), "normal: mean must be a number, got 'a'"),
        (lambda x: weft.random.randint(2, 0, 2.5), "randint: maxval must be an integer, got 2.5"),
        (lambda x: weft.dropout(x, "a"), "dropout: rate must be a number, got 'a'"),
        (lambda x: weft.ops.round(x, 0.5), "round: decimals must be an integer, got 0.5"),
        (lambda x: weft.arange("a"), "arange: stop must be a finite number, got 'a'"),
        (lambda x: weft.linspace(0, "a"), "linspace: stop must be a number, got 'a'"),
        (lambda x: weft.tril(x, 1.5), "tril: k must be an integer, got 1.5 of type float"),
        (lambda x: weft.diag(x, "a"), "diag: k must be an integer, got 'a'"),
        (lambda x: weft.softmax(x, temperature="a"), "softmax: temperature must be a number, got"),
        (lambda x: weft.var(x, correction=[1]), "var: correction must be a number, got [1]"),
        (lambda x: weft.pad(x, 1, constant_values=[1]), "pad: constant_values must be a number"),
        (lambda x: weft.ops.elu(x, "a"), "elu: alpha must be a number, got 'a'"),
        (lambda x: weft.ops.leaky_relu(x, "a"), "leaky_relu: negative_slope must be a number"),
        (lambda x: weft.histogram(x, range=3), "histogram: range must be two numbers, got 3"),
        (lambda x: weft.concatenate(1.5), "concatenate: give a list of tensors, got 1.5"),
        (lambda x: weft.ops.setitem(None, 0, 1.0), "setitem: x must be a tensor"),
        (
            lambda x: x + "a",
            "add: a tensor holds numbers or booleans, not values of dtype str (such as 'a')",
        ),
        (lambda x: "a" * x, "multiply: a tensor holds numbers"),
        (lambda x: weft.maximum(x, None), "maximum: a tensor holds numbers or booleans"),
        (lambda x: weft.set_num_threads(2.5), "set_num_threads: n must be an integer, got 2.5"),
        (
            lambda x: weft.set_num_threads(10**12),
            "set_num_threads: n is out of range: 1000000000000",
        ),
    ],
)
def test_slips_are_named_with_operation_argument_and_value(call, words):
    with pytest.raises(TypeError) as caught:
        call(weft.ones((2, 3)))
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: weft.tensor([300], dtype="int8"),
            "300 does not fit int8, which holds integers from -128 to 127",
        ),
        (lambda: weft.tensor([-1], dtype="uint8"), "-1 does not fit uint8"),
        (lambda: weft.tensor(300, dtype="int8"), "300 does not fit int8"),
        (lambda: weft.tensor([[0, 1], [2, 70000]], dtype="uint16"), "70000 does not fit uint16"),
        (lambda: weft.tensor([float("nan")], dtype="int32"), "nan does not fit int32"),
        (lambda: weft.tensor([1e30], dtype="int64"), "1e.30 does not fit int64"),
        (lambda: weft.tensor(2**63, dtype="int64"), "9223372036854775808 does not fit int64"),
        (lambda: weft.tensor(2**64), "18446744073709551616 fits no integer dtype"),
        (lambda: weft.full(2, 300, dtype="int8"), "300"),
        (
            lambda: weft.arange(300, dtype="int8"),
            "arange: the numbers from 0 to 299 do not fit int8",
        ),
        (
            lambda: weft.arange(-1, 3, dtype="uint8"),
            "arange: the numbers from -1 to 2 do not fit uint8",
        ),
        (lambda: weft.arange(1e30), "arange: 1e.30 numbers are more than any memory holds"),
        (
            lambda: weft.ops.round([1], decimals=-(2**63)),
            "round: decimals must lie between -308 and 308",
        ),
        (
            lambda: weft.array_split([1, 2], 2**62),
            "split: the number of parts must be positive, and at most",
        ),
        (
            lambda: weft.random.categorical([[0.0, float("nan")]], 3),
            "categorical: the logits hold nan, .*0, 1",
        ),
        (
            lambda: weft.set_num_threads(10**9),
            "set_num_threads: n must be from 1 to 4096 threads, got 1000000000",
        ),
    ],
)
def test_values_that_do_not_fit_are_refused_instead_of_changed(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_values_that_fit_are_converted_as_before():
    assert weft.tensor([127, -128], dtype="int8").tolist() == [127, -128]
    assert weft.tensor([1.5, -1.5], dtype="int32").tolist() == [1, -1]
    assert weft.tensor(2**63).dtype == "uint64" and weft.tensor(2**63).item() == 2**63
    assert weft.tensor(2**70, dtype="float32").item() == 2.0**70
    assert weft.tensor(np.array([300]), dtype="int8").tolist() == [44]  # NumPy's astype
    assert weft.arange(256, dtype="uint8")[-1].item() == 255
    assert len(weft.array_split([1, 2], 5)) == 5


def test_a_gradient_has_the_shape_of_its_tensor():
    x = weft.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"\(2,\), got \(3,\)"):
        x.grad = weft.ones(3)
    with pytest.raises(TypeError, match="grad must be a tensor or None"):
        x.grad = 1.0
    x.grad = weft.ones(2)
    (x * 3.0).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]
    x.grad = None
    assert x.grad is None
