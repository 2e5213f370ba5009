#include "core/dims.h"

#include <algorithm>
#include <ostream>

namespace weft {

int64_t num_elements(const Shape& shape) {
  int64_t n = 1;
  bool empty = false;
  for (int64_t d : shape) {
    check(d >= 0, "shape ", shape, " has a negative size");
    empty |= d == 0;
  }
  if (empty) return 0;
  for (int64_t d : shape)
    check(!__builtin_mul_overflow(n, d, &n) && n < (int64_t{1} << 59), "shape ", shape,
          " has more elements than can be addressed");
  return n;
}

Strides row_major_strides(const Shape& shape) {
  Strides strides(shape.size());
  int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; i--) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op) {
  Shape out(std::max(a.size(), b.size()));
  for (int i = 1; i <= out.size(); i++) {
    const int64_t x = i <= a.size() ? a[a.size() - i] : 1;
    const int64_t y = i <= b.size() ? b[b.size() - i] : 1;
    check(x == y || x == 1 || y == 1, op, ": shapes ", a, " and ", b, " do not broadcast: sizes ",
          x, " and ", y, " of axis ", -i, " differ and neither is 1");
    out[out.size() - i] = x == 1 ? y : x;
  }
  return out;
}

int normalize_axis(int64_t axis, int ndim, const char* op) {
  check_index(-ndim <= axis && axis < ndim, op, ": axis ", axis,
              " is out of range for a tensor with ", ndim, ndim == 1 ? " axis" : " axes");
  return static_cast<int>(axis < 0 ? axis + ndim : axis);
}

std::ostream& operator<<(std::ostream& out, const Dims& dims) {
  out << '(';
  for (int i = 0; i < dims.size(); i++) out << (i ? ", " : "") << dims[i];
  return out << (dims.size() == 1 ? ",)" : ")");
}

}  // namespace weft
