"""Every OpCase on every GPU (the simulated one, and a real one where there is one)."""

import itertools

import numpy as np
import pytest

import weft
from weft.testing import check
from weft.testing.opcase import LAYOUTS, arrays_in, cases, map_arrays

CASES = cases()
WITH_REFERENCE = [c for c in CASES if c.reference is not None]


def has_floats(call):
    values = itertools.chain(call.args, call.kwargs.values())
    return any(a.dtype.kind == "f" for v in values for a in arrays_in(v))


def check_device(results, gpu, call):
    if not any(isinstance(a, str) for a in call.args):  # to_device(x, "cpu") goes elsewhere
        assert {r.device for r in results} <= {gpu}, call


@pytest.mark.parametrize("case", WITH_REFERENCE, ids=repr)
def test_values_in_every_dtype(case, gpu):
    for dtype in case.dtypes + case.integer_dtypes:
        for call in case.all_samples():
            if dtype != case.dtypes[0] and not has_floats(call):
                continue
            actual = check.run(case, call, dtype, device=gpu)
            check_device(actual, gpu, call)
            check.compare(case, call, actual, check.expect(case, call, dtype))


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "contiguous"])
@pytest.mark.parametrize("case", WITH_REFERENCE, ids=repr)
def test_values_in_every_memory_layout(case, layout, gpu):
    for call in case.all_samples():
        actual = check.run(case, call, case.dtypes[0], layout, gpu)
        check.compare(case, call, actual, check.expect(case, call, case.dtypes[0]))


def weights_like(result):
    """1, 2, 3, ...: weights that differ, or a gradient in a wrong place would not show."""
    count = weft.arange(1.0, result.size + 1, dtype=result.dtype, device=result.device)
    return weft.reshape(count, result.shape)


def gradients(case, call, device):
    """The gradients of the sum of all results by every float argument, in float64."""
    structure = (call.args, tuple(call.kwargs.values()))
    leaves = []

    def convert(x):
        tensor = weft.tensor(check.in_dtype(x, "float64"), device=device)
        if x.dtype.kind == "f":
            tensor.requires_grad = True
            leaves.append(tensor)
        return tensor

    with weft.device(device):
        args, values = map_arrays(convert, structure)
        results = check.as_list(case.op(*args, **dict(zip(call.kwargs, values, strict=True))))
        total = sum((r * weights_like(r)).sum() for r in results if r.requires_grad)
        if not isinstance(total, weft.Tensor):
            return None
        total.backward()
    return [None if leaf.grad is None else leaf.grad.numpy() for leaf in leaves]


@pytest.mark.parametrize("case", [c for c in CASES if c.differentiable], ids=repr)
def test_gradients_equal_those_of_the_cpu(case, gpu):
    for call in case.all_samples():
        if not has_floats(call):
            continue
        expected = gradients(case, call, "cpu")
        if expected is None:
            continue
        for mine, other in zip(gradients(case, call, gpu), expected, strict=True):
            assert (mine is None) == (other is None)
            if mine is not None:
                scale = np.abs(other[np.isfinite(other)]).max(initial=1.0)
                np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11 * scale)


BAD = [(c, b) for c in CASES for b in c.bad]


@pytest.mark.parametrize("case, bad", BAD, ids=[f"{c}-{i}" for i, (c, _) in enumerate(BAD)])
def test_wrong_calls_explain_themselves(case, bad, gpu):
    args = check.to_tensors(bad.sample.args, "float32", "contiguous", gpu)
    kwargs = {
        k: check.to_tensors(v, "float32", "contiguous", gpu) for k, v in bad.sample.kwargs.items()
    }
    with pytest.raises(bad.error, match=f"(?is){bad.match_on_gpu or bad.match}"):
        case.op(*args, **kwargs)
        # What only the values show is raised when work on the device is waited for.
        weft._C.synchronize(gpu)


@pytest.mark.parametrize("dtype", ["bool", "int16", "float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((33, 70), (1, 0)),
        ((1, 200, 17), (0, 2, 1)),
        ((3, 40, 2, 35), (3, 0, 2, 1)),
        ((16, 5), (1, 0)),
    ],
    ids=str,
)
def test_transposed_copies_of_odd_sizes(shape, axes, dtype, gpu):
    x = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    y = weft.copy(weft.transpose(weft.tensor(x), axes))
    np.testing.assert_array_equal(y.numpy(), x.transpose(axes))
