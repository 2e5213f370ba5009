"""What `fit` accepts as data, splits and scalers."""

import numpy as np
import pytest

import weft
from weft import layers
from weft.data.epochs import Epochs
from weft.data.sources import ArraySource, make_source, unpack


def batches_of(source):
    return [tuple(t.numpy().copy() for t in batch) for batch in source.batches()]


def linear(m=3, k=1, rate=0.1):
    model = weft.Sequential([weft.Input((m,)), layers.Dense(k)])
    model.set_weights([np.full((m, k), 0.5), np.zeros(k)])
    model.compile(weft.optimizers.SGD(rate), "mse")
    return model


X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def test_unshuffled_batches_are_views_of_the_data():
    source = make_source(X, Y, batch_size=10)
    first, *_ = source.batches()
    assert np.shares_memory(first[0].numpy(), X)
    assert [len(x) for x, y in batches_of(source)] == [10, 10, 4]
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches_of(source)]), Y)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "uint8", "bool"])
def test_dtypes(dtype):
    source = make_source(X.astype(dtype))
    expected = "float32" if dtype == "float64" else dtype
    assert batches_of(source)[0][0].dtype == expected
    linear().fit(X.astype(dtype), Y, verbose=0)


def forms():
    torch = pytest.importorskip("torch")
    x, y = torch.from_numpy(X), torch.from_numpy(Y)

    class Rows(weft.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            rows = slice(8 * index, 8 * index + 8)
            return X[rows], Y[rows]

    def endless():
        while True:
            for i in range(0, 24, 8):
                yield X[i : i + 8], Y[i : i + 8]

    pairs = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 24, 8)]
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=8)
    arrays = {"batch_size": 8, "shuffle": False}
    return {
        "numpy": ((X, Y), arrays),
        "torch": ((x, y), arrays),
        "weft": ((weft.tensor(X), weft.tensor(Y)), arrays),
        "lists": ((X.tolist(), Y.tolist()), arrays),
        "float64": ((X.astype("float64"), Y.astype("float64")), arrays),
        "flat targets": ((X, Y[:, 0]), arrays),
        "transposed": ((np.asfortranarray(X), Y), arrays),
        "list of batches": ((pairs,), {}),
        "loader": ((loader,), {}),
        "dataset": ((Rows(),), {"shuffle": False}),
        "threads": ((Rows(workers=3),), {"shuffle": False}),
        "generator": ((endless(),), {"steps_per_epoch": 3}),
    }


@pytest.mark.parametrize("form", [
    "numpy", "torch", "weft", "lists", "float64", "flat targets", "transposed", "list of batches",
    "loader", "dataset", "threads", "generator",
])  # fmt: skip
def test_every_form_of_the_data_trains_alike(form):
    arguments, options = forms()[form]
    model, reference = linear(), linear()
    history = model.fit(*arguments, epochs=2, verbose=0, **options)
    expected = reference.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    assert history.history["loss"] == pytest.approx(expected.history["loss"], rel=1e-5)
    for one, other in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X.astype("float64"), columns=["a", "b", "c"])
    frame["c"] = frame["c"] > 0
    series = pd.Series(Y[:, 0], index=range(100, 124))
    batch = batches_of(make_source(frame, series))[0]
    assert batch[0].dtype == np.float32 and batch[1].shape == (24, 1)
    np.testing.assert_array_equal(batch[0][:, 2], X[:, 2] > 0)
    whole = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    assert batches_of(make_source(whole))[0][0].dtype == np.int64
    linear().fit(frame, series, verbose=0)


def test_dicts_and_lists_of_inputs():
    a, b = weft.Input((3,), name="a"), weft.Input((1,), name="b")
    model = weft.Model({"a": a, "b": b}, layers.Dense(1)(layers.Concatenate()([a, b])))
    model.compile("sgd", "mse")
    model.fit({"a": X, "b": Y}, Y, epochs=2, verbose=0)
    assert model.predict({"a": X, "b": Y}, batch_size=7, verbose=0).shape == (24, 1)


def test_workers_keep_the_order_and_pass_exceptions_on():
    class Numbers(weft.utils.PyDataset):
        def __len__(self):
            return 40

        def __getitem__(self, index):
            if index == 35 and self.broken:
                raise KeyError("row 35")
            return np.full((2, 1), index, "float32")

    dataset = Numbers(workers=4, max_queue_size=3)
    dataset.broken = False
    found = [x[0, 0] for (x,) in batches_of(make_source(dataset))]
    assert found == list(range(40))
    dataset.broken = True
    with pytest.raises(KeyError, match="row 35"):
        batches_of(make_source(dataset))


def test_datasets_hear_of_epochs_and_are_shuffled_by_batch():
    heard = []

    class Rows(weft.utils.PyDataset):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            heard.append(index)
            return X[index * 4 : index * 4 + 4], Y[index * 4 : index * 4 + 4]

        def on_epoch_end(self):
            heard.append("end")

    weft.utils.set_random_seed(0)
    linear().fit(Rows(), epochs=2, verbose=0)
    first, second = heard[: heard.index("end")], heard[heard.index("end") + 1 : -1]
    assert heard[-1] == "end" and sorted(first) == sorted(second) == list(range(6))
    assert first != second


def test_a_generator_that_ends_early_stops_training():
    def three():
        for i in range(3):
            yield X[i : i + 8], Y[i : i + 8]

    with pytest.warns(UserWarning, match="ran out after 1 of 2"):
        history = linear().fit(three(), steps_per_epoch=2, epochs=2, verbose=0)
    assert history.epoch == [0, 1]
    with pytest.warns(UserWarning, match="exhausted"):
        history = linear().fit(three(), epochs=3, verbose=0)
    assert len(history.history["loss"]) == 1


def test_steps_go_on_where_the_last_epoch_stopped():
    epochs = Epochs(ArraySource(np.arange(10), batch_size=2), steps=3)
    seen = [[int(x.numpy()[0]) for (x,) in epochs.epoch()] for _ in range(3)]
    assert seen == [[0, 2, 4], [6, 8, 0], [2, 4, 6]]


def test_class_weights():
    y = np.array([0, 1, 2, 1])
    one_hot = np.eye(3)[y]
    for labels in (y, y[:, None], one_hot, y.astype("float64")):
        source = make_source(X[:4], labels, class_weight={1: 5.0, 2: 0.5})
        weight = batches_of(source)[0][2]
        np.testing.assert_array_equal(weight.ravel(), [1, 5, 0.5, 5])


@pytest.mark.parametrize("make, words", [
    (lambda: make_source(X, Y[:20]), r"x has 24 rows, y has 20 rows"),
    (lambda: make_source(X[:0], Y[:0]), "empty"),
    (lambda: make_source(iter([]), None).peek(), "empty"),
    (lambda: make_source(X, Y, class_weight={0: 1}, sample_weight=Y), "together"),
    (lambda: make_source(iter([(X, Y)]), Y), "y cannot be given"),
    (lambda: make_source(iter([(X, Y)]), batch_size=3), "batch_size cannot be given"),
    (lambda: make_source(5.0), "cannot train on a float"),
    (lambda: make_source(np.float32(3)), "single number"),
    (lambda: make_source([[1, 2], [3]]), "unequal lengths"),
    (lambda: make_source(np.array([object()])), "Python objects"),
    (lambda: make_source(np.array([1j])), "complex"),
    (lambda: unpack((1, 2, 3, 4)), "tuple of 4"),
    (lambda: weft.utils.PyDataset(workers=0), "workers"),
    (lambda: weft.utils.PyDataset(use_multiprocessing=True), "threads"),
])  # fmt: skip
def test_impossible_data(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()


# --- splits and scalers --------------------------------------------------------------------------


@pytest.mark.parametrize("sizes, counts", [
    ((0.8, 0.1, 0.1), (80, 10, 10)), ((0.5, 0.5), (50, 50)), ((7, 3), (7, 3)), ((0.333,), (33,)),
])  # fmt: skip
@pytest.mark.parametrize("stratify", [None, True])
def test_split_sizes(sizes, counts, stratify):
    x, y = np.arange(100), np.arange(100) % 2
    parts = weft.data.train_val_test_split(x, y, sizes, stratify=stratify, seed=1)
    assert tuple(len(xs) for xs, _ in parts) == counts
    rows = np.concatenate([xs for xs, _ in parts])
    assert len(set(rows.tolist())) == len(rows)
    for xs, ys in parts:
        np.testing.assert_array_equal(ys, xs % 2)


@pytest.mark.parametrize("seed", range(20))
def test_stratified_parts_have_every_class_in_proportion(seed):
    rng = np.random.default_rng(seed)
    y = rng.choice(5, 300, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    parts = weft.data.train_val_test_split(np.arange(300), y, (0.7, 0.2, 0.1), stratify=True)
    for (rows, labels), share in zip(parts, (0.7, 0.2, 0.1), strict=True):
        np.testing.assert_array_equal(labels, y[rows])
        counts = np.bincount(labels, minlength=5)
        assert (abs(counts - share * np.bincount(y, minlength=5)) <= 1.5).all()


def test_split_follows_the_global_seed():
    def split():
        weft.utils.set_random_seed(5)
        return weft.data.train_val_test_split(np.arange(50))[0].tolist()

    assert split() == split()
    with pytest.raises(ValueError, match="class 1 has 1 rows"):
        weft.data.train_val_test_split(np.arange(5), [0, 0, 0, 0, 1], (0.5, 0.5), stratify=True)
    with pytest.raises(ValueError, match=r"sum to 1.2"):
        weft.data.train_val_test_split(np.arange(5), sizes=(0.6, 0.6))


@pytest.mark.parametrize("kind", [weft.data.Standardizer, weft.data.MeanNormalizer])
def test_scalers(kind):
    scaler = kind()
    with pytest.raises(ValueError, match=r"fit\(x\)"):
        scaler.transform(X)
    x = np.concatenate([X, np.ones((24, 1), "float32")], axis=1)
    scaled = scaler.fit(x).transform(x)
    assert scaled.dtype == np.float32 and (scaled[:, 3] == 0).all()
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaler.inverse_transform(scaled), x, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"\(4,\).*\(3,\)"):
        scaler.transform(X)


def test_to_categorical_and_normalize():
    np.testing.assert_array_equal(weft.utils.to_categorical([[1], [0]], 3), [[0, 1, 0], [1, 0, 0]])
    assert weft.utils.to_categorical(np.zeros((2, 3), "int8")).shape == (2, 3, 1)
    for wrong in ([-1], [3], [0.5]):
        with pytest.raises(ValueError, match=str(wrong[0])):
            weft.utils.to_categorical(wrong, 3)
    rows = weft.utils.normalize(X, order=1)
    np.testing.assert_allclose(abs(rows).sum(-1), 1, rtol=1e-5)
    assert (weft.utils.normalize(np.zeros((2, 2))) == 0).all()
