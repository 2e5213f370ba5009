#include "ops/view.h"

#include <algorithm>

#include "bindings/binding.h"

namespace weft {

Tensor flip(const Tensor& x, const Dims& axes) {
  Strides strides = x.strides();
  int64_t offset = x.offset();
  bool flipped[kMaxDims] = {};
  for (int64_t axis : axes) {
    const int at = normalize_axis(axis, x.ndim(), "flip");
    check(!flipped[at], "flip: axes ", axes, " name axis ", at, " twice");
    flipped[at] = true;
    if (x.dim(at) > 0) offset += (x.dim(at) - 1) * x.stride(at);
    strides[at] = -x.stride(at);
  }
  return x.view(x.shape(), strides, offset);
}

Tensor expand_dims(const Tensor& x, const Dims& axes) {
  const int ndim = x.ndim() + axes.size();
  check(ndim <= kMaxDims, "expand_dims: a tensor has at most ", kMaxDims, " axes");
  bool is_new[kMaxDims] = {};
  for (int64_t axis : axes) {
    const int at = normalize_axis(axis, ndim, "expand_dims");
    check(!is_new[at], "expand_dims: axes ", axes, " name axis ", at, " twice");
    is_new[at] = true;
  }
  Shape shape(ndim);
  Strides strides(ndim);
  for (int i = 0, from = 0; i < ndim; i++) {
    shape[i] = is_new[i] ? 1 : x.dim(from);
    strides[i] = is_new[i] ? 0 : x.stride(from);
    from += !is_new[i];
  }
  return x.view(shape, strides, x.offset());
}

Tensor squeeze(const Tensor& x, const Dims& axes) {
  bool dropped[kMaxDims] = {};
  for (int64_t axis : axes) {
    const int at = normalize_axis(axis, x.ndim(), "squeeze");
    check(x.dim(at) == 1, "squeeze: axis ", at, " of shape ", x.shape(), " has size ", x.dim(at),
          "; only axes of size 1 can be removed");
    dropped[at] = true;
  }
  Shape shape;
  Strides strides;
  for (int i = 0; i < x.ndim(); i++) {
    if (dropped[i]) continue;
    shape.push_back(x.dim(i));
    strides.push_back(x.stride(i));
  }
  return x.view(shape, strides, x.offset());
}

Tensor squeeze_all(const Tensor& x) {
  Dims axes;
  for (int i = 0; i < x.ndim(); i++)
    if (x.dim(i) == 1) axes.push_back(i);
  return squeeze(x, axes);
}

Tensor diagonal(const Tensor& x, int64_t offset, int64_t axis1, int64_t axis2) {
  check(x.ndim() >= 2, "diagonal: x needs at least 2 axes, got shape ", x.shape());
  const int rows = normalize_axis(axis1, x.ndim(), "diagonal");
  const int columns = normalize_axis(axis2, x.ndim(), "diagonal");
  check(rows != columns, "diagonal: axis1 and axis2 are both axis ", rows);
  const int64_t length =
      std::max<int64_t>(0, offset >= 0 ? std::min(x.dim(rows), x.dim(columns) - offset)
                                       : std::min(x.dim(rows) + offset, x.dim(columns)));
  Shape shape;
  Strides strides;
  for (int i = 0; i < x.ndim(); i++) {
    if (i == rows || i == columns) continue;
    shape.push_back(x.dim(i));
    strides.push_back(x.stride(i));
  }
  shape.push_back(length);
  strides.push_back(x.stride(rows) + x.stride(columns));
  const int64_t start = offset >= 0 ? offset * x.stride(columns) : -offset * x.stride(rows);
  return x.view(shape, strides, length > 0 ? x.offset() + start : x.offset());
}

WEFT_BINDING(view) {
  using pybind11::arg;
  m.def("flip", &flip, arg("x"), arg("axes"));
  m.def("expand_dims", &expand_dims, arg("x"), arg("axes"));
  m.def("squeeze", &squeeze, arg("x"), arg("axes"));
  m.def("squeeze_all", &squeeze_all, arg("x"));
  m.def("diagonal", &diagonal, arg("x"), arg("offset"), arg("axis1"), arg("axis2"));
}

}  // namespace weft
