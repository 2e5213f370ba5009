// NumPy indexing: x[key] and x[key] = value for every mixture of integers, slices, `...`, None,
// integer tensors and boolean masks, and the scattered copies underneath.
//
// Saves: the key or the indices; x itself is not kept.
// Cost: no FLOPs (one for each element added); elements are read and written once, offsets written
// and read.
// Error: none. Of m values added to one element, in their order and dtype: |error| <= m / 2 eps sum
// |values|.
#pragma once

#include <array>
#include <vector>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

// offsets[b] (+)= index[b] * stride, or, with a grid, + the grid's own offset at b. Negative
// indices count from the end when `wrap`.
struct IndexOffsetsParams {
  int64_t size;    // of the indexed axis: what the indices are checked against
  int64_t stride;  // of that axis
  bool wrap;
  bool accumulate;  // add to what offsets hold already (the second, third... index)
  int axis;         // the indexed axis, for messages
};

// y[a, b, c] = x[a, index[b], c], in memory without gaps.
struct TakeRowsParams {
  int64_t before, size, after;  // x: (before, size, after); y: (before, count, after)
};

namespace kernels {
// Operands: index (int64), grid (optional view whose strides alone matter), offsets (int64),
// error (2): {1, index} when an index is out of range, else {0, 0}.
extern Kernel<IndexOffsetsParams> index_offsets;
// Operands: x (rest...), offsets (B), y (B, rest...): y[b, r] = x[offsets[b] + r].
extern Kernel<NoParams> gather;
// For the CPU: long rows at indices of one axis, without a list of offsets. Operands: x, index
// (1-d, contiguous, int64), y, error (as above).
extern Kernel<TakeRowsParams> take_rows;
// Operands: values (B, rest...), offsets (B), x (rest...): x[offsets[b] + r] = values[b, r]; of
// equal offsets the last one stays.
extern Kernel<NoParams> scatter;
extern Kernel<NoParams> scatter_add;  // the same with +=, in the order of b
// Operands: mask (contiguous bool), count (0-d int64).
extern Kernel<NoParams> count_true;
// Operands: mask (contiguous bool), y (ndim, count): one row of coordinates for each axis.
extern Kernel<NoParams> nonzero;
}  // namespace kernels

struct IndexItem {
  enum class Kind : uint8_t { integer, slice, new_axis, ellipsis, tensor };
  Kind kind;
  int64_t start = 0, stop = 0, step = 1;  // integer: start; slice: as PySlice_Unpack gives them
  int tensor = -1;                        // position in IndexKey::tensors
};

// A key, free of Python: what stood between the brackets.
struct IndexKey {
  static constexpr int kMaxItems = 2 * kMaxDims + 1;
  std::array<IndexItem, kMaxItems> items;
  int count = 0;
  std::vector<Tensor> tensors;    // int64 or bool
  std::vector<int64_t> versions;  // of the tensors when the key was made

  void add(const IndexItem& item);
  void add(const Tensor& index);   // casts integers to int64; IndexError for other dtypes
  void require_unchanged() const;  // RuntimeError when a tensor was written to since
};

// What x[key] is: a view, or a gather from a view.
struct IndexPlan {
  Tensor view;        // basic key: the result; else x without the axes the tensors index
  Tensor offsets;     // undefined for a basic key; int64 of shape (B,)
  Shape index_shape;  // broadcast shape of the index tensors: B elements
  int position = 0;   // where index_shape stands among the view's axes in the result

  bool is_view() const { return !offsets.defined(); }
  Shape result_shape() const;
};
IndexPlan plan_index(const Tensor& x, const IndexKey& key);

Tensor getitem(const Tensor& x, const IndexKey& key);  // a view for basic keys, else a copy
// x[:, ..., indices] with `indices` at `axis`; always a copy.
Tensor take(const Tensor& x, const Tensor& indices, int64_t axis);
void setitem(const Tensor& x, const IndexKey& key, const Tensor& value);
// x[key] += value, where an element named several times receives every one of its values.
void additem(const Tensor& x, const IndexKey& key, const Tensor& value);

// y[..., i, ...] = x[..., indices[..., i, ...], ...] along `axis`; other axes broadcast.
Tensor take_along_axis(const Tensor& x, const Tensor& indices, int64_t axis);
// The reverse, in place: writes or adds `values` at the indices.
void put_along_axis(const Tensor& x, const Tensor& indices, const Tensor& values, int64_t axis,
                    bool accumulate);

// (ndim, count) int64: the coordinates of the elements that are not 0, in row-major order.
Tensor nonzero(const Tensor& x);
// Ones at the labels along a new axis of `classes` entries, zeros elsewhere.
Tensor one_hot(const Tensor& labels, int64_t classes, int64_t axis, DType dtype);

}  // namespace weft
