"""Indexing against NumPy: random shapes, layouts and keys, values and in-place rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
from weft import _C
from weft.testing.opcase import LAYOUTS

SETTINGS = settings(max_examples=300, deadline=None)


@st.composite
def arrays(draw):
    shape = draw(st.lists(st.integers(0, 5), min_size=0, max_size=4))
    values = np.arange(int(np.prod(shape)), dtype=draw(st.sampled_from(["f4", "f8", "i2", "u1"])))
    layout = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))]
    return np.asarray(layout(values.reshape(shape)))


def slices(size):
    bound = st.one_of(st.none(), st.integers(-size - 2, size + 2))
    return st.builds(slice, bound, bound, st.sampled_from([None, 1, 2, 3, -1, -2]))


def integers(size):
    return st.integers(-size, size - 1) if size else st.nothing()


def index_arrays(size, shape):
    values = st.integers(-size, size - 1) if size else st.nothing()
    count = int(np.prod(shape))
    return st.lists(values, min_size=count, max_size=count).map(
        lambda v: np.array(v, "int64").reshape(shape)
    )


@st.composite
def keys(draw, shape, basic=False):
    """A key that fits `shape`: NumPy may still refuse what is drawn (shapes of index arrays)."""
    # Index arrays of one key must broadcast: each takes this shape with some sizes made 1.
    common = draw(st.lists(st.integers(0, 3), min_size=0, max_size=2))
    items, axis = [], 0
    while axis < len(shape) and draw(st.integers(0, 9)) > 0:
        size = shape[axis]
        kinds = ["slice", "integer", "none"] + ([] if basic else ["array", "mask"])
        kind = draw(st.sampled_from(kinds))
        if kind == "slice" or (kind == "integer" and size == 0):
            items.append(draw(slices(size)))
            axis += 1
        elif kind == "integer":
            items.append(draw(integers(size)))
            axis += 1
        elif kind == "none":
            items.append(None)
        elif kind == "array":
            own = [n if draw(st.booleans()) else min(n, 1) for n in common]
            if size == 0 and np.prod(own) > 0:
                own = [0]
            items.append(draw(index_arrays(size, own)))
            axis += 1
        else:
            depth = draw(st.integers(1, min(2, len(shape) - axis)))
            count = int(np.prod(shape[axis : axis + depth]))
            flags = draw(st.lists(st.booleans(), min_size=count, max_size=count))
            items.append(np.array(flags, bool).reshape(shape[axis : axis + depth]))
            axis += depth
    if draw(st.booleans()):
        # The axes after the ellipsis are indexed from the end.
        items.append(...)
        if axis < len(shape) and draw(st.booleans()):
            items.append(draw(slices(shape[-1])))
    return tuple(items) if len(items) != 1 or draw(st.booleans()) else items[0]


def as_weft_key(key, wrap):
    """The key with its arrays as they are, or as tensors."""
    if isinstance(key, tuple):
        return tuple(as_weft_key(k, wrap) for k in key)
    return weft.tensor(key) if wrap and isinstance(key, np.ndarray) else key


def numpy_refuses(function):
    try:
        function()
    except (IndexError, ValueError):
        return True
    return False


@SETTINGS
@given(st.data())
def test_getitem_equals_numpy(data):
    x = data.draw(arrays())
    key = data.draw(keys(x.shape))
    ours = as_weft_key(key, data.draw(st.booleans()))
    t = weft.asarray(x)
    if numpy_refuses(lambda: x[key]):
        with pytest.raises(IndexError):
            t[ours]
        return
    expected = x[key]
    assert t[ours].shape == np.shape(expected)
    np.testing.assert_array_equal(t[ours].numpy(), expected)


@SETTINGS
@given(st.data())
def test_setitem_equals_numpy(data):
    x = data.draw(arrays())
    key = data.draw(keys(x.shape))
    ours = as_weft_key(key, data.draw(st.booleans()))
    if numpy_refuses(lambda: x[key]):
        return
    shape = np.shape(x[key])
    shape = tuple(1 if data.draw(st.booleans()) else n for n in shape)
    value = (np.arange(int(np.prod(shape))) + 100).reshape(shape).astype("float32")
    expected, t = x.copy(), weft.tensor(x)
    expected[key] = value
    t[ours] = value
    np.testing.assert_array_equal(t.numpy(), expected)


@SETTINGS
@given(st.data())
def test_additem_equals_numpy_add_at(data):
    x = data.draw(arrays()).astype("f8")
    key = data.draw(keys(x.shape))
    if numpy_refuses(lambda: x[key]):
        return
    value = np.random.default_rng(0).integers(1, 9, np.shape(x[key])).astype("f8")
    expected, t = x.copy(), weft.tensor(x)
    np.add.at(expected, key, value)
    _C.additem(t._data, key, weft.tensor(value)._data)
    np.testing.assert_array_equal(t.numpy(), expected)


@SETTINGS
@given(st.data())
def test_basic_keys_give_views(data):
    x = data.draw(arrays())
    key = data.draw(keys(x.shape, basic=True))
    t = weft.tensor(x)
    if numpy_refuses(lambda: x[key]):
        return
    view = t[key]
    assert view.shares_memory(t)
    view[...] = 77
    expected = x.copy()
    expected[key] = 77
    np.testing.assert_array_equal(t.numpy(), expected)


@SETTINGS
@given(st.data())
def test_indices_outside_are_refused(data):
    """One index of a good key is replaced by one that leaves its axis: never a wrong answer."""
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    axis = data.draw(st.integers(0, len(shape) - 1))
    outside = data.draw(st.sampled_from([shape[axis], -shape[axis] - 1, 2**40, -(2**62)]))
    good = data.draw(st.integers(0, shape[axis] - 1))
    for bad in (outside, np.array([good, outside]), [[good], [outside]]):
        key = (slice(None),) * axis + (bad,)
        t = weft.zeros(shape)
        message = rf"index {outside} .* axis {axis} with size {shape[axis]}"
        with pytest.raises(IndexError, match=message):
            t[key]
        with pytest.raises(IndexError, match=message):
            t[key] = 1.0
        assert not t.numpy().any()


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
