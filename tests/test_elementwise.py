"""Elementwise operations beyond their OpCases: promotion with numbers, in-place writing, edges."""

import numpy as np
import pytest

import weft
from weft import _C


def array(values, dtype="float32"):
    return _C.from_numpy(np.array(values, dtype))


@pytest.mark.parametrize(
    "dtype, number, result",
    [
        ("int8", 1, "int8"),
        ("int8", 2.5, "float32"),
        ("int64", 2.5, "float32"),
        ("float32", 2.5, "float32"),
        ("float64", 2, "float64"),
        ("float16", 2.5, "float16"),
        ("bool", True, "bool"),
        ("bool", 1, "int64"),
        ("bool", 1.5, "float32"),
        ("uint8", True, "uint8"),
    ],
)
def test_a_python_number_never_widens_a_tensor(dtype, number, result):
    x = weft.tensor(np.ones(3), dtype=dtype)
    assert weft.ops.add(x, number).dtype == result
    assert weft.ops.add(number, x).dtype == result


def test_numbers_that_do_not_fit_are_refused_but_compared():
    x = array([1, 2], "uint8")
    with pytest.raises(ValueError, match="300 does not fit dtype uint8"):
        _C.add(x, 300)
    assert _C.less(x, 300).numpy().all()
    assert not _C.equal(x, -1).numpy().any()


def test_integer_division_never_crashes():
    for dtype in ("int8", "int16", "int32", "int64"):
        low = np.iinfo(dtype).min
        x, y = array([low, 5, low], dtype), array([-1, 0, 0], dtype)
        assert _C.floor_divide(x, y).numpy().tolist() == [low, 0, 0]
        assert _C.remainder(x, y).numpy().tolist() == [0, 0, 0]
        assert _C.fmod(x, y).numpy().tolist() == [0, 0, 0]
        assert _C.absolute(x).numpy()[0] == low


def test_writing_into_an_operand_counts_as_a_change():
    x = array([1.0, 2.0, 3.0])
    before = x.version
    assert _C.multiply(x, 2.0, out=x) is x
    assert x.version == before + 1
    assert x.numpy().tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize("shift", [1, -1])
def test_overlapping_views_are_read_before_they_are_written(shift):
    x = array(range(2000))
    a, b = (_C.as_strided(x, (1999,), (1,), o) for o in (0, 1))
    source, target = (a, b) if shift == 1 else (b, a)
    wanted = source.numpy() + target.numpy()
    _C.add(source, target, out=target)
    np.testing.assert_array_equal(target.numpy(), wanted)


@pytest.mark.parametrize(
    "out, error, message",
    [
        (np.zeros(3, "int32"), TypeError, "float32.*in place.*int32"),
        (np.zeros((2, 3), "float32"), ValueError, r"\(3,\).*\(2, 3\)"),
    ],
)
def test_results_that_do_not_fit_in_place_are_refused(out, error, message):
    with pytest.raises(error, match=message):
        _C.add(array([1, 2, 3]), 1.0, out=_C.from_numpy(out))


def test_broadcast_views_and_read_only_memory_are_not_written():
    cell = _C.broadcast_to(array([1.0]), (3,))
    with pytest.raises(ValueError, match="share one memory cell"):
        _C.add(array([1, 2, 3]), 1.0, out=cell)
    frozen = np.ones(3, "float32")
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        _C.add(array([1, 2, 3]), 1.0, out=_C.from_numpy(frozen))


def test_wrong_calls_of_the_compiled_functions_explain_themselves():
    with pytest.raises(TypeError, match="add: takes 2 arguments, got 1"):
        _C.add(array([1]))
    with pytest.raises(TypeError, match="at least one argument must be a tensor"):
        _C.power(2.0, 3.0)
    with pytest.raises(TypeError, match="a tensor or a number, got str"):
        _C.add(array([1]), "a")
    with pytest.raises(TypeError, match="only keyword argument is out"):
        _C.add(array([1]), 1, axis=0)
    with pytest.raises(ValueError, match="64 bits"):
        _C.add(array([1]), 2**70)


def test_step_says_why_it_cannot_be_trained():
    x = weft.tensor([1.0, -1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"step.*gradient"):
        weft.ops.step(x).backward(weft.tensor([1.0, 1.0]))


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 63, 64, 65, 511, 512, 513, 1025])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int8", "bool"])
def test_nothing_beside_the_output_is_written(size, dtype, isa):
    memory = weft.zeros((size + 64,), dtype=dtype)._data
    view = _C.as_strided(memory, (size,), (1,), 32)
    source = weft.ones((size,), dtype=dtype)._data
    _C.maximum(view, source, out=view)
    values = weft.Tensor(memory).astype("float32").numpy()
    assert (values[32 : 32 + size] == 1).all()
    assert not values[:32].any()
    assert not values[32 + size :].any()
