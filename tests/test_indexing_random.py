"""Indexing against NumPy: random shapes, layouts and keys, values and in-place rules."""

import numpy as np
import pytest

import weft
from weft import _C
from weft.testing.opcase import LAYOUTS

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

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
