#include "ops/index.h"

#include "core/launch.h"
#include "ops/cast.h"
#include "ops/one_device.h"
#include "ops/transfer.h"

namespace weft {

namespace kernels {
constinit Kernel<IndexOffsetsParams> index_offsets("index_offsets");
constinit Kernel<NoParams> gather("gather");
constinit Kernel<TakeRowsParams> take_rows("take_rows");
constinit Kernel<NoParams> scatter("scatter");
constinit Kernel<NoParams> scatter_add("scatter_add");
constinit Kernel<NoParams> count_true("count_true");
constinit Kernel<NoParams> nonzero("nonzero");
}  // namespace kernels

namespace {

using Kind = IndexItem::Kind;

int64_t checked_index(int64_t index, int axis, int64_t size) {
  check_index(-size <= index && index < size, "index ", index, " is out of range for axis ", axis,
              " with size ", size);
  return index < 0 ? index + size : index;
}

// Length of start:stop:step on an axis, with start and stop clipped as Python clips them.
int64_t clip_slice(int64_t size, int64_t& start, int64_t& stop, int64_t step) {
  auto clip = [&](int64_t& at) {
    if (at < 0) at = at + size < 0 ? (step < 0 ? -1 : 0) : at + size;
    if (at >= size) at = step < 0 ? size - 1 : size;
  };
  clip(start);
  clip(stop);
  if (step > 0) return start < stop ? (stop - start - 1) / step + 1 : 0;
  return stop < start ? (start - stop - 1) / (-step) + 1 : 0;
}

bool is_mask(const Tensor& index) { return index.dtype() == DType::boolean; }

// Adds index * stride to the offsets, and calls `fail` with an index that leaves the axis. A GPU
// does not wait for the answer: its kernel leaves a note, which is raised when values are read
// next.
template <class Fail>
void add_offsets(const Tensor& index, const Tensor& grid, const IndexOffsetsParams& params,
                 const Tensor& offsets, Fail fail) {
  if (offsets.is_meta() || offsets.size() == 0) return;
  // Needs no look at the indices; and a GPU, which goes on with index 0, would have none to take.
  check_index(params.size > 0 || !is_gpu(offsets.device()),
              "an axis of size 0 has no elements, so no index is in range");
  check_one_device("getitem", "x", offsets, "the indices", index);
  const bool wait = !is_gpu(offsets.device());
  const Tensor error = wait ? Tensor::empty({2}, DType::int64) : Tensor();
  launch(kernels::index_offsets, DType::int64, params, {0, bytes_of(index) + bytes_of(offsets)},
         {&index, &grid}, {&offsets, &error});
  if (!wait) return;
  check_result([error, fail] {
    const int64_t* report = error.data_as<int64_t>();
    if (report[0] != 0) fail(report[1]);
  });
}

// One tensor of indices and the axis it walks.
struct Walk {
  Tensor index;
  int axis;
  int64_t size, stride;
};

class Planner {
 public:
  Planner(const Tensor& x, const IndexKey& key) : x_(x), key_(key), offset_(x.offset()) {}

  IndexPlan plan() {
    const int unnamed = count_unnamed_axes();
    for (int i = 0; i < key_.count; i++) {
      const IndexItem& item = key_.items[i];
      switch (item.kind) {
        case Kind::integer: add_integer(item.start); break;
        case Kind::slice: add_slice(item); break;
        case Kind::new_axis: keep_axis(1, 0); break;
        case Kind::ellipsis:
          end_run();
          keep_axes(unnamed);
          break;
        case Kind::tensor: add_tensor(key_.tensors[item.tensor]); break;
      }
    }
    keep_axes(x_.ndim() - axis_);
    IndexPlan plan;
    plan.view = x_.view(shape_, strides_, offset_);
    if (key_.tensors.empty()) return plan;
    plan.position = scattered_ ? 0 : position_;
    finish_offsets(plan);
    return plan;
  }

 private:
  int count_unnamed_axes() const {
    int named = 0, ellipses = 0;
    for (int i = 0; i < key_.count; i++) {
      const IndexItem& item = key_.items[i];
      if (item.kind == Kind::integer || item.kind == Kind::slice) named++;
      if (item.kind == Kind::ellipsis) ellipses++;
      if (item.kind == Kind::tensor) {
        const Tensor& index = key_.tensors[item.tensor];
        named += is_mask(index) ? index.ndim() : 1;
      }
    }
    check_index(ellipses <= 1, "an index can hold only one ellipsis ('...'), this one holds ",
                ellipses);
    check_index(named <= x_.ndim(), "too many indices: the tensor of shape ", x_.shape(), " has ",
                x_.ndim(), x_.ndim() == 1 ? " axis" : " axes", ", but ", named, " were indexed");
    return x_.ndim() - named;
  }

  void keep_axis(int64_t size, int64_t stride) {
    end_run();
    shape_.push_back(size);
    strides_.push_back(stride);
  }
  void keep_axes(int count) {
    for (; count > 0; count--, axis_++) {
      shape_.push_back(x_.dim(axis_));
      strides_.push_back(x_.stride(axis_));
    }
  }
  void add_integer(int64_t index) {
    begin_run();
    offset_ += checked_index(index, axis_, x_.dim(axis_)) * x_.stride(axis_);
    axis_++;
  }
  void add_slice(const IndexItem& item) {
    int64_t start = item.start, stop = item.stop;
    const int64_t length = clip_slice(x_.dim(axis_), start, stop, item.step);
    // An empty slice may start one past the end; its offset is never read.
    if (length > 0) offset_ += start * x_.stride(axis_);
    keep_axis(length, x_.stride(axis_) * item.step);
    axis_++;
  }
  void add_tensor(const Tensor& index) {
    begin_run();
    if (!is_mask(index)) return add_walk(at_hand(index));
    check_type(!index.is_meta(), "a boolean mask on the meta device has no values to count");
    for (int i = 0; i < index.ndim(); i++)
      check_index(index.dim(i) == x_.dim(axis_ + i), "boolean mask of shape ", index.shape(),
                  " does not fit the tensor of shape ", x_.shape(), ": axis ", axis_ + i,
                  " has size ", x_.dim(axis_ + i), ", the mask has ", index.dim(i));
    if (index.ndim() == 0) {  // a new axis of length 1 or 0
      const Tensor none = full({read<bool>(index) ? 1 : 0}, 0, DType::int64, x_.device());
      walks_.push_back({none, axis_, 1, 0});
      return;
    }
    const Tensor coordinates = at_hand(nonzero(index));
    const int64_t count = coordinates.dim(1);
    for (int i = 0; i < index.ndim(); i++)
      add_walk(coordinates.view({count}, {1}, coordinates.offset() + i * coordinates.stride(0)));
  }
  // Lists and NumPy arrays become indices on the CPU; they follow the tensor they index.
  Tensor at_hand(const Tensor& index) const {
    const bool moves = index.device().type == DeviceType::cpu && is_gpu(x_.device());
    return moves ? to_device(index, x_.device()) : index;
  }
  void add_walk(const Tensor& index) {
    walks_.push_back({index, axis_, x_.dim(axis_), x_.stride(axis_)});
    axis_++;
  }

  // NumPy puts the axes of the index tensors where the first of them stood, unless something else
  // than an integer stands between two of them: then they come first.
  void begin_run() {
    if (run_ == Run::none) {
      position_ = shape_.size();
      run_ = Run::open;
    }
    scattered_ |= run_ == Run::closed;
  }
  void end_run() {
    if (run_ == Run::open) run_ = Run::closed;
  }

  void finish_offsets(IndexPlan& plan) {
    try {
      for (const Walk& walk : walks_)
        plan.index_shape = broadcast_shapes(plan.index_shape, walk.index.shape(), "index");
    } catch (const Error& error) {
      fail(ErrorKind::index, "the index tensors do not fit together; ", error.what());
    }
    plan.offsets = Tensor::empty(plan.index_shape, DType::int64, x_.device());
    bool accumulate = false;
    for (const Walk& walk : walks_) {
      const Tensor index = broadcast_to(walk.index, plan.index_shape);
      add_offsets(
          index, Tensor(), {walk.size, walk.stride, true, accumulate, walk.axis}, plan.offsets,
          [axis = walk.axis, size = walk.size](int64_t bad) { checked_index(bad, axis, size); });
      accumulate = true;
    }
    const int64_t count = plan.offsets.size();
    // An axis of length 0 leaves nothing to point at, and an index into it was refused above.
    plan.offsets = try_reshape(plan.offsets, {count});
  }

  const Tensor& x_;
  const IndexKey& key_;
  int axis_ = 0;  // the next axis of x
  Shape shape_;   // of the part that stays a view
  Strides strides_;
  int64_t offset_;
  std::vector<Walk> walks_;
  enum class Run { none, open, closed } run_ = Run::none;
  int position_ = 0;
  bool scattered_ = false;
};

// The tensor `result`, of plan.result_shape(), as the kernels want it: (B, rest...).
Tensor index_axis_first(const IndexPlan& plan, const Tensor& result) {
  const int b = plan.index_shape.size(), rest = plan.view.ndim();
  Dims order;
  for (int i = 0; i < b; i++) order.push_back(plan.position + i);
  for (int i = 0; i < rest; i++) order.push_back(i < plan.position ? i : i + b);
  Shape shape{plan.offsets.size()};
  for (int64_t d : plan.view.shape()) shape.push_back(d);
  const Tensor permuted = transpose(result, order);
  const Tensor view = try_reshape(permuted, shape);
  return view.defined() ? view : try_reshape(contiguous_copy(permuted), shape);
}

// NumPy lets the assigned value have extra leading axes of length 1.
Tensor fit_value(const Tensor& value, const Shape& shape) {
  Tensor v = value;
  while (v.ndim() > shape.size() && v.dim(0) == 1) {
    Shape s = v.shape();
    Strides t = v.strides();
    s.erase(0);
    t.erase(0);
    v = v.view(s, t, v.offset());
  }
  return broadcast_to(v, shape, "assignment");
}

void require_writable(const Tensor& x) {
  check(x.storage()->writable(),
        "the tensor shares read-only memory and cannot be written; copy it first");
}

void launch_scatter(const Kernel<NoParams>& kernel, const Tensor& values, const Tensor& offsets,
                    const Tensor& x) {
  if (values.size() > 0)
    launch(kernel, x.dtype(), NoParams{}, {0, 2 * bytes_of(values) + bytes_of(offsets)},
           {&values, &offsets}, {&x});
  x.storage()->bump_version();
}

// The value in x's dtype, in memory of its own when it shares x's.
Tensor separate_value(const Tensor& value, const Tensor& x) {
  const Tensor v = cast(value, x.dtype());
  return v.storage().get() == x.storage().get() ? contiguous_copy(v) : v;
}

// For take_along_axis: a 1-d index at every point of a grid over the other axes of x.
struct AxisIndex {
  Tensor x, offsets;
  Shape shape;
};
AxisIndex offsets_along_axis(const Tensor& x, const Tensor& indices, int64_t axis, const char* op) {
  const int at = normalize_axis(axis, x.ndim(), op);
  check(indices.ndim() == x.ndim(), op, ": the indices have shape ", indices.shape(),
        ", x has shape ", x.shape(), "; both need the same number of axes");
  check_type(is_integer(indices.dtype()), op, ": indices must be integers, got ", indices.dtype());
  check_one_device(op, "x", x, "the indices", indices);
  Shape x_shape = x.shape(), index_shape = indices.shape();
  x_shape[at] = index_shape[at] = 1;
  Shape shape = broadcast_shapes(x_shape, index_shape, op);
  const Shape grid_shape = shape;
  shape[at] = indices.dim(at);
  // Only the strides of this view are read, so its extent along the axis may be anything.
  Tensor grid = broadcast_to(slice(x, at, 0, 1, 0), grid_shape, op);
  Strides grid_strides = grid.strides();
  grid_strides[at] = 0;
  grid = x.view(shape, grid_strides, x.offset());
  const Tensor index = broadcast_to(cast(indices, DType::int64), shape, op);
  const Tensor offsets = Tensor::empty(shape, DType::int64, x.device());
  add_offsets(index, grid, {x.dim(at), x.stride(at), true, false, at}, offsets,
              [at, size = x.dim(at)](int64_t bad) { checked_index(bad, at, size); });
  return {x.view({}, {}, x.offset()), try_reshape(offsets, {offsets.size()}), shape};
}

}  // namespace

void IndexKey::add(const IndexItem& item) {
  check_index(count < kMaxItems, "too many indices: an index has at most ", kMaxItems, " parts");
  items[count++] = item;
}

void IndexKey::add(const Tensor& index) {
  check_index(is_integer(index.dtype()) || is_mask(index),
              "a tensor used as an index must hold integers or booleans, got ", index.dtype());
  add({Kind::tensor, 0, 0, 1, static_cast<int>(tensors.size())});
  tensors.push_back(is_mask(index) ? index : cast(index, DType::int64));
  versions.push_back(tensors.back().storage()->version());
}

void IndexKey::require_unchanged() const {
  for (size_t i = 0; i < tensors.size(); i++)
    if (tensors[i].storage()->version() != versions[i])
      fail(ErrorKind::runtime,
           "indexing: the index tensor was changed in-place after it was used, so the gradient "
           "cannot be computed; index with a copy (index.copy())");
}

Shape IndexPlan::result_shape() const {
  Shape shape;
  for (int i = 0; i < position; i++) shape.push_back(view.dim(i));
  for (int64_t d : index_shape) shape.push_back(d);
  for (int i = position; i < view.ndim(); i++) shape.push_back(view.dim(i));
  return shape;
}

IndexPlan plan_index(const Tensor& x, const IndexKey& key) { return Planner(x, key).plan(); }

Tensor getitem(const Tensor& x, const IndexKey& key) {
  const IndexPlan plan = plan_index(x, key);
  if (plan.is_view()) return plan.view;
  const Tensor y = Tensor::empty(plan.result_shape(), x.dtype(), x.device());
  if (y.size() == 0) return y;
  const Tensor rows = index_axis_first(plan, y);
  launch(kernels::gather, x.dtype(), NoParams{}, {0, 2 * bytes_of(y) + bytes_of(plan.offsets)},
         {&plan.view, &plan.offsets}, {&rows});
  return y;
}

namespace {

// From a cache line on a row is worth a copy of its own.
bool are_rows(const Tensor& x, const Tensor& indices, int axis) {
  if (x.device().type != DeviceType::cpu || indices.device().type != DeviceType::cpu) return false;
  if (indices.dtype() != DType::int64 || !indices.is_contiguous() || !x.is_contiguous())
    return false;
  auto bytes = static_cast<int64_t>(itemsize(x.dtype()));
  for (int i = axis + 1; i < x.ndim(); i++) bytes *= x.dim(i);
  return bytes >= 64 && x.dim(axis) > 0 && indices.size() > 0;
}

Tensor take_rows(const Tensor& x, const Tensor& indices, int axis) {
  TakeRowsParams params{1, x.dim(axis), 1};
  Shape shape;
  for (int i = 0; i < axis; i++) shape.push_back(x.dim(i)), params.before *= x.dim(i);
  for (int64_t d : indices.shape()) shape.push_back(d);
  for (int i = axis + 1; i < x.ndim(); i++) shape.push_back(x.dim(i)), params.after *= x.dim(i);
  const Tensor y = Tensor::empty(shape, x.dtype());
  if (y.size() == 0) return y;
  const Tensor list = indices.view({indices.size()}, {1}, indices.offset());
  const Tensor error = Tensor::empty({2}, DType::int64);
  launch(kernels::take_rows, x.dtype(), params, {0, 2 * bytes_of(y) + bytes_of(list)}, {&x, &list},
         {&y, &error});
  check_result([error, axis, size = params.size] {
    const int64_t* report = error.data_as<int64_t>();
    if (report[0] != 0) checked_index(report[1], axis, size);
  });
  return y;
}

}  // namespace

Tensor take(const Tensor& x, const Tensor& indices, int64_t axis) {
  const int at = normalize_axis(axis, x.ndim(), "take");
  if (are_rows(x, indices, at)) return take_rows(x, indices, at);
  IndexKey key;
  for (int i = 0; i < at; i++) key.add({Kind::slice, 0, x.dim(i), 1});
  // A 0-d index would give a view, so it gets an axis that is dropped at the end.
  key.add(indices.ndim() > 0 ? indices : indices.view({1}, {1}, indices.offset()));
  const Tensor y = getitem(x, key);
  if (indices.ndim() > 0) return y;
  Shape shape = y.shape();
  shape.erase(at);
  return try_reshape(y, shape);
}

void setitem(const Tensor& x, const IndexKey& key, const Tensor& value) {
  require_writable(x);
  check_one_device("setitem", "x", x, "the value", value);
  const IndexPlan plan = plan_index(x, key);
  const Tensor fitted = fit_value(value, plan.result_shape());
  if (plan.is_view()) return copy_into(fitted, plan.view);
  const Tensor rows = index_axis_first(plan, separate_value(fitted, x));
  launch_scatter(kernels::scatter, rows, plan.offsets, plan.view);
}

void additem(const Tensor& x, const IndexKey& key, const Tensor& value) {
  require_writable(x);
  check_type(x.dtype() != DType::boolean, "adding at an index needs numbers, the tensor is bool");
  if (is_half(x.dtype())) {
    const Tensor sum = cast(x, DType::float32);
    additem(sum, key, value);
    return copy_into(sum, x);
  }
  check_one_device("index_add", "x", x, "the value", value);
  IndexPlan plan = plan_index(x, key);
  if (plan.is_view()) {  // one index at the origin of the view
    plan.offsets = full({1}, 0, DType::int64, x.device());
    plan.index_shape = {};
  }
  const Tensor fitted = fit_value(value, plan.result_shape());
  const Tensor rows = index_axis_first(plan, separate_value(fitted, x));
  launch_scatter(kernels::scatter_add, rows, plan.offsets, plan.view);
}

Tensor take_along_axis(const Tensor& x, const Tensor& indices, int64_t axis) {
  const AxisIndex at = offsets_along_axis(x, indices, axis, "take_along_axis");
  const Tensor y = Tensor::empty(at.shape, x.dtype(), x.device());
  if (y.size() == 0) return y;
  const Tensor flat = try_reshape(y, {y.size()});
  launch(kernels::gather, x.dtype(), NoParams{}, {0, 2 * bytes_of(y) + bytes_of(at.offsets)},
         {&at.x, &at.offsets}, {&flat});
  return y;
}

void put_along_axis(const Tensor& x, const Tensor& indices, const Tensor& values, int64_t axis,
                    bool accumulate) {
  require_writable(x);
  if (accumulate && is_half(x.dtype())) {
    const Tensor sum = cast(x, DType::float32);
    put_along_axis(sum, indices, values, axis, true);
    return copy_into(sum, x);
  }
  check_one_device("put_along_axis", "x", x, "the values", values);
  const AxisIndex at = offsets_along_axis(x, indices, axis, "put_along_axis");
  const Tensor fitted =
      contiguous(separate_value(broadcast_to(values, at.shape, "put_along_axis"), x));
  const Tensor flat = try_reshape(fitted, {fitted.size()});
  launch_scatter(accumulate ? kernels::scatter_add : kernels::scatter, flat, at.offsets, at.x);
}

Tensor nonzero(const Tensor& x) {
  check_type(!x.is_meta(),
             "nonzero: the shape of the result depends on values, which a tensor on the "
             "meta device does not have");
  const Tensor mask = contiguous(cast(x, DType::boolean));
  const Tensor count = full({}, 0, DType::int64, x.device());
  if (x.size() > 0)
    launch(kernels::count_true, DType::boolean, NoParams{}, {0, bytes_of(mask)}, {&mask}, {&count});
  const auto found = read<int64_t>(count);
  const Tensor y = Tensor::empty({x.ndim(), found}, DType::int64, x.device());
  if (y.size() > 0)
    launch(kernels::nonzero, DType::boolean, NoParams{}, {0, bytes_of(mask) + bytes_of(y)}, {&mask},
           {&y});
  return y;
}

Tensor one_hot(const Tensor& labels, int64_t classes, int64_t axis, DType dtype) {
  check(classes > 0, "one_hot: num_classes must be positive, got ", classes);
  check_type(is_integer(labels.dtype()) || is_mask(labels),
             "one_hot: labels must be integers, got ", labels.dtype(),
             "; convert with .astype('int64') first");
  const int at = normalize_axis(axis, labels.ndim() + 1, "one_hot");
  Shape shape = labels.shape();
  shape.insert(at, classes);
  const Tensor y = full(shape, 0, dtype, labels.device());
  if (y.size() == 0) return y;
  Strides grid_strides = y.strides();
  grid_strides.erase(at);
  const Tensor grid = y.view(labels.shape(), grid_strides, y.offset());
  const Tensor offsets = Tensor::empty(labels.shape(), DType::int64, labels.device());
  add_offsets(cast(labels, DType::int64), grid, {classes, y.stride(at), false, false, at}, offsets,
              [classes](int64_t bad) {
                fail(ErrorKind::value, "one_hot: label ", bad, " is outside the ", classes,
                     " classes, which are numbered 0 to ", classes - 1);
              });
  const Tensor flat = try_reshape(offsets, {offsets.size()});
  const Tensor ones = broadcast_to(full({}, 1, dtype, labels.device()), flat.shape());
  launch_scatter(kernels::scatter, ones, flat, y.view({}, {}, y.offset()));
  return y;
}

}  // namespace weft
