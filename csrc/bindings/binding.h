// What an op's source file needs to offer itself to Python.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/casters.h"
#include "bindings/tensor_object.h"
#include "core/launch.h"
#include "core/tensor.h"

namespace weft {

// WEFT_BINDING(conv2d) { m.def("conv2d", &conv2d, ...); } at the end of csrc/ops/conv2d.cpp.
// The module calls every such body once; no central list names them.
class Binding {
 public:
  using Body = void (*)(pybind11::module_&);
  explicit Binding(Body body) : body_(body), next_(first()) { first() = this; }
  static void define_all(pybind11::module_& m) {
    for (const Binding* b = first(); b != nullptr; b = b->next_) b->body_(m);
  }

 private:
  static const Binding*& first() {
    static const Binding* head = nullptr;
    return head;
  }
  Body body_;
  const Binding* next_;
};

}  // namespace weft

#define WEFT_BINDING(stem)                                        \
  static void bind_##stem([[maybe_unused]] pybind11::module_& m); \
  static const ::weft::Binding stem##_binding(&bind_##stem);      \
  static void bind_##stem([[maybe_unused]] pybind11::module_& m)
