"""Devices: memory, streams, events, copies, what goes where, and what is refused."""

import gc
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import weft
from weft import _C
from weft.device import available_devices, chosen_device, current_device, full_name, working_on
from weft.memory import holders


def runtime(gpu):
    return weft.cuda if gpu.startswith("cuda") else weft.sim


PACKAGE = os.path.dirname(os.path.dirname(weft.__file__))


def run_python(code, **environment):
    """What a new process prints."""
    result = subprocess.run(
        [sys.executable, "-c", f"import numpy as np\nimport weft\n{code}"],
        env={**os.environ, "PYTHONPATH": PACKAGE, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


# --- names and contexts --------------------------------------------------------------------------


def test_the_device_of_the_innermost_block_is_current():
    assert current_device() == "cpu" and chosen_device() is None
    with weft.device("sim"):
        with weft.device("cpu"):
            assert weft.zeros(2).device == "cpu"
        assert weft.zeros(2).device == current_device() == chosen_device() == "sim"
        with working_on("cpu"):
            assert (current_device(), chosen_device()) == ("cpu", "sim")
    assert current_device() == "cpu" and chosen_device() is None


@pytest.mark.parametrize("name", ["sim:1", "sim:9", "cuda:100"])
def test_a_number_out_of_range_is_refused(name):
    with pytest.raises(ValueError, match=r"numbered from 0|not available"):
        weft.device(name)
    with pytest.raises(ValueError, match=r"numbered from 0|not available"):
        weft.zeros(2).to(name)


@pytest.mark.parametrize("name", ["gpu", "sim:x", "cuda:-1", "cud"])
def test_unknown_names_are_refused_with_those_there_are(name):
    with pytest.raises(ValueError, match=r"this process has: cpu, meta, sim"):
        weft.device(name)


def test_full_names_count_simulated_devices_from_the_second():
    assert [full_name("sim", 0), full_name("sim", 2), full_name("cuda", 0)] == [
        "sim", "sim:2", "cuda:0",
    ]  # fmt: skip


# --- machines without a GPU ----------------------------------------------------------------------

ASK = "print(weft.sim.device_count(), weft.sim.is_available(), weft.sim.why_unavailable())\n"
USE = """
try:
    weft.zeros(2).to("sim")
except ValueError as error:
    print("refused:", error)
print(weft.ones(2).sum().item())
"""


@pytest.mark.parametrize(
    "environment, why",
    [
        ({"WEFT_SIM_DRIVER": "0"}, "no NVIDIA driver is loaded; install driver 580 or later"),
        (
            {"WEFT_SIM_DRIVER": "12040"},
            r"driver is too old: it supports CUDA 12\.4, this build of weft needs 13\.0",
        ),
        ({"WEFT_SIM_DEVICES": "0"}, "finds no GPU"),
    ],
)
def test_why_there_is_no_device_is_said_and_the_process_goes_on(environment, why):
    # The simulated runtime plays the machine; the code that looks at it is the one for GPUs.
    out = run_python(ASK + USE, **environment)
    first, second, third = out.strip().splitlines()
    assert first.startswith("0 False ")
    for line in (first, second):
        assert re.search(why, line)
    assert "weft doctor" in second and third == "2.0"


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("WEFT_SIM_CHECK", "yes", "0 or 1"),
        ("WEFT_SIM_SEED", "first", "a whole number"),
        ("WEFT_SIM_MEMORY", "plenty", "bytes"),
        ("WEFT_SIM_DEVICES", "two", "how many"),
        ("WEFT_SIM_DRIVER", "abc", "a CUDA version"),
    ],
)
def test_variables_of_the_simulated_device_are_checked(name, value, expected):
    environment = {**os.environ, "PYTHONPATH": PACKAGE, name: value}
    run = subprocess.run(
        [sys.executable, "-c", "import weft"], env=environment, capture_output=True, text=True
    )
    last = run.stderr.strip().splitlines()[-1]
    assert re.match(f"ValueError: {name} must be {expected}.*, got '{value}'", last)


# --- copies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 1000, 20_000, 3_000_000])
def test_copies_there_and_back_keep_every_byte(gpu, size):
    # From 64 KiB the copy runs on its own stream, from 4 MiB in parts.
    x = np.random.default_rng(0).integers(0, 255, size).astype("float32")
    there = weft.tensor(x, device=gpu)
    assert there.device == gpu
    np.testing.assert_array_equal((there + 1.0).numpy(), x + 1)
    np.testing.assert_array_equal(there.to("cpu").numpy(), x)


def test_the_source_of_a_copy_may_change_at_once(gpu):
    x = np.zeros(500_000, "float32")
    results = []
    for i in range(5):
        x[:] = i
        results.append(weft.asarray(x).to(gpu))
    x[:] = -1
    assert [r.to("cpu").numpy().max() for r in results] == [0, 1, 2, 3, 4]


def test_strided_tensors_travel_as_their_values(gpu):
    x = weft.tensor(np.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal(x.T[::2].to(gpu).numpy(), x.numpy().T[::2])


def test_gradients_travel_back_through_a_copy(gpu):
    with weft.device("cpu"):
        x = weft.tensor([1.0, 2.0], requires_grad=True)
    (x.to(gpu) * 3.0).sum().backward()
    assert x.grad.device == "cpu" and x.grad.tolist() == [3.0, 3.0]


def test_copies_between_two_devices():
    out = run_python(
        """
x = weft.tensor(np.arange(100_000.0), device="sim")
y = (x + 1.0).to("sim:1")
print(y.device, np.array_equal((y * 2.0).numpy(), np.arange(100_000.0) * 2 + 2))
try:
    x + y
except ValueError as error:
    print(error)
print(weft.sim.can_access_peer(0, 1), weft.sim.can_access_peer(0, 0))
""",
        WEFT_SIM_DEVICES="2",
    )
    lines = out.strip().splitlines()
    assert lines[0] == "sim:1 True"
    assert "live on sim and sim:1" in lines[1]
    assert lines[2] == "True False"


def test_pinned_memory_is_read_by_the_device_itself(gpu):
    api = runtime(gpu)
    x = np.random.default_rng(1).random((300, 300))
    with weft.device("cpu"):
        pinned = api.pin_memory(x)
    assert pinned.device == "cpu" and api.is_pinned(pinned) and api.is_pinned(pinned[3:5])
    assert not api.is_pinned(weft.tensor(x, device="cpu"))
    before = api.memory_statistics(gpu)["pinned_allocated"]
    assert before >= x.nbytes
    there = pinned.to(gpu)
    del pinned  # its memory waits for the copy
    np.testing.assert_array_equal(there.numpy(), x)
    assert api.memory_statistics(gpu)["pinned_allocated"] <= before - x.nbytes
    with pytest.raises(TypeError, match="only memory of the CPU can be pinned"):
        api.pin_memory(there)


# --- streams and events --------------------------------------------------------------------------


def test_streams_and_events_order_work(gpu):
    api = runtime(gpu)
    stream, begin, end = api.Stream(), api.Event(), api.Event()
    x = weft.tensor(np.ones(100_000, "float32"), device=gpu)
    begin.record()
    stream.wait_stream(api.current_stream())
    with stream:
        assert api.current_stream() == stream != api.compute_stream()
        y = x * 2.0
        event = stream.record_event()
    assert api.current_stream() == api.compute_stream()
    event.wait()
    z = y + 1.0
    del x, y  # memory of one stream that the other used
    end.record()
    end.synchronize()
    assert end.query() and begin.elapsed(end) >= 0 and stream.query()
    assert set(z.numpy().tolist()) == {3.0}


def test_memory_goes_back_to_the_stream_it_came_from(gpu):
    api = runtime(gpu)
    stream = api.Stream()
    shape = (700, 700)
    with stream:
        first = weft.zeros(shape)
        place = first._data.pointer
    second = first + 1.0  # used on the compute stream too
    del first
    with weft.device(gpu):
        assert weft.zeros(shape)._data.pointer != place
    with stream:
        assert weft.zeros(shape)._data.pointer == place
    assert second.numpy().max() == 1.0


def test_an_event_knows_its_time_only_when_it_is_recorded(gpu):
    api = runtime(gpu)
    with pytest.raises(ValueError, match="must be recorded"):
        api.Event().elapsed(api.Event())
    begin, end = api.Event(timed=False), api.Event(timed=False)
    begin.record()
    end.record()
    end.synchronize()
    with pytest.raises(RuntimeError, match="time between two events"):
        begin.elapsed(end)
    assert (weft.tensor([1.0], device=gpu) + 1.0).item() == 2.0


def test_streams_are_used_again(gpu):
    api = runtime(gpu)
    for _ in range(200):
        api.Stream().synchronize()
    many = [api.Stream() for _ in range(40)]
    assert len({s._stream.number for s in many}) == 40
    with pytest.raises(ValueError, match="at most"):
        many.extend(api.Stream() for _ in range(40))


def test_the_cpu_has_no_streams():
    with pytest.raises(ValueError, match=r"not a device of weft\.sim"):
        weft.sim.Stream("cpu")
    with pytest.raises(ValueError, match="has no streams"):
        _C.Stream("cpu")


# --- memory --------------------------------------------------------------------------------------


def test_statistics_count_what_tensors_hold(gpu):
    api = runtime(gpu)
    gc.collect()
    before = api.memory_statistics(gpu)
    assert 0 < before["free"] <= before["total"]
    x = weft.zeros((1000, 1000))
    during = api.memory_statistics(gpu)
    assert 4_000_000 <= during["allocated"] - before["allocated"] < 4_100_000
    assert during["peak"] >= during["allocated"] and during["reserved"] >= during["allocated"]
    del x
    assert api.memory_statistics(gpu)["allocated"] == before["allocated"]
    api.empty_cache(gpu)
    after = api.memory_statistics(gpu)
    assert after["reserved"] <= during["reserved"] and after["free"] >= during["free"]
    api.reset_peak_memory(gpu)
    assert api.memory_statistics(gpu)["peak"] == after["allocated"]


@pytest.mark.parametrize("device", ["cpu", "sim"])
def test_memory_has_public_statistics_on_every_device(device):
    before = weft.memory.statistics(device)
    x = weft.zeros((1024, 512), device=device)
    after = weft.memory.statistics(device)
    assert after["allocated"] - before["allocated"] == 2 << 20 == x.nbytes
    assert after["peak"] >= after["allocated"] and after["allocations"] > before["allocations"]
    assert ("total" in after) == (device == "sim")
    assert weft.memory.statistics() == weft.memory.statistics("cpu")


def test_a_report_of_memory_is_a_sentence():
    held = weft.zeros((3 << 20, 7), device="sim")
    text = weft.memory.report("sim")
    assert text.startswith("The largest on sim: ") and f"tensor of shape {held.shape}" in text
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        weft.memory.report("gpu")
    with pytest.raises(ValueError, match="no memory"):
        weft.memory.statistics("meta")


def test_holders_name_variables_and_what_gradients_keep(gpu):
    v = weft.Variable(np.ones((600, 500), "float32"), name="big").move_to(gpu)
    y = weft.ops.dropout(v, 0.5)
    found = {what: size for size, what in holders(gpu)}
    assert found["variable 'big' of shape (600, 500), float32"] == 1_200_000
    assert found["saved for gradients of dropout"] >= 300_000  # the mask
    assert "variable 'big'" in runtime(gpu).memory_report(gpu)
    del y


def test_out_of_memory_says_who_holds_it_and_earlier_tensors_stay_usable():
    out = run_python(
        """
v = weft.Variable(np.ones((1000, 1000), "float32"), name="table").move_to("sim")
held = []
try:
    while True:
        held.append(v + 1.0)
except weft.OutOfMemoryError as error:
    print(isinstance(error, MemoryError), error)
kept = held[0]
del held
print(float((kept * 2.0).numpy().max()), weft.sim.memory_statistics()["total"])
try:
    weft.sim.pin_memory(np.zeros(10)); weft.ops.to_device(np.zeros((10_000, 10_000)), "sim")
except weft.OutOfMemoryError as error:
    print("refused")
print((v + 1.0).numpy().min())
""",
        WEFT_SIM_MEMORY="64m",
    )
    message, usable, refused, last = out.strip().splitlines()
    assert message.startswith("True out of memory on sim: 3.815 MiB were asked for")
    assert "The device has 64 MiB" in message
    assert "x tensor of shape (1000, 1000), float32" in message and "variable 'table'" in message
    assert usable == "4.0 67108864" and refused == "refused" and last == "2.0"


# --- what is refused on a device -----------------------------------------------------------------


def test_tensors_on_different_devices_are_refused(gpu):
    here, there = weft.tensor([1.0], device="cpu"), weft.tensor([1.0], device=gpu)
    with pytest.raises(ValueError, match=rf"live on .*{gpu}.*\.to\("):
        there + here
    with pytest.raises(ValueError, match=r"\.to\("):
        here * there
    assert (there + there).item() == 2.0


@pytest.mark.parametrize(
    "op, call",
    [
        ("concatenate", lambda a, b: weft.concatenate([a, b])),
        ("stack", lambda a, b: weft.stack([a, b])),
        ("setitem", lambda a, b: weft.ops.setitem(a, slice(None), b)),
        ("setitem", lambda a, b: weft.ops.setitem(a, [0, 1, 2], b)),
        ("take_along_axis", lambda a, b: weft.take_along_axis(a, b.astype("int64"))),
        ("squared_error", lambda a, b: weft.losses.mean_squared_error(a, b)),
        ("add", lambda a, b: a + b),
        ("matmul", lambda a, b: a @ b),
    ],
)
def test_the_operation_that_was_asked_for_names_both_devices(gpu, op, call):
    for a, b in ((gpu, "cpu"), ("cpu", gpu)):
        with pytest.raises(ValueError, match="move them to one device with") as caught:
            call(weft.ones(3).to(a), weft.ones(3).to(b))
        message = str(caught.value)
        assert message.startswith(f"{op}: ") and "cpu" in message and gpu in message


def test_a_model_on_another_device_than_its_input_says_how_to_move_it(gpu):
    layer = weft.layers.Dense(2)
    layer.build((None, 3))
    layer.to("cpu")
    with pytest.raises(ValueError, match=rf"weights are on cpu: model.to\('{gpu}'\) moves them"):
        layer(weft.ones((1, 3)).to(gpu))


def test_numbers_and_indices_on_the_cpu_may_be_used_on_a_gpu(gpu):
    x = weft.tensor([1.0, 2.0, 3.0]).to(gpu)
    assert (x + weft.tensor(1.0)).tolist() == [2.0, 3.0, 4.0]
    where = weft.tensor([2, 0])
    assert x[where].tolist() == weft.take(x, where).tolist() == [3.0, 1.0]
    assert x[where].device == x.device


@pytest.mark.skipif(weft.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_one_error_with_the_way_to_the_doctor():
    for use in (
        lambda: weft.zeros(2, device="cuda:0"),
        lambda: weft.arange(2, device="cuda"),
        lambda: weft.full(2, 1.0, device="cuda"),
        lambda: weft.tensor([1.0], device="cuda:0"),
        lambda: weft.ones(2).to("cuda"),
        lambda: weft.layers.Dense(1).to("cuda"),
    ):
        with pytest.raises(ValueError, match=r"not available: .*python -m weft doctor"):
            use()


def test_a_dtype_without_a_kernel_is_refused_with_the_device(gpu):
    with pytest.raises(TypeError, match=f"dtype .* on {gpu}"):
        _C.sum_squares(_C.full((2,), 1, "bool", gpu))


def test_an_index_error_is_raised_when_values_are_read_and_the_process_lives_on(gpu):
    table = weft.tensor(np.arange(10.0), device=gpu)
    wrong = weft.ops.take(table, [3, 12])
    with pytest.raises(IndexError, match=r"12.*size 10"):
        wrong.numpy()
    assert weft.ops.take(table, [3, 9]).tolist() == [3.0, 9.0]
    assert table.tolist() == list(range(10))


# --- arrays and numbers beside tensors -----------------------------------------------------------


def test_what_is_no_tensor_yet_goes_to_the_tensor_beside_it(gpu):
    with weft.device("cpu"):
        x = weft.tensor([[1.0, 2.0], [3.0, 4.0]], dtype="float32", device=gpu)
        array = np.ones((2, 2), "float32")
        for result in (
            x + array,
            array + x,
            x * np.float32(2),
            x - [[1.0, 1.0], [1.0, 1.0]],
            weft.maximum(array, x),
            weft.ops.where(array > 0, x, array),
            weft.concatenate([x, array]),
            np.add(array, x),
        ):
            assert result.device == gpu
        np.testing.assert_array_equal((array + x).numpy(), [[2, 3], [4, 5]])
        x[0] = np.array([7.0, 8.0])
        assert x.tolist() == [[7.0, 8.0], [3.0, 4.0]]
        v = weft.Variable([1.0, 2.0]).move_to(gpu)
        assert v.assign([5.0, 6.0]).device == gpu
        assert v.assign(weft.tensor([1.0, 1.0], device="cpu")).tolist() == [1.0, 1.0]
    with weft.device(gpu):
        # A tensor on the CPU decides as well: the current device is for what stands alone.
        assert (weft.tensor([1.0], device="cpu") + np.ones(1, "float32")).device == "cpu"
        assert weft.asarray(array).device == gpu


# --- the command line ----------------------------------------------------------------------------


def test_the_doctor_tells_what_there_is_and_what_to_do(capsys):
    from weft.__main__ import main

    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert f"weft: {weft.__version__}" in text and _C.isa() in text
    assert "sim: sim: weft simulated device" in text and "works" in text
    assert ("driver" in text) and ("-> " in text or weft.cuda.is_available())
    usable = [d for d in available_devices() if d != "meta"]
    assert text.strip().endswith("devices to use: " + ", ".join(usable))


def test_the_doctor_draws_a_table_on_a_terminal(monkeypatch, capsys):
    from weft import doctor

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    doctor.show(doctor.examine())
    assert "what to do" in capsys.readouterr().out


def test_an_unknown_command_is_refused(capsys):
    from weft.__main__ import main

    for arguments in (["docter"], ["doctor", "--all"], []):
        with pytest.raises(SystemExit):
            main(arguments)
    assert "doctor" in capsys.readouterr().err
