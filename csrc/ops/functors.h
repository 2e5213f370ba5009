// The scalar maths of every elementwise op, written once for all devices.
//
// A functor's `apply` works on the lanes a device computes with: a SIMD vector or one number. M is
// the device's maths: M::exp, M::select, M::constant and so on. An op is added by writing its
// functor in one of the functors_*.h files and naming it in that file's list; kernels, contracts
// and bindings iterate over the lists.
#pragma once

#include <cstdint>

#include "core/kernel.h"

#if defined(__CUDACC__)
#define WEFT_FUNCTION __host__ __device__ __forceinline__
#else
#define WEFT_FUNCTION inline __attribute__((always_inline))
#endif
#define WEFT_APPLY            \
  template <class M, class T> \
  static WEFT_FUNCTION

namespace weft {

// What an op accepts, and what other dtypes become first.
enum class Domain : uint8_t {
  any,            // bool, integers, floats
  numbers,        // integers and floats; bool becomes int8, as in NumPy
  signed_maths,   // integers and floats; bool is a TypeError, as in NumPy
  integers,       // bool and integers; floats are a TypeError
  whole_numbers,  // integers; bool becomes int8, floats are a TypeError
  floats,         // floats; everything else becomes float32
};
enum class Result : uint8_t { same, boolean };

// What every functor says about itself.
template <int kArityOf, Domain kDomainOf, Result kResultOf = Result::same, int kFlopsOf = 1>
struct Elementwise {
  static constexpr int kArity = kArityOf;
  static constexpr Domain kDomain = kDomainOf;
  static constexpr Result kResult = kResultOf;
  static constexpr int kFlops = kFlopsOf;  // per element; transcendental functions count 16
  // Signed and unsigned integers give the same bits: the unsigned kernel serves both, and
  // overflow wraps around as in NumPy.
  static constexpr bool kSignless = false;
};

template <class... Functors>
struct FunctorList {};

// A constant in every lane.
template <class M, class T>
WEFT_FUNCTION T number(double value) {
  return M::template constant<T>(value);
}

constexpr bool accepts(Domain domain, DType t) {
  switch (domain) {
    case Domain::any: return true;
    case Domain::numbers:
    case Domain::signed_maths: return t != DType::boolean;
    case Domain::integers: return !is_floating(t);
    case Domain::whole_numbers: return is_integer(t);
    case Domain::floats: return is_floating(t);
  }
  return false;
}

namespace kernels {
// Operands: inputs, then the output; all broadcast to the output's shape. Chosen by the dtype of
// the inputs, which is also the output's unless the result is boolean.
template <class Functor>
inline constinit Kernel<NoParams> elementwise{Functor::kName, Numbers::on_host_too};
}  // namespace kernels

}  // namespace weft
