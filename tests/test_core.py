"""The tensor core: dtypes, views, memory, threads, and the ways to and from other libraries."""

import copy
import gc
import itertools
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import weft
from weft import _C
from weft.dtypes import ALL

NUMPY_DTYPES = [str(d) for d in ALL if d != "bfloat16"]


# --- dtypes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("a, b", [*itertools.combinations_with_replacement(NUMPY_DTYPES, 2)])
def test_promotion_is_numpys(a, b):
    assert weft.result_type(a, b) == np.result_type(a, b).name
    assert weft.result_type(b, a) == np.result_type(a, b).name


def test_bfloat16_promotes_like_a_float_of_its_own():
    assert weft.result_type("bfloat16", "float16") == "float32"
    assert weft.result_type("bfloat16", "float32") == "float32"
    assert weft.result_type("bfloat16", "bool") == "bfloat16"


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_every_half_survives_the_way_to_float32_and_back(half):
    bits = np.arange(2**16, dtype="uint16")
    if half == "float16":
        values = bits.view("float16")
        wide = weft.asarray(values).astype("float32")
        np.testing.assert_array_equal(wide.numpy(), values.astype("float32"))
        np.testing.assert_array_equal(wide.astype("float16").numpy(), values)
    else:
        values = (bits.astype("uint32") << 16).view("float32")
        np.testing.assert_array_equal(weft.asarray(values).astype(half).numpy(), values)


def test_float32_rounds_to_the_nearest_half_ties_to_even():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**32, 200_000, dtype="uint64").astype("uint32").view("float32")
    with np.errstate(over="ignore", invalid="ignore"):
        expected = values.astype("float16")
    np.testing.assert_array_equal(weft.asarray(values).astype("float16").numpy(), expected)


def test_unknown_dtype_is_answered_with_the_nearest():
    with pytest.raises(TypeError, match=r"float33.*float32"):
        _C.empty((1,), "float33")


# --- views ---------------------------------------------------------------------------------------


def test_reshape_of_a_strided_view_is_a_view_when_the_strides_allow_it():
    x = weft.asarray(np.arange(24.0).reshape(4, 6))
    split = x.reshape(4, 2, 3)
    assert split.shares_memory(x) and split.strides == (6, 3, 1)
    columns = weft.asarray(np.arange(24.0).reshape(4, 6)[:, ::2])
    assert columns.reshape(2, 2, 3).shares_memory(columns)
    assert not columns.T.reshape(12).shares_memory(columns)


@pytest.mark.parametrize("shape, permutation, new_shape", [
    ((2, 3, 4), (2, 0, 1), (4, 6)), ((2, 3, 4), (1, 0, 2), (3, 8)), ((5, 1, 2), (2, 1, 0), (10,)),
    ((1, 4, 1), (2, 1, 0), (2, 2)), ((2, 0, 3), (1, 2, 0), (0, 7)), ((), (), (1, 1)),
])  # fmt: skip
def test_reshape_of_transposed_tensors_equals_numpy(shape, permutation, new_shape):
    x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    expected = x.transpose(permutation).reshape(new_shape)
    actual = weft.tensor(x).transpose(permutation).reshape(new_shape)
    np.testing.assert_array_equal(actual.numpy(), expected)


def test_as_strided_stays_inside_the_storage():
    x = weft.tensor(np.arange(6.0))._data
    window = _C.as_strided(x, (5, 2), (1, 1), 0)
    np.testing.assert_array_equal(window.numpy()[:, 1], np.arange(1.0, 6.0))
    with pytest.raises(ValueError, match="leaves the storage of 6"):
        _C.as_strided(x, (6, 2), (1, 1), 0)
    with pytest.raises(ValueError, match="leaves the storage"):
        _C.as_strided(x, (2,), (-1,), 0)


def test_writing_through_read_only_memory_is_refused():
    array = np.zeros(3, "float32")
    array.flags.writeable = False
    tensor = weft.asarray(array)
    with pytest.raises(ValueError, match="read-only"):
        tensor += 1.0
    assert array.tolist() == [0.0, 0.0, 0.0]


# --- NumPy, buffers, DLPack, pickle --------------------------------------------------------------


def test_numpy_arrays_are_shared_in_both_directions():
    array = np.zeros((3, 4), "float32")
    view = weft.asarray(array[::2, 1:])
    view += 1.0
    assert array.sum() == 6
    back = view.numpy()
    back[0, 0] = 9
    assert float(view[0, 0]) == 9 and array[0, 1] == 9


def test_memory_outlives_the_tensor_it_came_from():
    array = weft.tensor(np.arange(1000.0)).numpy()
    gc.collect()
    weft.tensor(np.zeros(1000))
    assert array[999] == 999


@pytest.mark.parametrize("array", [
    np.arange(6, dtype=">f4"), np.arange(6, dtype=">i8"),
    np.frombuffer(b"\x00" * 1 + np.arange(4, dtype="f4").tobytes(), dtype="f4", offset=1),
    np.zeros(4, dtype=[("pad", "u1"), ("value", "f8")])["value"],
], ids=["big endian", "big endian integers", "misaligned", "packed structure"])  # fmt: skip
def test_arrays_that_cannot_be_shared_are_copied(array):
    np.testing.assert_array_equal(weft.asarray(array).numpy(), array)


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_buffer_protocol(dtype):
    tensor = weft.tensor(np.arange(6).reshape(2, 3).astype(dtype))
    view = memoryview(tensor)
    assert view.shape == (2, 3)
    np.testing.assert_array_equal(np.asarray(view), tensor.numpy())


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_dlpack_with_numpy_both_ways(dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)[:, ::2]
    tensor = weft.from_dlpack(array)
    assert tensor.dtype == dtype
    np.testing.assert_array_equal(tensor.numpy(), array)
    np.testing.assert_array_equal(np.from_dlpack(tensor), array)


def test_dlpack_with_torch_shares_memory_both_ways():
    torch = pytest.importorskip("torch")
    theirs = torch.arange(6.0).reshape(2, 3).T
    ours = weft.from_dlpack(theirs)
    theirs[0, 1] = 42
    assert float(ours[0, 1]) == 42
    again = torch.from_dlpack(ours)
    again[2, 0] = -1
    assert float(theirs[2, 0]) == -1
    del theirs, again
    gc.collect()
    assert float(ours[0, 1]) == 42


def test_a_dlpack_capsule_is_consumed_once():
    capsule = weft.tensor([1.0]).__dlpack__()
    _C.from_dlpack(capsule)
    with pytest.raises(ValueError, match="used before"):
        _C.from_dlpack(capsule)


def test_pickle_and_deepcopy_keep_values_dtype_and_gradient_flag():
    for dtype in ("float32", "bfloat16", "int16"):
        x = weft.tensor(np.arange(4)).astype(dtype)
        twin = pickle.loads(pickle.dumps(x))
        assert twin.dtype == dtype and twin.tolist() == x.tolist()
    x = weft.tensor([1.0, 2.0], requires_grad=True)
    for twin in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert twin.requires_grad and not twin.shares_memory(x)
    v = weft.Variable([1.0], name="v", trainable=False)
    for twin in (pickle.loads(pickle.dumps(v)), copy.deepcopy(v)):
        assert twin.name == "v" and not twin.trainable


# --- memory --------------------------------------------------------------------------------------


def test_statistics_follow_allocations_and_the_cache_is_reused():
    _C.empty_cache()
    before = _C.memory_statistics()
    tensor = weft.tensor(np.zeros(250_000, "float32"))
    during = _C.memory_statistics()
    assert during["allocated"] - before["allocated"] >= 1_000_000
    assert during["peak"] >= during["allocated"]
    pointer = tensor._data.pointer
    del tensor
    after = _C.memory_statistics()
    assert after["allocated"] == before["allocated"]
    assert after["reserved"] >= before["reserved"] + 1_000_000
    assert weft.tensor(np.ones(250_000, "float32"))._data.pointer == pointer
    _C.empty_cache()
    assert _C.memory_statistics()["reserved"] == _C.memory_statistics()["allocated"]


def test_out_of_memory_is_an_exception_that_says_who_holds_it():
    with pytest.raises(weft.OutOfMemoryError, match=r"1 PiB were asked for.*weft's tensors hold"):
        _C.empty((2**50,), "uint8")
    assert issubclass(weft.OutOfMemoryError, MemoryError)
    assert weft.tensor([1.0]).tolist() == [1.0]


@pytest.mark.parametrize("shape", [(2**31, 2**31, 2**31), (2**62,), (3, -1)])
def test_impossible_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"more elements than|negative"):
        _C.empty(shape, "float32")


def test_meta_tensors_take_no_memory():
    before = _C.memory_statistics()["allocated"]
    x = _C.empty((10**6, 10**6), "float32", "meta")
    assert x.shape == (10**6, 10**6)
    assert _C.memory_statistics()["allocated"] == before
    with pytest.raises(TypeError, match="meta"):
        x.numpy()


# --- threads and processes -----------------------------------------------------------------------


def test_regions_of_changing_size_never_mix_on_a_crowded_machine():
    # More workers than cores, so that some are interrupted while they claim a chunk: one that woke
    # up between two regions once took a chunk of a region whose body was not set yet (segfault).
    before = weft.num_threads()
    few, many = (weft.tensor(np.arange(n * 32768, dtype="float32")) for n in (3, 12))
    try:
        weft.set_num_threads(8)
        for _ in range(150):
            for x in (few, many):
                y = (x + x).numpy()
                assert y[-1] == 2.0 * (x.size - 1) and y[x.size // 2] == 2.0 * (x.size // 2)
    finally:
        weft.set_num_threads(before)


def test_number_of_threads_is_checked():
    for number in (0, 4097):
        with pytest.raises(ValueError, match=f"from 1 to 4096 threads, got {number}"):
            weft.set_num_threads(number)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
def test_work_goes_on_with_the_threads_that_the_system_gives():
    # 600 stacks of 8 MiB do not fit into the limit: this once ended in std::terminate.
    code = """
import os, resource, warnings
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, 8 << 20))
os.environ["WEFT_NUM_THREADS"] = "600"
import weft
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    x = weft.ones((1000, 300))
    first, second = float((x @ x.T).sum()), float((x @ x.T).sum())
    few = weft.num_threads()
    weft.set_num_threads(2)
    third = float((x @ x.T).sum())
assert first == second == third == 3e8 and 1 <= few < 600 and weft.num_threads() == 2
assert [w.category for w in told] == [RuntimeWarning], told
assert f"600 threads" in str(told[0].message) and f"goes on with {few}." in str(told[0].message)
child = os.fork()
if child == 0:
    os._exit(0 if float((x @ x.T).sum()) == first else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("value", ["3abc", "0", "-2", "100000", "1e3"])
def test_the_number_of_threads_in_the_environment_is_checked(value):
    run = subprocess.run(
        [sys.executable, "-c", "import weft; weft.num_threads()"],
        env={**os.environ, "WEFT_NUM_THREADS": value}, capture_output=True, text=True,
    )  # fmt: skip
    words = f"WEFT_NUM_THREADS must be a whole number from 1 to 4096, got '{value}'"
    assert run.returncode == 1 and words in run.stderr


def test_several_python_threads_compute_at_once():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(300, 200)).astype("float32") for _ in range(4)]
    wrong = []

    def work(array):
        x = weft.tensor(array)
        for _ in range(30):
            if not np.allclose((x @ x.T).numpy(), array @ array.T, rtol=1e-4, atol=1e-3):
                wrong.append(array)

    threads = [threading.Thread(target=work, args=(a,)) for a in arrays]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_computes_on_its_own_pool():
    before = weft.num_threads()
    weft.set_num_threads(2)
    x = weft.tensor(np.ones((1500, 1500), "float32"))
    expected = float((x + x).sum())
    child = os.fork()
    if child == 0:
        os._exit(0 if float((x + x).sum()) == expected else 1)
    _, status = os.waitpid(child, 0)
    weft.set_num_threads(before)
    assert os.waitstatus_to_exitcode(status) == 0


def test_the_environment_chooses_the_instruction_set():
    code = "from weft import _C; print(_C.isa())"
    for isa in ("baseline", "avx2", "avx512"):
        environment = {**os.environ, "WEFT_ISA": isa}
        result = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        if isa in available_isas():
            assert result.stdout.strip() == isa
        else:
            assert "best instruction set" in result.stderr


def test_an_unknown_instruction_set_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"avx1.*avx2"):
        _C.set_isa("avx1")


def available_isas():
    order = ["baseline", "avx2", "avx512"]
    return order[: order.index(_C.best_isa()) + 1]


# --- devices -------------------------------------------------------------------------------------


def test_unknown_and_missing_devices_list_the_known_ones():
    with pytest.raises(ValueError, match=r"tpu.*cpu"), weft.device("tpu"):
        pass
    with pytest.raises(ValueError, match=r"cuda.*not available.*cpu"), weft.device("cuda:0"):
        pass


def test_operands_of_different_devices_are_refused():
    with pytest.raises(ValueError, match=r"meta and cpu|cpu and meta"):
        weft.tensor([1.0]) + weft.tensor([1.0]).to("meta")
