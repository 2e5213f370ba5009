"""Recorded steps on a GPU: CUDA graphs, what cannot be in one, memory that stays in place."""

import warnings

import numpy as np
import pytest

import weft
from weft import _C, layers


@pytest.fixture(autouse=True)
def no_silent_fallback():
    with warnings.catch_warnings():
        warnings.simplefilter("error", weft.CaptureWarning)
        yield


def only_program(captured):
    (program,) = captured.programs
    return program


def values(tensor):
    return tensor.to("cpu").tolist()


def test_a_training_step_is_one_graph(gpu):
    rng = np.random.default_rng(0)
    x, y = rng.random((32, 8), "float32"), rng.integers(0, 3, 32)
    model = weft.Sequential([weft.Input((8,)), layers.Dense(16, "relu"), layers.Dense(3)])
    model.compile("adam", weft.losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(5):
        model.train_on_batch(x, y)
    (program,) = model.programs["train_on_batch"]
    # The sums that the reported loss is made of lie on the host, and are set back there.
    assert program.launches_in_graphs == len(program.launches) - 1 > 5
    assert f"{program.launches_in_graphs} of the launches are in CUDA graphs" in str(program)


def test_replays_do_not_wait_for_the_device(gpu):
    w = weft.Variable(np.ones(4, "float32"))

    @weft.capture
    def step(x):
        w.assign(w + x)
        return (w * 2.0).sum()

    x = weft.ones((4,))
    for _ in range(4):
        step(x)
    before = _C.values_read_back()
    results = [step(x) for _ in range(5)]
    assert _C.values_read_back() == before
    assert [float(r) for r in results] == [8.0 * (k + 1) for k in range(5, 10)]


def test_scratch_memory_of_launchers_stays_in_place(gpu):
    # A sum over many elements goes through partial sums in temporary memory.
    x = np.random.default_rng(0).random(300_000).astype("float32")
    captured = weft.capture(lambda x: (x.sum(), weft.sort(x)[:3], (x * 2.0).sum()))
    given = weft.tensor(x)
    expected = [values(t) for t in captured(given)]
    for _ in range(5):
        held = [weft.ones((300_000,)) for _ in range(4)]  # would take what was given back
        assert [values(t) for t in captured(given)] == expected
        del held
    assert only_program(captured).launches_in_graphs == len(only_program(captured).launches)


def test_arguments_come_from_anywhere(gpu):
    captured = weft.capture(lambda x, y: x @ y)
    rng = np.random.default_rng(0)
    for _ in range(7):
        x, y = rng.random((3, 4)), rng.random((4, 2))
        result = captured(weft.tensor(x), weft.tensor(y))
        np.testing.assert_allclose(values(result), x @ y, rtol=1e-12)
    base = weft.tensor(np.arange(40.0))  # parts of one array
    double = weft.capture(lambda x: x * 2.0)
    for start in range(8):
        assert values(double(base[start : start + 3])) == [2.0 * (start + k) for k in range(3)]


def test_an_argument_that_is_not_dense_is_used_where_it_is_and_said(gpu):
    base = weft.tensor(np.arange(12.0).reshape(3, 4))
    captured = weft.capture(lambda x: x + 1.0)
    for _ in range(3):
        captured(base.T)
    with pytest.warns(weft.CaptureWarning, match="launch after the other.*not dense"):
        result = captured(base.T)
    np.testing.assert_array_equal(result.to("cpu").numpy(), base.to("cpu").numpy().T + 1.0)
    assert only_program(captured).launches_in_graphs == 0


def test_an_argument_that_is_written_to(gpu):
    def step(x):
        x += 1.0
        return x * 2.0

    captured = weft.capture(step)
    x = weft.zeros((3,))
    for k in range(3):
        assert values(captured(x)) == [2.0 * (k + 1)] * 3
    with pytest.warns(weft.CaptureWarning, match="written to"):
        captured(x)
    assert values(captured(x)) == [10.0] * 3
    assert values(x) == [5.0] * 3


def test_numbers_of_the_host_that_change_are_read_at_each_replay(gpu):
    with weft.device("cpu"):
        rate = weft.Variable(0.5)
    captured = weft.capture(lambda x: (x * rate + 1.0) * 3.0)
    x = weft.ones((2,))
    for _ in range(4):
        assert values(captured(x)) == [4.5, 4.5]
    rate.assign(2.0)
    assert values(captured(x)) == [9.0, 9.0]
    program = only_program(captured)
    assert 0 < program.launches_in_graphs < len(program.launches)


def test_python_has_its_turn_between_two_graphs(gpu):
    seen = []

    @weft.capture
    def step(x):
        y = x * 2.0
        weft.programs.on_host(lambda: seen.append(values(y)))
        return y + 1.0

    for k in range(6):
        assert values(step(weft.tensor([float(k)]))) == [2.0 * k + 1.0]
    assert seen == [[2.0 * k] for k in range(6)]
    program = only_program(step)
    assert program.launches_in_graphs == len(program.launches) == 2


def test_random_numbers_go_on_wherever_they_were_drawn_last(gpu):
    def draw(captured):
        weft.random.seed(3)
        found = []
        for k in range(8):
            found.append(values(captured(weft.zeros((5,)))))
            if k % 2:
                with weft.device("cpu"):
                    found.append(weft.random.uniform((2,)).tolist())
        return found

    def noise(x):
        return x + weft.random.normal((5,))

    captured = weft.capture(noise)
    assert draw(captured) == draw(noise)
    assert len(captured.programs) == 1


def test_a_seed_gives_the_same_numbers_in_each_replay(gpu):
    captured = weft.capture(lambda x: x + weft.random.normal((4,), seed=5))
    found = [values(captured(weft.zeros((4,)))) for _ in range(6)]
    assert found == [found[0]] * 6
    assert len(captured.programs) == 1


def test_a_wrong_index_in_a_replay_is_raised_when_values_are_read(gpu):
    table = weft.Variable(np.arange(6.0, dtype="float32"))
    look = weft.capture(lambda i: weft.take(table, i))
    for _ in range(5):
        look(weft.tensor([1, 2]))
    wrong = look(weft.tensor([1, 6]))
    with pytest.raises(IndexError, match="index 6"):
        values(wrong)
    assert values(look(weft.tensor([5, 0]))) == [5.0, 0.0]


def test_another_stream(gpu):
    captured = weft.capture(lambda x: (x * 2.0).sum())
    x = weft.ones((1000,))
    for _ in range(4):
        captured(x)
    tools = weft.sim if gpu.startswith("sim") else weft.cuda
    with tools.Stream() as stream:
        results = [captured(x * float(k)) for k in range(4)]
    stream.synchronize()
    assert [float(r) for r in results] == [2000.0 * k for k in range(4)]


def test_a_device_in_between_cannot_be_recorded(gpu):
    captured = weft.capture(lambda x: x.to("cpu") + 1.0)
    with pytest.warns(weft.CaptureWarning, match="a copy to another device reads values"):
        for _ in range(3):
            captured(weft.ones((2,)))
    assert not captured.programs


def test_loss_that_is_not_finite_is_explained(gpu):
    x = np.random.default_rng(0).random((200, 3)).astype("float32")
    model = weft.Sequential([weft.Input((3,)), layers.Dense(1)])
    model.compile(weft.optimizers.SGD(1e6), "mse")
    with pytest.raises(ValueError, match=r"loss is (nan|inf)"):
        model.fit(x, x[:, :1], epochs=2, batch_size=2, verbose=0)
    assert model.programs["train_step"]


@pytest.mark.sim_tool
def test_under_the_checker_a_step_is_recorded_anew():
    if not _C.sim_can_watch():
        pytest.skip("this build has no checked kernels")
    with weft.device("sim"):
        captured = weft.capture(lambda x: x * 2.0)
        x = weft.ones((3,))
        for _ in range(4):
            captured(x)
        before = only_program(captured)
        with weft.sim.check():
            for _ in range(4):
                assert values(captured(x)) == [2.0] * 3
            assert only_program(captured) is not before
