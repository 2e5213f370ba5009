"""Indexing on a GPU where it differs from the CPU's: many duplicates, masks of many tiles."""

import numpy as np
import pytest

import weft

# One block compares all pairs up to 512; above that a hash table and a radix sort take over, with
# one pass for each 8 bits of the count; 2048 indices are a tile of the sort.
COUNTS = [1, 2, 31, 33, 512, 513, 2048, 2049, 5000]


def indices(count, kinds, seed):
    """Random ones; half of them the same one, so that its run passes over many others."""
    generator = np.random.default_rng(seed)
    index = generator.integers(0, kinds, count)
    index[generator.random(count) < 0.5] = kinds // 2
    return index


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kinds", [1, 7, 1000])
def test_sums_at_equal_indices(count, kinds, gpu):
    index = indices(count, kinds, count)
    values = np.random.default_rng(1).integers(-50, 50, (count, 3)).astype("float32")
    x = weft.zeros((kinds, 3))
    weft._C.additem(x._data, index, weft.tensor(values)._data)
    expected = np.zeros((kinds, 3), "float32")
    np.add.at(expected, index, values)  # whole numbers: sums are exact in every order
    np.testing.assert_array_equal(x.numpy(), expected)


def test_sums_have_the_same_bits_at_every_run(gpu):
    index = indices(3000, 50, 0)
    values = weft.tensor(np.random.default_rng(2).normal(size=(3000, 2)).astype("float32"))
    results = []
    for _ in range(5):
        x = weft.zeros((50, 2))
        weft._C.additem(x._data, index, values._data)
        results.append(x.numpy())
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kinds", [1, 7, 1000])
def test_the_last_value_stays(count, kinds, gpu):
    index = indices(count, kinds, count)
    x, expected = weft.zeros((kinds, 2), dtype="int32"), np.zeros((kinds, 2), "int32")
    values = np.arange(2 * count, dtype="int32").reshape(count, 2)
    x[index], expected[index] = values, values
    np.testing.assert_array_equal(x.numpy(), expected)


@pytest.mark.parametrize("n", [4095, 4097, 20_001])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_masks_of_many_tiles(n, share, gpu):
    mask = np.random.default_rng(n).random((n + 1, 1)) < share
    mask = mask.reshape(-1)[1:]
    found = weft.ops.nonzero(weft.tensor(mask))
    np.testing.assert_array_equal(np.asarray(found[0].numpy()), np.nonzero(mask)[0])
    rows = mask[: n // 5 * 5].reshape(-1, 5)
    for mine, other in zip(weft.ops.nonzero(weft.tensor(rows)), np.nonzero(rows), strict=True):
        np.testing.assert_array_equal(mine.numpy(), other)


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "float64"])
def test_rows_of_16_bytes_and_others(dtype, gpu):
    data = np.arange(40 * 17).reshape(40, 17).astype(dtype)
    index = np.random.default_rng(0).integers(-40, 40, 90)
    for rows in (data[:, :16], data, data[:, 1:]):
        x = np.ascontiguousarray(rows)
        np.testing.assert_array_equal(weft.tensor(x)[index].numpy(), x[index])
    np.testing.assert_array_equal(weft.tensor(data)[:, 1:][index].numpy(), data[:, 1:][index])


def test_an_index_out_of_range_names_the_axis_and_touches_nothing_outside(gpu):
    x = weft.zeros((3, 4))
    with pytest.raises(IndexError, match=r"index 9 .* axis 1 with size 4"):
        x[:, [1, 9]].numpy()
    with pytest.raises(IndexError, match="size 0"):
        weft.zeros((0, 4))[[0]]
    np.testing.assert_array_equal(x.numpy(), np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("index", "good"),
    [([1, 9], (1,)), ([-7, 2], (2,)), (([0, 2], [1, -9]), (0, 1))],
    ids=str,
)
def test_writes_with_an_index_out_of_range_are_left_out(index, good, gpu):
    """The error comes later, and until then the tensor must not be damaged."""
    x = weft.zeros((3, 4))
    x[index] = -1.0
    with pytest.raises(IndexError, match="out of range"):
        x.numpy()
    expected = np.zeros((3, 4))
    expected[good] = -1.0
    np.testing.assert_array_equal(x.numpy(), expected)


def test_sums_with_an_index_out_of_range_are_left_out(gpu):
    x = weft.index_add(weft.zeros((3, 4)), [1, 9, 1], np.ones((3, 4), "float32"))
    with pytest.raises(IndexError, match=r"index 9 .* size 3"):
        x.numpy()
    np.testing.assert_array_equal(x.numpy(), [[0.0] * 4, [2.0] * 4, [0.0] * 4])
