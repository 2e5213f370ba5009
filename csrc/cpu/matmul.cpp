// Matrix products: floats on the tiled driver, integers and bool by a plain loop.
#include "ops/matmul.h"

#include "core/parallel.h"
#include "core/tail.h"
#include "cpu/gemm/driver.h"
#include "cpu/isa.h"

namespace weft::cpu::WEFT_ISA {
namespace {

// A product this large is shared among threads itself; smaller ones of a batch each stay on one.
constexpr int64_t kLargeProductFlops = 16 << 20;
constexpr int64_t kTaskFlops = 1 << 20;

// Offsets of x, y and out for every product of the batch.
class Batch {
 public:
  Batch(const Operand& x, const Operand& y, const Operand& out) : axes_(out.shape.size() - 2) {
    const Operand* operands[] = {&x, &y, &out};
    for (int axis = 0; axis < axes_; axis++) {
      shape_[axis] = out.shape[axis];
      count_ *= shape_[axis];
      for (int o = 0; o < 3; o++) {
        const int own = axis - (out.shape.size() - operands[o]->shape.size());
        strides_[o][axis] = own < 0 || operands[o]->shape[own] == 1 ? 0 : operands[o]->strides[own];
      }
    }
  }

  int64_t count() const { return count_; }
  void offsets(int64_t product, int64_t (&at)[3]) const {
    at[0] = at[1] = at[2] = 0;
    for (int axis = axes_ - 1; axis >= 0; axis--) {
      const int64_t index = product % shape_[axis];
      product /= shape_[axis];
      for (int o = 0; o < 3; o++) at[o] += index * strides_[o][axis];
    }
  }

 private:
  int axes_;
  int64_t count_ = 1;
  int64_t shape_[kMaxDims], strides_[3][kMaxDims];
};

// body(offsets of x, y, out) for every product, in parallel when each one alone is too small.
template <class Body>
void for_each_product(const Batch& batch, int64_t flops, const Body& body) {
  const int64_t grain =
      flops >= kLargeProductFlops ? batch.count() : kTaskFlops / (flops > 0 ? flops : 1);
  parallel_for(batch.count(), grain, [&](int64_t begin, int64_t end) {
    int64_t at[3];
    for (int64_t product = begin; product < end; product++) {
      batch.offsets(product, at);
      body(at);
    }
  });
}

template <class T>
void matmul(const MatmulParams& params, const Operand* operands) {
  const Operand &x = operands[0], &y = operands[1], &bias = operands[2], &out = operands[3];
  const int xd = x.shape.size(), yd = y.shape.size(), od = out.shape.size();
  const int64_t m = x.shape[xd - 2], k = x.shape[xd - 1], n = y.shape[yd - 1];
  const Batch batch(x, y, out);
  const int64_t start[3] = {};
  const auto product = [&](const int64_t* at) {
    gemm::Gemm<T> g;
    g.m = m;
    g.n = n;
    g.k = k;
    g.a = x.as<T>() + at[0];
    g.a_row_stride = x.strides[xd - 2];
    g.a_column_stride = x.strides[xd - 1];
    g.b = y.as<T>() + at[1];
    g.b_row_stride = y.strides[yd - 2];
    g.b_column_stride = y.strides[yd - 1];
    g.c = out.as<T>() + at[2];
    g.ldc = out.strides[od - 2];
    g.bias = bias.present ? bias.as<T>() : nullptr;
    g.accumulate = params.accumulate;
    g.relu = params.activation == Activation::relu;
    return g;
  };
  // All of a batch are of one kind.
  const TailOfKernel tail(next_tail != nullptr && gemm::calls_tail(product(start)));
  for_each_product(batch, 2 * m * n * k, [&](const int64_t* at) {
    gemm::Gemm<T> g = product(at);
    if (tail) {
      g.tail = &tail;
      g.first_row = at[2] / n;
    }
    gemm::gemm(g);
  });
}

// Sums wrap as in NumPy: computed in an unsigned type, where overflow is defined.
template <class T>
struct SumOf {
  using type = uint32_t;
};
template <>
struct SumOf<int64_t> {
  using type = uint64_t;
};
template <>
struct SumOf<uint64_t> {
  using type = uint64_t;
};
template <>
struct SumOf<bool> {
  using type = bool;
};

template <class T>
void matmul_exact(const MatmulParams& params, const Operand* operands) {
  using Sum = typename SumOf<T>::type;
  const Operand &x = operands[0], &y = operands[1], &out = operands[3];
  const int xd = x.shape.size(), yd = y.shape.size(), od = out.shape.size();
  const int64_t m = x.shape[xd - 2], k = x.shape[xd - 1], n = y.shape[yd - 1];
  const int64_t x_row = x.strides[xd - 2], x_column = x.strides[xd - 1];
  const int64_t y_row = y.strides[yd - 2], y_column = y.strides[yd - 1];
  const int64_t out_row = out.strides[od - 2], out_column = out.strides[od - 1];
  const Batch batch(x, y, out);
  // Scalar code is ~16 times slower than the float tiles: tasks of as many fewer operations.
  const int64_t row_cost = 2 * n * k * 16 + 1;
  for_each_product(batch, m * row_cost, [&](const int64_t* at) {
    parallel_for(m, kTaskFlops / row_cost, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        T* c = out.as<T>() + at[2] + i * out_row;
        if (!params.accumulate)
          for (int64_t j = 0; j < n; j++) c[j * out_column] = T(0);
        const T* a = x.as<T>() + at[0] + i * x_row;
        for (int64_t s = 0; s < k; s++) {
          const Sum factor = static_cast<Sum>(a[s * x_column]);
          const T* b = y.as<T>() + at[1] + s * y_row;
          for (int64_t j = 0; j < n; j++) {
            const Sum product = static_cast<Sum>(factor * static_cast<Sum>(b[j * y_column]));
            T& sum = c[j * out_column];
            sum = static_cast<T>(static_cast<Sum>(static_cast<Sum>(sum) + product));
          }
        }
      }
    });
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define EXACT(T) kernel_entry<&matmul_exact<T>>(kernels::matmul, dtype_of<T>)
WEFT_CPU_KERNELS(matmul, kernel_entry<&matmul<float>>(kernels::matmul, DType::float32),
                 kernel_entry<&matmul<double>>(kernels::matmul, DType::float64), EXACT(bool),
                 EXACT(uint8_t), EXACT(uint16_t), EXACT(uint32_t), EXACT(uint64_t), EXACT(int8_t),
                 EXACT(int16_t), EXACT(int32_t), EXACT(int64_t))
