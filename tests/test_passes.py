"""Passes over recorded steps change no bit of a result, and leave alone what is not safe."""

import numpy as np
import pytest
from capture_steps import assert_same

import weft
from weft import layers, ops, programs

ROWS, COLUMNS = 67, 97  # more than a part, and nothing that a vector divides

UNARY = [
    ops.relu, ops.sigmoid, ops.tanh, ops.exp, ops.abs, ops.gelu, ops.square, ops.negative,
    lambda x: x * 0.5, lambda x: 1.0 - x, lambda x: x.astype("float16").astype("float32"),
    lambda x: x.astype("float64"),
    lambda x: ops.where(x > 0, x, 0.1 * x), lambda x: x[::-1], lambda x: x[:, ::-1] * 2.0,
]  # fmt: skip
BINARY = [ops.add, ops.multiply, ops.subtract, ops.maximum, ops.minimum]
SMALL = [
    lambda x: x.sum(axis=0),
    lambda x: x.max(axis=1, keepdims=True),
    lambda x: x.mean(),
    lambda x: x.sum(axis=0, keepdims=True),
]


@pytest.fixture(autouse=True)
def small_results_are_joined_too():
    before = weft._C.set_fusion_limits(16 << 10, 16 << 10)
    yield
    weft._C.set_fusion_limits(*before)
    programs.set_default_passes(None)


class RandomStep:
    """A random step of elementwise operations, products, reductions and updates in place."""

    def __init__(self, seed):
        self.seed = seed
        rng = np.random.default_rng(seed + 1000)
        shape = (ROWS, COLUMNS)
        self.variable = weft.Variable(rng.standard_normal(shape, dtype="float32"))
        self.bias = weft.Variable(rng.standard_normal(COLUMNS, dtype="float32"))
        square = rng.standard_normal((COLUMNS, COLUMNS), dtype="float32") / 10
        self.matrix = weft.Variable(square)

    def __call__(self, x, y):
        rng = np.random.default_rng(self.seed)
        whole, small = [x, y, self.variable * 1.0], [self.bias * 1.0]
        for _ in range(rng.integers(6, 16)):
            kind, a = rng.integers(0, 12), whole[rng.integers(len(whole))]
            if kind < 4:
                whole.append(UNARY[rng.integers(len(UNARY))](a))
            elif kind < 8:
                others = whole if rng.random() < 0.6 else small
                whole.append(
                    BINARY[rng.integers(len(BINARY))](a, others[rng.integers(len(others))])
                )
            elif kind == 8:
                small.append(SMALL[rng.integers(len(SMALL))](a.astype("float32")))
            elif kind == 9:
                whole.append(ops.tanh(a.astype("float32") @ self.matrix))
            elif kind == 10:
                self.variable.assign(a.astype("float32") * 0.5)
            else:
                whole.append(self.variable + a)  # of what was perhaps assigned just now
        picked = rng.permutation(len(whole))[: rng.integers(1, 4)]
        return [whole[i] for i in picked], small[-1]


# What is multiplied: each takes another way through the kernels of products and convolutions.
MATRICES = [
    ((67, 97), (97, 97)), ((5, 40, 64), (64, 48)), ((90, 300), (300, 600)), ((60, 30), (30, 1100)),
    ((3, 300), (300, 700)), ((4, 30, 50), (4, 50, 40)), ((400, 40), (40, 3)), ((1, 60), (60, 5000)),
    ((60,), (60, 300)), ((300, 60), (60,)), ((6, 6), (6, 1)),
]  # fmt: skip
TRANSPOSED = [((32, 300), (900, 300)), ((7, 200), (90, 200)), ((100, 70), (300, 70))]
IMAGES = [
    ((2, 12, 13, 16), (3, 3, 16, 32), {"padding": "same"}),  # Winograd's
    ((1, 30, 6, 16), (3, 3, 16, 17), {}),
    ((3, 9, 11, 5), (3, 3, 5, 20), {"strides": 2}),
    ((2, 9, 8, 12), (1, 1, 12, 33), {}),
    ((20, 5, 6, 8), (3, 3, 8, 40), {"padding": "same"}),
    ((2, 9, 8, 8), (3, 3, 4, 12), {"groups": 2}),
    ((2, 9, 8, 8), (3, 3, 1, 8), {"groups": 8}),
    ((2, 12, 12, 3), (3, 3, 3, 40), {"dilation_rate": 2}),
    ((3, 12, 12, 3), (5, 5, 3, 6), {"padding": "same"}),  # two pixels as one
]
STEPS = [
    lambda y, a: y + a["row"],
    lambda y, a: a["row"] + y,
    lambda y, a: ops.relu(y),
    lambda y, a: ops.gelu(y),
    lambda y, a: ops.gelu(y, approximate=True),
    lambda y, a: y * 0.125,
    lambda y, a: a["same"] + y,
    lambda y, a: y - a["same"],
    lambda y, a: y * a["column"],
    lambda y, a: y + y,
    lambda y, a: y.astype("float16"),
    lambda y, a: y.astype("bfloat16").astype("float32"),
]


class RandomProduct:
    """A product or a convolution, random elementwise work behind it, perhaps a gradient."""

    def __init__(self, seed):
        rng = self.rng = np.random.default_rng(seed)
        every = [(x, w, None) for x, w in MATRICES] + IMAGES
        every += [(x, w, "transposed") for x, w in TRANSPOSED]
        x_shape, w_shape, self.how = every[seed % len(every)]
        self.x = weft.Variable(rng.standard_normal(x_shape, dtype="float32"))
        self.w = weft.Variable(rng.standard_normal(w_shape, dtype="float32") / 8)
        shape = self.product().shape
        last = {"row": shape[-1:], "same": shape, "column": (*shape[:-1], 1)}
        self.others = {
            name: weft.Variable(rng.standard_normal(s, dtype="float32")) for name, s in last.items()
        }
        self.steps = [STEPS[i] for i in rng.integers(0, len(STEPS), rng.integers(1, 6))]
        if seed % 3 == 0:
            self.steps[:0] = [STEPS[0], STEPS[2]][: 1 + seed % 2]  # what an epilogue takes
        self.assigns, self.keeps, self.has_gradient = rng.random(3) < (0.2, 0.3, 0.5)

    def product(self):
        if isinstance(self.how, dict):
            return ops.conv2d(self.x, self.w, **self.how)
        return self.x @ (self.w.T if self.how == "transposed" else self.w)

    def __call__(self):
        values = [self.product()]
        for step in self.steps:
            values.append(step(values[-1], self.others))
        found = [values[-1]] + ([values[len(values) // 2]] if self.keeps else [])
        if self.has_gradient:
            leaves = [self.x, self.w, *self.others.values()]
            gradients = weft.grad(
                [(values[-1].astype("float32") ** 2).sum()], leaves, allow_unused=True
            )
            found += [g for g in gradients if g is not None]
        if self.assigns:
            self.others["same"].assign(values[-1].astype("float32") * 0.5)
        return found


def results_of(step, arguments, **options):
    captured = weft.capture(step, required=True, **options)
    found = []
    for x, y in arguments:
        values, small = captured(weft.tensor(x), weft.tensor(y))
        found += [v.numpy() for v in values] + [small.numpy(), step.variable.numpy().copy()]
    return found, captured.programs[0]


@pytest.mark.parametrize("seed", range(60))
def test_random_steps_give_the_same_bits(seed, everywhere):
    if everywhere != "cpu" and seed >= 30:
        pytest.skip("a few are enough on a simulated device")
    rng = np.random.default_rng(seed)
    arguments = [
        rng.standard_normal((2, ROWS, COLUMNS), dtype="float32").clip(-3, 3) for _ in range(5)
    ]
    plain, before = results_of(RandomStep(seed), arguments, passes=[])
    rewritten, after = results_of(RandomStep(seed), arguments)
    assert_same(plain, rewritten)
    assert not before.passes
    assert len(after.launches) <= len(before.launches)


def replayed_products(seed, passes):
    step = RandomProduct(seed)
    captured = weft.capture(step, required=True, passes=passes)
    found = []
    for turn in range(5):
        step.x.assign(step.x + 0.25 * turn)
        found += [v.numpy() for v in captured()] + [step.others["same"].numpy().copy()]
    return found, captured.programs[0]


@pytest.mark.parametrize("seed", range(60))
def test_what_follows_a_product_gives_the_same_bits(seed, everywhere):
    if everywhere != "cpu" and seed >= 20:
        pytest.skip("a few are enough on a simulated device")
    plain, before = replayed_products(seed, [])
    folded, after = replayed_products(seed, None)
    assert_same(plain, folded)
    assert len(after.launches) <= len(before.launches)


@pytest.mark.parametrize("seed", range(60, 100))
def test_what_follows_a_product_for_each_instruction_set(seed, isa):
    plain, _ = replayed_products(seed, [])
    weft.set_num_threads(2)
    try:
        folded, _ = replayed_products(seed, None)
    finally:
        weft.set_num_threads(1)
    assert_same(plain, folded)


def names_after(step, *arguments, **options):
    captured = weft.capture(step, required=True, **options)
    for _ in range(4):
        found = captured(*arguments)
    return found, [name for name, *_ in captured.programs[0].launches], captured.programs[0]


def test_a_bias_and_a_relu_are_the_epilogue_of_a_product(everywhere):
    rng = np.random.default_rng(0)
    x, w, image, kernel, row = (
        weft.tensor(rng.standard_normal(shape, dtype="float32"))
        for shape in ((2, 5, 9), (9, 7), (2, 6, 6, 4), (3, 3, 4, 7), (7,))
    )

    def step():
        pixels = ops.relu(ops.conv(image, kernel) + row)
        return pixels.sum(), ops.relu(row + x @ w), x @ w + x @ w

    found, names, program = names_after(step)
    assert names.count("matmul + add + relu") == 1
    assert names.count("conv2d_forward + add + relu") == 1
    assert "pass epilogues: " in str(program)
    assert "conv2d_forward + add + relu" in program.passes[1].come
    for a, b in zip(found, step(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_with_gradients_have_epilogues_too(everywhere, dtype):
    rng = np.random.default_rng(3)
    image, kernel, w, row, bias = (
        weft.Variable(rng.standard_normal(shape).astype(dtype) / 2)
        for shape in ((2, 6, 6, 4), (3, 3, 4, 8), (8, 5), (8,), (5,))
    )

    def step():
        pixels = ops.relu(ops.conv2d(image, kernel) + row)  # relu's gradient needs its result only
        loss = ops.relu(pixels.mean(axis=(1, 2)) @ w + bias).sum()
        return [loss, *weft.grad([loss], [image, kernel, w, row, bias])]

    plain, names, _ = names_after(step, passes=[])
    assert not [name for name in names if "+" in name]
    folded, names, _ = names_after(step)
    assert names.count("conv2d_forward + add + relu") == 1
    assert names.count("matmul + add + relu") == 1
    assert_same([v.numpy() for v in plain], [v.numpy() for v in folded])


def test_a_relu_layer_behind_a_convolution_trains_to_the_same_bits():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((32, 8, 8, 3), dtype="float32"), rng.integers(0, 4, 32)
    found = []
    for passes in ([], None):
        programs.set_default_passes(passes)
        weft.random.seed(5)
        model = weft.models.Sequential(
            [layers.Conv2D(6, 3), layers.ReLU(), layers.Flatten(), layers.Dense(4)]
        )
        model.compile("adam", weft.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, y, batch_size=8, epochs=3, verbose=0)
        found.append([v.numpy() for v in model.weights])
        recorded = [program for key in model.programs for program in model.programs[key]]
        names = [name for program in recorded for name, *_ in program.launches]
        assert recorded
        assert names.count("conv2d_forward + relu") == (len(found) - 1) * len(recorded)
    assert_same(*found)


def test_an_epilogue_leaves_alone_what_others_need():
    rng = np.random.default_rng(0)
    square = rng.standard_normal((16, 16), dtype="float32")
    w, row = weft.Variable(square), weft.tensor(square[0])

    def step():
        kept = w @ w
        y = kept + row  # somebody looks at what was before
        w.assign(w @ w + row)  # copied: a product must not write what it reads
        half = (w @ w).astype("float16") + row.astype("float16")  # rounded in between
        return kept, y, half

    found = []
    for passes in ([], None):
        w.assign(square / 4)
        values, names, _ = names_after(step, passes=passes)
        found.append([v.numpy() for v in values] + [w.numpy().copy()])
        assert names.count("matmul + add") == len(found) - 1
    assert_same(*found)


def test_residuals_activations_and_casts_are_tails_of_a_product():
    rng = np.random.default_rng(0)
    x, w, residual = (
        weft.tensor(rng.standard_normal(shape, dtype="float32"))
        for shape in ((4, 300, 64), (64, 256), (4, 300, 256))
    )
    row = weft.tensor(rng.standard_normal(256, dtype="float32"))
    step = weft.capture(lambda: residual + ops.gelu(x @ w + row) * 0.5)
    half = weft.capture(lambda: ops.tanh((x @ w).astype("bfloat16")))
    for captured, name, itemsize in (
        (step, "matmul + add + gelu + multiply + add", 4),
        (half, "matmul + cast + tanh", 2),
    ):
        for _ in range(4):
            y = captured()
        np.testing.assert_array_equal(y.numpy(), captured.__wrapped__().numpy())
        (program,) = captured.programs
        assert [launch[0] for launch in program.launches] == [name]
        # A result of another size cannot lie where the product was.
        assert program.bytes_planned < y.size * (4 if itemsize == 2 else 1) + 4096


def test_a_chain_is_one_launch_and_needs_no_memory_for_what_is_in_between():
    rng = np.random.default_rng(0)
    x = weft.tensor(rng.standard_normal((256, 96), dtype="float32"))
    bias = weft.tensor(rng.standard_normal(96, dtype="float32"))

    def chain(x, bias):
        return ops.relu((x + bias) * 2.0 - x.max(axis=1, keepdims=True))

    captured = weft.capture(chain)
    for _ in range(4):
        y = captured(x, bias)
    np.testing.assert_array_equal(y.numpy(), chain(x, bias).numpy())
    (program,) = captured.programs
    names = [name for name, *_ in program.launches]
    assert names == ["max", "add + multiply + subtract + relu"]
    assert program.bytes_planned < x.size * 4
    text = str(program)
    assert "pass chains: 5 -> 2 launches" in text
    assert "1 x add + multiply + subtract + relu" in text


def test_a_chain_on_a_gpu_is_interpreted_in_one_launch(gpu):
    x = weft.tensor(np.random.default_rng(0).standard_normal((5, 7), dtype="float32"))
    row, column = x.max(axis=1, keepdims=True), weft.tensor(np.arange(7, dtype="float32"))

    def chain(x, row, column):
        shifted = (x - row) * column
        return ops.tanh(shifted / 3.0 + 0.5), ops.sigmoid(shifted)

    captured = weft.capture(chain)
    for _ in range(4):
        found = captured(x, row, column)
    assert_same([v.numpy() for v in found], [v.numpy() for v in chain(x, row, column)])
    (program,) = captured.programs
    assert [name for name, *_ in program.launches] == [
        "subtract + multiply + divide + add + tanh + sigmoid"
    ]
    assert program.launches_in_graphs == 1


def test_statistics_of_batch_norm_are_updated_in_fewer_launches_on_a_gpu(gpu):
    found = []
    for passes in ([], None):
        programs.set_default_passes(passes)
        weft.random.seed(1)
        model = weft.Sequential(
            [weft.Input((5,)), layers.Dense(4), layers.BatchNormalization(), layers.ReLU()]
        )
        model.compile("sgd", "mse")
        x = np.random.default_rng(0).random((6, 5), dtype="float32")
        losses = [model.train_on_batch(x, x[:, :4]) for _ in range(6)]
        launches = model.programs["train_on_batch"][0].launches
        found.append((losses, model.get_weights(), len(launches)))
    (losses, weights, before), (joined_losses, joined_weights, after) = found
    assert losses == joined_losses
    assert_same(weights, joined_weights)
    assert after <= before - 4


def test_results_that_somebody_holds_are_computed():
    held = []

    def step(x):
        t = x * 2.0
        held[:] = [t]
        return ops.relu(t + 1.0)

    captured = weft.capture(step)
    x = weft.tensor(np.ones((128, 64), "float32"))
    for _ in range(4):
        captured(x)
    replayed = captured(x + 1.0)
    np.testing.assert_array_equal(replayed.numpy(), np.full((128, 64), 5.0))
    np.testing.assert_array_equal(held[0].numpy(), np.full((128, 64), 4.0))


def test_dead_launches_go_and_effects_stay():
    counter = weft.Variable(0.0)

    def step(x):
        (x @ x.T).sum()  # nobody looks
        counter.assign_add(1.0)
        return x + 1.0

    captured = weft.capture(step)
    for _ in range(5):
        captured(weft.ones((4, 3)))
    assert float(counter) == 5
    (program,) = captured.programs
    assert "matmul" not in [name for name, *_ in program.launches]
    assert "matmul" in program.passes[0].gone
    kept = weft.capture(step, passes=["tails", "chains"])
    for _ in range(4):
        kept(weft.ones((4, 3)))
    assert "matmul" in [name for name, *_ in kept.programs[0].launches]


def test_arguments_that_share_memory_are_not_rearranged():
    def step(a, b):
        c = a * 2.0
        b += 1.0  # `a` may be the same array
        return ops.relu(c + a)

    for passes in ([], None):
        captured = weft.capture(step, passes=passes)
        for _ in range(5):
            x = weft.tensor(np.full((128, 64), 1.0, "float32"))
            found = captured(x, x).numpy()
            np.testing.assert_array_equal(found, np.full((128, 64), 4.0))


def small_resnet(jit):
    weft.random.seed(3)
    inputs = x = weft.Input((16, 16, 4))
    for filters in (8, 12):
        y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y))
        x = layers.Conv2D(filters, 1)(x)
        x = layers.ReLU()(layers.Add()([x, y]))
        x = layers.MaxPooling2D(2)(x) if filters == 8 else layers.AveragePooling2D(3, strides=2)(x)
        x = layers.Activation("tanh")(x)
    outputs = layers.Dense(3)(layers.GlobalAveragePooling2D()(x))
    model = weft.Model(inputs, outputs)
    loss = weft.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=jit)
    return model


@pytest.mark.parametrize("threads", [1, 2])
def test_batch_norm_and_pooling_with_tails(threads, isa):
    rng = np.random.default_rng(1)
    x, y = rng.random((24, 16, 16, 4), dtype="float32"), rng.integers(0, 3, 24)
    before = weft.num_threads()
    weft.set_num_threads(threads)
    try:
        found = []
        for jit in (False, "auto"):
            model = small_resnet(jit)
            losses = [model.train_on_batch(x, y) for _ in range(6)]
            predicted = [model.predict_on_batch(x) for _ in range(5)][-1]
            found.append((losses, model.get_weights(), predicted))
    finally:
        weft.set_num_threads(before)
    (losses, weights, predicted), (replayed, replayed_weights, replayed_predicted) = found
    assert losses == replayed
    assert_same(weights, replayed_weights)
    np.testing.assert_array_equal(predicted, replayed_predicted)
    names = [name for name, *_ in model.programs["train_on_batch"][0].launches]
    assert any(name.startswith("batch_norm + ") for name in names)
    assert any(name.startswith("max_pool2d_backward + ") for name in names)


def test_small_results_are_left_alone():
    before = weft._C.set_fusion_limits(256 << 10, 16 << 20)
    try:
        for rows, launches in ((8, 3), (2048, 1)):
            captured = weft.capture(lambda x: ops.relu(x * 2.0 + 1.0))
            for _ in range(4):
                captured(weft.ones((rows, 64)))
            assert len(captured.programs[0].launches) == launches
    finally:
        weft._C.set_fusion_limits(*before)


def test_names_of_passes_are_checked():
    with pytest.raises(ValueError, match="there is no pass 'chain'; there are dead"):
        weft.capture(lambda x: x, passes=["chain"])
    with pytest.raises(ValueError, match="must be a list of names"):
        programs.set_default_passes("dead")
    programs.set_default_passes(["dead"])
    try:
        assert programs.default_passes() == ("dead",)
    finally:
        programs.set_default_passes(None)
    assert programs.default_passes() == tuple(programs.passes())
