#include "ops/sort.h"

#include <cmath>

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"

namespace weft {

namespace kernels {
constinit Kernel<SortParams> sort("sort");
constinit Kernel<SortParams> argsort("argsort");
constinit Kernel<TopkParams> topk("topk");
}  // namespace kernels

namespace {

// x as (rows, n) with the sorted axis last, and the way back.
struct Rows {
  Tensor matrix;
  Shape shape;       // with the axis last
  Dims permutation;  // from that shape to the order of x's axes

  Rows(const Tensor& x, int axis) {
    Dims order;
    for (int i = 0; i < x.ndim(); i++)
      if (i != axis) order.push_back(i);
    order.push_back(axis);
    const Tensor moved = contiguous(weft::transpose(x, order));
    shape = moved.shape();
    const int64_t n = shape.back();
    matrix = try_reshape(moved, {n > 0 ? x.size() / n : 0, n});
    permutation = Dims(x.ndim());
    for (int i = 0; i < x.ndim(); i++) permutation[static_cast<int>(order[i])] = i;
  }

  Tensor restore(const Tensor& result) const {
    Shape s = shape;
    s[s.size() - 1] = result.dim(1);
    // The number of rows is lost where n is 0.
    return contiguous(weft::transpose(try_reshape(result, s), permutation));
  }
};

template <class Params>
Tensor along_axis(const Kernel<Params>& kernel, const Params& params, const Tensor& x, int64_t axis,
                  int64_t length, DType dtype) {
  const int at = normalize_axis(axis, x.ndim(), kernel.name());
  const Rows rows(x, at);
  const Tensor y = Tensor::empty({rows.matrix.dim(0), length}, dtype, x.device());
  if (y.size() == 0) {
    Shape shape = x.shape();
    shape[at] = length;
    return Tensor::empty(shape, dtype, x.device());
  }
  const double n = static_cast<double>(rows.matrix.dim(1));
  const auto comparisons = static_cast<int64_t>(static_cast<double>(x.size()) * std::log2(n + 1));
  launch(kernel, x.dtype(), params, {comparisons, bytes_of(x) + bytes_of(y)}, {&rows.matrix}, {&y});
  return rows.restore(y);
}

int64_t length_of(const Tensor& x, int64_t axis, const char* op) {
  check(x.ndim() > 0, op, ": a 0-d tensor has no axis to sort");
  return x.dim(normalize_axis(axis, x.ndim(), op));
}

}  // namespace

Tensor sort(const Tensor& x, int64_t axis, bool descending) {
  return along_axis(kernels::sort, SortParams{descending}, x, axis, length_of(x, axis, "sort"),
                    x.dtype());
}

Tensor argsort(const Tensor& x, int64_t axis, bool descending) {
  return along_axis(kernels::argsort, SortParams{descending}, x, axis,
                    length_of(x, axis, "argsort"), DType::int64);
}

Tensor topk_indices(const Tensor& x, int64_t k, int64_t axis, bool largest) {
  const int64_t n = length_of(x, axis, "topk");
  check(0 <= k && k <= n, "topk: k must lie between 0 and the size ", n, " of axis ", axis,
        ", got ", k);
  return along_axis(kernels::topk, TopkParams{k, largest}, x, axis, k, DType::int64);
}

WEFT_BINDING(sort) {
  using pybind11::arg;
  m.def("sort", &sort, arg("x"), arg("axis"), arg("descending"));
  m.def("argsort", &argsort, arg("x"), arg("axis"), arg("descending"));
  m.def("topk_indices", &topk_indices, arg("x"), arg("k"), arg("axis"), arg("largest"));
}

}  // namespace weft
