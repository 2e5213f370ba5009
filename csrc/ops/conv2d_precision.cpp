#include "ops/conv2d_precision.h"

#include <atomic>
#include <iterator>
#include <string>

#include "bindings/binding.h"
#include "core/suggest.h"

namespace weft {
namespace {

// In the order of ConvPrecision.
constexpr const char* kNames[] = {"default", "highest"};

std::atomic<ConvPrecision> precision{ConvPrecision::standard};

ConvPrecision parse(const std::string& text) {
  for (size_t i = 0; i < std::size(kNames); i++)
    if (text == kNames[i]) return static_cast<ConvPrecision>(i);
  fail(ErrorKind::value, "set_conv_precision: unknown precision '", text,
       "'; known are 'default' and 'highest'",
       suggest(text, {std::begin(kNames), std::end(kNames)}));
}

}  // namespace

ConvPrecision conv_precision() { return precision.load(std::memory_order_relaxed); }

WEFT_BINDING(conv2d_precision) {
  m.def("conv_precision", [] { return kNames[static_cast<int>(conv_precision())]; });
  m.def(
      "set_conv_precision", [](const std::string& name) { precision.store(parse(name)); },
      pybind11::arg("precision"));
}

}  // namespace weft
