#include "ops/concatenate.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/one_device.h"

namespace weft {
namespace {

DType promoted_dtype(const std::vector<Tensor>& tensors) {
  DType dtype = tensors[0].dtype();
  for (const Tensor& t : tensors) dtype = promote(dtype, t.dtype());
  return dtype;
}

// Copies every tensor to its place along `axis` of y: strided copies, long runs where possible.
void copy_in_order(const std::vector<Tensor>& tensors, int axis, const Tensor& y) {
  int64_t start = 0;
  for (const Tensor& t : tensors) {
    const Tensor part = slice(y, axis, start, t.dim(axis), 1);
    start += t.dim(axis);
    if (t.size() > 0)
      launch(kernels::cast, t.dtype(), NoParams{}, {0, bytes_of(t) + bytes_of(part)}, {&t},
             {&part});
  }
}

}  // namespace

Tensor concatenate(const std::vector<Tensor>& tensors, int64_t axis) {
  check(!tensors.empty(), "concatenate: give at least one tensor");
  const Tensor& first = tensors[0];
  check(first.ndim() > 0, "concatenate: 0-d tensors have no axis to join; use stack");
  const int at = normalize_axis(axis, first.ndim(), "concatenate");
  Shape shape = first.shape();
  for (size_t i = 1; i < tensors.size(); i++) {
    const Tensor& t = tensors[i];
    bool fits = t.ndim() == first.ndim();
    for (int d = 0; fits && d < first.ndim(); d++) fits = d == at || t.dim(d) == first.dim(d);
    check(fits, "concatenate: tensor 0 has shape ", first.shape(), " and tensor ", i, " has shape ",
          t.shape(), "; all sizes but that of axis ", at, " must be equal");
    check_one_device("concatenate", "tensor 0", first, "another", t);
    shape[at] += t.dim(at);
  }
  const Tensor y = Tensor::empty(shape, promoted_dtype(tensors), first.device());
  copy_in_order(tensors, at, y);
  return y;
}

Tensor stack(const std::vector<Tensor>& tensors, int64_t axis) {
  check(!tensors.empty(), "stack: give at least one tensor");
  const Tensor& first = tensors[0];
  const int at = normalize_axis(axis, first.ndim() + 1, "stack");
  std::vector<Tensor> expanded;
  for (size_t i = 0; i < tensors.size(); i++) {
    const Tensor& t = tensors[i];
    check(t.shape() == first.shape(), "stack: tensor 0 has shape ", first.shape(), " and tensor ",
          i, " has shape ", t.shape(), "; all shapes must be equal");
    check_one_device("stack", "tensor 0", first, "another", t);
    Shape shape = t.shape();
    Strides strides = t.strides();
    shape.insert(at, 1);
    strides.insert(at, 0);
    expanded.push_back(t.view(shape, strides, t.offset()));
  }
  return concatenate(expanded, at);
}

WEFT_BINDING(concatenate) {
  const auto join = [&m](const char* name,
                         Tensor (*function)(const std::vector<Tensor>&, int64_t)) {
    m.def(
        name,
        [function](int64_t axis, const pybind11::args& tensors) {
          std::vector<Tensor> parts;
          for (const Tensor* t : tensors_in(tensors)) parts.push_back(*t);
          return function(parts, axis);
        },
        pybind11::arg("axis"));
  };
  join("concatenate", &concatenate);
  join("stack", &stack);
}

}  // namespace weft
