"""Indexing: what random keys (test_indexing_random.py) do not reach."""

import numpy as np
import pytest

import weft


def test_every_dtype_of_index(isa):
    x = weft.tensor([10.0, 20.0, 30.0])
    for dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
        assert x[weft.tensor([2, 0], dtype)].tolist() == [30.0, 10.0]
        assert x[weft.tensor(2, dtype)].item() == 30.0


def test_numpy_scalars_and_booleans():
    x = weft.arange(6).reshape(2, 3)
    assert x[np.int64(1)].tolist() == [3, 4, 5]
    assert x[True].shape == (1, 2, 3) and x[False].shape == (0, 2, 3)
    assert x[weft.tensor(1), weft.tensor(2)].item() == 5
    assert x[[]].shape == (0, 3)


def test_overlapping_assignment_reads_before_it_writes():
    x = weft.arange(6)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3, 4]
    x[[0, 1, 2]] = x[[2, 1, 0]]
    assert x.tolist() == [1, 0, 0, 2, 3, 4]
    y = weft.arange(3)
    y[[2, 1, 0]] = y
    assert y.tolist() == [2, 1, 0]


def test_the_last_of_equal_indices_stays_for_any_number_of_threads():
    indices = np.random.default_rng(0).integers(0, 50, 20000)
    values = np.random.default_rng(1).normal(size=(20000, 8))
    expected, summed = np.zeros((50, 8)), np.zeros((50, 8))
    expected[indices] = values
    np.add.at(summed, indices, values)
    before = weft.num_threads()
    try:
        for threads in (1, 3):
            weft.set_num_threads(threads)
            x = weft.zeros((50, 8), "float64")
            x[indices] = values
            np.testing.assert_array_equal(x.numpy(), expected)
            total = weft.index_add(weft.zeros((50, 8), "float64"), indices, values)
            np.testing.assert_array_equal(total.numpy(), summed)
    finally:
        weft.set_num_threads(before)


def test_read_only_memory_is_not_written():
    a = np.zeros(3)
    a.flags.writeable = False
    for key in (0, [0, 1], slice(None)):
        with pytest.raises(ValueError, match="read-only"):
            weft.asarray(a)[key] = 1.0


def test_numbers_that_do_not_fit_are_refused():
    x = weft.zeros(3, "uint8")
    with pytest.raises(ValueError, match="300"):
        x[0] = 300
    with pytest.raises(TypeError, match=r"2\.5"):
        x[0] = 2.5


def test_setitem_in_a_graph():
    x = weft.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y[1] = x[0] * x[2]
    (y * weft.tensor([1.0, 10.0, 100.0])).sum().backward()
    # y = (2 x0, x0 x2, 2 x2)
    assert x.grad.tolist() == [2.0 + 30.0, 0.0, 10.0 + 200.0]


def test_setitem_gives_history_to_a_buffer():
    x = weft.tensor([1.0, 2.0], requires_grad=True)
    buffer = weft.zeros(4)
    for i in range(2):
        buffer[2 * i] = x[i] * (i + 1)
    buffer.sum().backward()
    assert x.grad.tolist() == [1.0, 2.0]


def test_setitem_is_refused_where_gradients_would_be_wrong():
    x = weft.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x[0] = 1.0
    with pytest.raises(RuntimeError, match="view"):
        (x * 2)[:1][0] = 1.0
    with pytest.raises(TypeError, match="int64"):
        weft.zeros(2, "int64")[0] = x[0]
    with weft.no_grad():
        x[0] = 5.0
    assert x.tolist() == [5.0, 2.0]


def test_setitem_on_a_saved_tensor_is_noticed():
    x = weft.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1.0
    z = y * y
    y[0] = 7.0
    with pytest.raises(RuntimeError, match=r"in-place.*setitem at .*test_indexing\.py"):
        z.sum().backward()


def test_an_index_tensor_changed_afterwards_is_noticed():
    x = weft.tensor([1.0, 2.0], requires_grad=True)
    index = weft.tensor([0, 1])
    y = x[index]
    index[0] = 1
    with pytest.raises(RuntimeError, match="index tensor was changed"):
        y.sum().backward()


def test_keys_on_the_meta_device():
    with weft.device("meta"):
        x = weft.zeros((4, 3))
        assert x[1:, 0].shape == (3,) and x[1:, 0].device == "meta"
        assert x[[0, 1, 1]].shape == (3, 3)
        with pytest.raises(IndexError, match="index 4"):
            x[4]
        with pytest.raises(TypeError, match="meta"):
            x[x > 0]
