"""Every OpCase: values, layouts, dtypes, instruction sets, meta shapes, PyTorch, errors."""

import itertools

import numpy as np
import pytest

import weft
from weft.testing import check, coverage
from weft.testing.opcase import LAYOUTS, arrays_in, cases

CASES = cases()
WITH_REFERENCE = [c for c in CASES if c.reference is not None]


def has_floats(call):
    values = itertools.chain(call.args, call.kwargs.values())
    return any(a.dtype.kind == "f" for v in values for a in arrays_in(v))


def test_every_operation_has_a_case():
    assert coverage.uncovered() == []


@pytest.mark.parametrize("case", WITH_REFERENCE, ids=repr)
def test_values_in_every_dtype_and_instruction_set(case, isa):
    for dtype in case.dtypes + case.integer_dtypes:
        for call in case.all_samples():
            if dtype != case.dtypes[0] and not has_floats(call):
                continue
            check.compare(case, call, check.run(case, call, dtype), check.expect(case, call, dtype))


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "contiguous"])
@pytest.mark.parametrize("case", WITH_REFERENCE, ids=repr)
def test_values_in_every_memory_layout(case, layout):
    for call in case.all_samples():
        actual = check.run(case, call, case.dtypes[0], layout)
        check.compare(case, call, actual, check.expect(case, call, case.dtypes[0]))


@pytest.mark.parametrize("case", WITH_REFERENCE, ids=repr)
def test_bits_do_not_depend_on_the_number_of_threads(case):
    before = weft.num_threads()
    try:
        for call in case.all_samples():
            weft.set_num_threads(1)
            one = check.run(case, call, case.dtypes[0])
            weft.set_num_threads(3)
            several = check.run(case, call, case.dtypes[0])
            for a, b in zip(one, several, strict=True):
                np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=f"{case}({call})")
    finally:
        weft.set_num_threads(before)


@pytest.mark.parametrize("case", [c for c in CASES if c.oracle is not None], ids=repr)
def test_values_agree_with_pytorch(case):
    torch = pytest.importorskip("torch")
    from weft.testing.opcase import map_arrays

    def convert(x):
        return torch.from_numpy(np.array(x))

    for call in case.all_samples():
        args = map_arrays(convert, call.args)
        kwargs = {k: map_arrays(convert, v) for k, v in call.kwargs.items()}
        expected = [r.numpy() for r in check.as_list(case.oracle(*args, **kwargs))]
        check.compare(case, call, check.run(case, call, "float64"), expected)


BAD = [(c, b) for c in CASES for b in c.bad]


@pytest.mark.parametrize("case, bad", BAD, ids=[f"{c}-{i}" for i, (c, _) in enumerate(BAD)])
def test_wrong_calls_explain_themselves(case, bad):
    args = check.to_tensors(bad.sample.args, "float32", "contiguous")
    kwargs = {k: check.to_tensors(v, "float32", "contiguous") for k, v in bad.sample.kwargs.items()}
    with pytest.raises(bad.error, match=f"(?is){bad.match}"):
        case.op(*args, **kwargs)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_shapes_and_dtypes_on_the_meta_device(case):
    for call in case.all_samples():
        args = check.to_tensors(call.args, case.dtypes[0], "contiguous")
        kwargs = {
            k: check.to_tensors(v, case.dtypes[0], "contiguous") for k, v in call.kwargs.items()
        }
        real = check.as_list(case.op(*args, **kwargs))
        args, kwargs = on_meta(args), {k: on_meta(v) for k, v in kwargs.items()}
        try:
            with weft.device("meta"):
                symbolic = check.as_list(case.op(*args, **kwargs))
        except TypeError as error:
            assert "meta" in str(error), error  # shapes that depend on values say so
            continue
        assert [(r.shape, r.dtype) for r in symbolic] == [(r.shape, r.dtype) for r in real], call
        assert {r.device for r in symbolic} <= {"meta"}, call


def on_meta(value):
    if isinstance(value, weft.Tensor):
        return value.to("meta")
    if isinstance(value, (list, tuple)):
        return type(value)(map(on_meta, value))
    return value


@pytest.mark.parametrize("case", [c for c in CASES if c.differentiable], ids=repr)
def test_recorded_views_are_marked_as_views(case):
    for call in case.all_samples():
        args = check.to_tensors(call.args, "float64", "contiguous")
        kwargs = {k: check.to_tensors(v, "float64", "contiguous") for k, v in call.kwargs.items()}
        inputs = [a for a in args if isinstance(a, weft.Tensor) and a.dtype.is_floating]
        for tensor in inputs:
            tensor.requires_grad = True
        for result in check.as_list(case.op(*args, **kwargs)):
            if result._node is not None and any(result.shares_memory(x) for x in inputs):
                assert result._view_version is not None, f"{case}: set returns_view on its Function"
