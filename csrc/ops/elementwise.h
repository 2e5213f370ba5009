// The contract of every elementwise op: dtypes, broadcasting, allocation, launch.
//
//   y = elementwise<functors::Add>(a, b);        from C++
//   _C.add(a, b), _C.add(a, 2.0), _C.add(a, b, out=a)   from Python
//
// Shapes: inputs of any shapes that broadcast, with any strides; the result has the broadcast
// shape.
// Saves: what the `Function` of the op says (python/weft/ops): its arguments, its result, or
// nothing.
// Cost: kFlops of the functor for each element of the result (16 for a transcendental function);
// every input is read and the result written.
// Error: half an ULP where an op is one IEEE operation; else the bound stated at the function in
// cpu/simd_math.h, simd_special.h and simd_inverse.h, at most 4 ULP (tests/test_math_accuracy.py),
// and of an activation made of several at most 6; gelu loses 4 x^2 ULP where it vanishes. Integers
// are exact and wrap.
#pragma once

#include <cstdint>

#include "core/tensor.h"
#include "ops/functors.h"

struct _object;  // PyObject

namespace weft {

// What the contract needs to know of a functor.
struct ElementwiseOp {
  const char* name;
  const KernelSlot* slot;
  int arity;
  Domain domain;
  Result result;
  int flops;
};
template <class F>
inline constexpr ElementwiseOp elementwise_op = {
    F::kName, &kernels::elementwise<F>, F::kArity, F::kDomain, F::kResult, F::kFlops};

inline constexpr int kMaxElementwiseInputs = 3;

// A Python number. It never widens a tensor: int8 + 1 is int8, float32 + 2.5 is float32.
struct Number {
  enum class Kind : uint8_t { none, boolean, integer, real };
  Kind kind = Kind::none;
  int64_t integer = 0;
  double real = 0;
};

// A tensor, or a number where `tensor` is null.
struct ElementwiseInput {
  const Tensor* tensor = nullptr;
  Number number;
};

// Inputs are broadcast against each other. At least one must be a tensor.
Tensor elementwise(const ElementwiseOp& op, const ElementwiseInput* inputs);
// Into an existing tensor, which may be one of the inputs. Its shape must be the result's, and its
// dtype must be able to hold the result's kind; a float result never goes into integers.
void elementwise_into(const ElementwiseOp& op, const ElementwiseInput* inputs, const Tensor& out);

// A `_C.Tensor` or a Python number; TypeError for anything else.
ElementwiseInput elementwise_input(const char* op, _object* object);

template <class F, class... Tensors>
Tensor elementwise(const Tensors&... tensors) {
  static_assert(sizeof...(Tensors) == F::kArity);
  const ElementwiseInput inputs[] = {{&tensors, {}}...};
  return elementwise(elementwise_op<F>, inputs);
}

}  // namespace weft
