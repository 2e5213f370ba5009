"""Random numbers: the same for a seed, whatever the machine does; and distributed as stated.

Statistical bounds are five standard errors; seeds are fixed, so that a test passes or fails for
good.
"""

import numpy as np
import pytest

import weft
from weft import _C
from weft.random import Generator

N = 100_003  # odd: the last block of a stream is used in part

DRAWS = {
    "uniform": lambda seed: weft.random.uniform((N,), -1.0, 3.0, seed=seed),
    "uniform64": lambda seed: weft.random.uniform((N,), dtype="float64", seed=seed),
    "normal": lambda seed: weft.random.normal((N,), 1.0, 2.0, seed=seed),
    "normal64": lambda seed: weft.random.normal((N,), dtype="float64", seed=seed),
    "truncated": lambda seed: weft.random.truncated_normal((N,), seed=seed),
    "truncated64": lambda seed: weft.random.truncated_normal((N,), dtype="float64", seed=seed),
    "randint": lambda seed: weft.random.randint((N,), -3, 11, seed=seed),
    "bernoulli": lambda seed: weft.random.bernoulli((N,), 0.3, seed=seed),
    "permutation": lambda seed: weft.random.permutation(1001, seed=seed),
    "categorical": lambda seed: weft.random.categorical([[0.0, 1.0, -1.0]], N, seed=seed),
    "dropout": lambda seed: weft.random.dropout(weft.ones(N), 0.4, seed=seed),
    "half": lambda seed: weft.random.normal((N,), dtype="bfloat16", seed=seed),
}


@pytest.mark.parametrize("name", DRAWS)
def test_same_bits_on_every_instruction_set_and_number_of_threads(name, isa):
    before = weft.num_threads()
    try:
        weft.set_num_threads(3)
        several = DRAWS[name](5).numpy()
        weft.set_num_threads(1)
        _C.set_isa("baseline")
        np.testing.assert_array_equal(DRAWS[name](5).numpy(), several)
    finally:
        weft.set_num_threads(before)


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_repeats_and_a_generator_goes_on(name):
    draw, generator = DRAWS[name], Generator(9)
    first, second = draw(generator).numpy(), draw(generator).numpy()
    np.testing.assert_array_equal(draw(9).numpy(), first)
    assert not np.array_equal(first, second)
    assert not np.array_equal(draw(10).numpy(), first)


@pytest.mark.parametrize("name", DRAWS)
def test_state_is_saved_and_restored(name):
    generator = Generator(3)
    DRAWS[name](generator)
    state = generator.get_state()
    first = DRAWS[name](generator).numpy()
    generator.set_state(state)
    np.testing.assert_array_equal(DRAWS[name](generator).numpy(), first)


def test_blocks_are_used_once():
    """Two draws have no words in common with each other: the counter passed the first."""
    whole = weft.random.uniform((16,), seed=4).numpy()
    generator = Generator(4)
    parts = [weft.random.uniform((n,), seed=generator).numpy() for n in (5, 4)]
    np.testing.assert_array_equal(parts[0], whole[:5])
    np.testing.assert_array_equal(parts[1], whole[8:12])  # 5 numbers took 2 blocks of 4
    assert generator.get_state() == (4, 3)


def test_philox_known_answers():
    """Philox 4x32-10 of the authors' test vectors: counter 0 and key 0."""
    words = weft.random.uniform((4,), seed=0).numpy()
    expected = np.array([0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]) >> 8
    np.testing.assert_array_equal(words, (expected * 2.0**-24).astype("float32"))


def within(actual, expected, deviation, count):
    """Whether a mean over `count` draws of this deviation is within five standard errors."""
    return abs(actual - expected) <= 5 * deviation / np.sqrt(count)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform(dtype):
    x = weft.random.uniform((N,), -1.0, 3.0, dtype, seed=1).numpy().astype("float64")
    assert x.min() >= -1.0 and x.max() < 3.0
    assert within(x.mean(), 1.0, 4 / np.sqrt(12), N)
    counts, _ = np.histogram(x, 64, (-1.0, 3.0))
    p = 1 / 64
    assert np.abs(counts - N * p).max() <= 5 * np.sqrt(N * p * (1 - p))


def test_uniform_never_reaches_the_upper_bound():
    x = weft.random.uniform((1_000_000,), 1.0, 1.0000004, seed=1).numpy()
    assert x.max() < np.float32(1.0000004) and x.min() == 1.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal(dtype):
    stats = pytest.importorskip("scipy.stats")
    x = weft.random.normal((N,), 2.0, 3.0, dtype, seed=2).numpy().astype("float64")
    z = (x - 2.0) / 3.0
    for power, moment, deviation in [
        (1, 0, 1), (2, 1, np.sqrt(2)), (3, 0, np.sqrt(15)), (4, 3, np.sqrt(96)),
    ]:  # fmt: skip
        assert within((z**power).mean(), moment, deviation, N)
    assert within((z[:-1] * z[1:]).mean(), 0, 1, N - 1)  # sine and cosine are independent
    edges = stats.norm.ppf(np.linspace(0, 1, 65))
    counts, _ = np.histogram(z, edges)
    assert np.abs(counts - N / 64).max() <= 5 * np.sqrt(N / 64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_truncated_normal(dtype):
    stats = pytest.importorskip("scipy.stats")
    z = weft.random.truncated_normal((N,), 0.0, 1.0, dtype, seed=2).numpy().astype("float64")
    assert np.abs(z).max() <= 2.0
    edges = stats.truncnorm(-2, 2).ppf(np.linspace(0, 1, 65))
    counts, _ = np.histogram(z, edges)
    assert np.abs(counts - N / 64).max() <= 5 * np.sqrt(N / 64)
    scaled = weft.random.truncated_normal((N,), 5.0, 0.5, dtype, seed=2).numpy()
    np.testing.assert_allclose(scaled, 5.0 + 0.5 * z, rtol=1e-6)


def test_normal_follows_the_formula():
    """The transform itself, in float64: a mistake of its polynomials would be too small to see."""
    normals = weft.random.normal((3200,), dtype="float64", seed=8).numpy().reshape(-1, 2, 16)
    u = weft.random.uniform((3200,), dtype="float64", seed=8).numpy().reshape(-1, 2, 16)
    radius, angle = np.sqrt(-2 * np.log(u[:, 0] + 2.0**-54)), 2 * np.pi * u[:, 1]
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    np.testing.assert_allclose(normals, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("low, high", [(0, 2), (-3, 10), (0, 1000)])
def test_randint(low, high):
    x = weft.random.randint((N,), low, high, seed=3).numpy()
    assert x.dtype == np.int32
    counts = np.bincount(x - low, minlength=high - low)
    assert len(counts) == high - low
    p = 1 / (high - low)
    assert np.abs(counts - N * p).max() <= 5 * np.sqrt(N * p * (1 - p))


def test_randint_of_a_range_that_does_not_divide_the_words():
    """Three quarters of 2**64: without refusals every third number would be twice as likely."""
    high = 2**62 + 2**61
    x = weft.random.randint((N,), -high, high, "int64", seed=3).numpy()
    assert x.min() < -high * 0.999 and x.max() > high * 0.999
    for residue in range(3):
        share = ((x + high).astype("uint64") % 3 == residue).mean()
        assert within(share, 1 / 3, np.sqrt(2) / 3, N)


def test_bernoulli_and_its_certain_cases():
    x = weft.random.bernoulli((N,), 0.3, seed=4).numpy()
    assert within(x.mean(), 0.3, np.sqrt(0.21), N)
    assert weft.random.bernoulli((N,), 1.0).numpy().all()
    assert not weft.random.bernoulli((N,), 0.0).numpy().any()


def test_categorical():
    logits = np.array([[0.0, 1.0, -1.0, -np.inf], [500.0, 501.0, 502.0, 0.0]])
    x = weft.random.categorical(logits, N, seed=5)
    assert x.shape == (2, N) and x.dtype == "int32"
    weights = np.exp(logits - logits.max(1, keepdims=True))
    expected = weights / weights.sum(1, keepdims=True)
    for row, p in zip(x.numpy(), expected, strict=True):
        counts = np.bincount(row, minlength=4)
        assert (np.abs(counts - N * p) <= 5 * np.sqrt(N * p * (1 - p)) + 1e-6).all()


def test_permutation_and_shuffle():
    counts = np.zeros((4, 4))
    generator = Generator(6)
    for _ in range(4000):
        order = weft.random.permutation(4, seed=generator).numpy()
        counts[np.arange(4), order] += 1
    assert np.abs(counts - 1000).max() <= 5 * np.sqrt(4000 * 3 / 16)
    x = np.arange(12.0).reshape(4, 3)
    shuffled = weft.random.shuffle(x, seed=1).numpy()
    assert sorted(map(tuple, shuffled)) == sorted(map(tuple, x)) and not (shuffled == x).all()
    columns = weft.random.shuffle(x, axis=1, seed=1).numpy()
    assert sorted(map(tuple, columns.T)) == sorted(map(tuple, x.T))
    assert weft.random.permutation(0).shape == (0,)


def test_dropout_zeros_its_share_and_keeps_the_mean():
    y = weft.ops.dropout(weft.ones(N), 0.3, seed=7).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert within((y == 0).mean(), 0.3, np.sqrt(0.21), N)
    x = weft.random.normal((3, 4), seed=0)
    assert weft.ops.dropout(x, 0.0).tolist() == x.tolist()


def test_dropout_gradient_uses_the_same_mask():
    x = weft.ones((50, 40), "float64").requires_grad_()
    y = weft.ops.dropout(x, 0.5, seed=1)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())
    x = weft.ones((50, 40), "float64").requires_grad_()
    y = weft.ops.dropout(x, 0.5, noise_shape=(50, 1), seed=1)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())
    assert (y.numpy() == y.numpy()[:, :1]).all()


def test_set_random_seed_seeds_everything():
    import random

    def draw():
        return random.random(), np.random.rand(), weft.random.rand(2).tolist()

    weft.utils.set_random_seed(812)
    first = draw()
    weft.utils.set_random_seed(812)
    assert draw() == first
    for wrong in (-1, 2**32, 1.5, True, "a"):
        with pytest.raises(ValueError, match="seed"):
            weft.utils.set_random_seed(wrong)


@pytest.mark.parametrize(
    "call, error, match",
    [
        (lambda: weft.random.normal((3,), stddev=-1.0), ValueError, "stddev"),
        (lambda: weft.random.uniform((3,), 2.0, 1.0), ValueError, "low"),
        (lambda: weft.random.uniform((-3,)), ValueError, "negative"),
        (lambda: weft.random.normal((3,), dtype="int32"), TypeError, "floating.*int32"),
        (lambda: weft.random.randint((3,), 2, 2), ValueError, "2 and 2"),
        (lambda: weft.random.randint((3,), 0, 300, "uint8"), ValueError, "299.*uint8"),
        (lambda: weft.random.randint((3,), 0, 3, "float32"), TypeError, "float32"),
        (lambda: weft.random.bernoulli((3,), 1.5), ValueError, "probability.*1.5"),
        (lambda: weft.random.categorical([0.0, 1.0], 2), ValueError, r"\(2,\)"),
        (lambda: weft.random.permutation(-1), ValueError, "-1"),
        (lambda: weft.random.shuffle([1, 2], axis=1), IndexError, "axis 1"),
        (lambda: weft.random.rand(2, seed="a"), TypeError, "str"),
        (lambda: Generator(-1), ValueError, "-1"),
    ],
)
def test_wrong_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_shapes_on_the_meta_device_use_no_numbers():
    weft.random.seed(1)
    with weft.device("meta"):
        x = weft.random.normal((10**6, 10**6))
        assert x.device == "meta" and x.shape == (10**6, 10**6)
    assert weft.random.default_generator.get_state() == (1, 0)


def test_threads_that_share_a_generator_get_different_numbers():
    from concurrent.futures import ThreadPoolExecutor

    generator = Generator(2)
    with ThreadPoolExecutor(4) as pool:
        draws = list(
            pool.map(lambda _: weft.random.uniform((40_000,), dtype="float64", seed=generator),
                     range(8))
        )  # fmt: skip
    assert len(np.unique(np.concatenate([d.numpy() for d in draws]))) == 320_000
