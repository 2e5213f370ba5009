// Offers every functor of every list to Python: `_C.NAME(x, ..., out=None)`.
//
// These are plain C functions, not pybind11's: an eager op on 16 numbers takes less time than
// pybind11 needs to choose an overload.
#include <string>

#include "bindings/binding.h"
#include "core/passes/fusion.h"
#include "ops/elementwise.h"
#include "ops/functors_activation.h"
#include "ops/functors_arithmetic.h"
#include "ops/functors_comparison.h"
#include "ops/functors_math.h"

namespace py = pybind11;

namespace weft {
namespace {

Number number_in(const char* op, PyObject* object) {
  Number n;
  if (PyBool_Check(object)) {
    n.kind = Number::Kind::boolean;
    n.integer = object == Py_True;
  } else if (PyFloat_Check(object)) {
    n.kind = Number::Kind::real;
    n.real = PyFloat_AS_DOUBLE(object);
  } else if (PyLong_Check(object)) {
    n.kind = Number::Kind::integer;
    int overflow = 0;
    n.integer = PyLong_AsLongLongAndOverflow(object, &overflow);
    check(overflow == 0, op, ": the number ", std::string(py::str(object)),
          " does not fit 64 bits; write it as a float or as a uint64 tensor");
  } else {
    fail(ErrorKind::type, op, ": expected a tensor or a number, got ", Py_TYPE(object)->tp_name);
  }
  return n;
}

PyObject* call(const ElementwiseOp& op, PyObject* const* args, Py_ssize_t count,
               PyObject* keywords) {
  check_type(count == op.arity, op.name, ": takes ", op.arity, " arguments, got ", count);
  PyObject* out = Py_None;
  if (keywords != nullptr && PyTuple_GET_SIZE(keywords) > 0) {
    check_type(PyTuple_GET_SIZE(keywords) == 1 &&
                   PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, 0), "out") == 0,
               op.name, ": the only keyword argument is out");
    out = args[count];
  }
  ElementwiseInput inputs[kMaxElementwiseInputs];
  for (Py_ssize_t k = 0; k < count; k++) inputs[k] = elementwise_input(op.name, args[k]);
  if (out == Py_None) return tensor_object(elementwise(op, inputs));
  const Tensor* target = tensor_in(out);
  check_type(target != nullptr, op.name, ": out must be a tensor, got ", Py_TYPE(out)->tp_name);
  elementwise_into(op, inputs, *target);
  Py_INCREF(out);
  return out;
}

PyObject* entry(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  return translated<PyObject*>(nullptr, [&] {
    const auto* op = static_cast<const ElementwiseOp*>(PyCapsule_GetPointer(self, nullptr));
    return call(*op, args, count, keywords);
  });
}

template <class F>
void define(py::module_& m) {
  // The first line is what the stub generator reads.
  constexpr const char* kArguments[] = {
      "x: weft._C.Tensor | float", "x1: weft._C.Tensor | float, x2: weft._C.Tensor | float",
      "x1: weft._C.Tensor | float, x2: weft._C.Tensor | float, x3: weft._C.Tensor | float"};
  static const std::string doc = std::string(F::kName) + "(" + kArguments[F::kArity - 1] +
                                 ", /, *, out: weft._C.Tensor | None = None) -> weft._C.Tensor"
                                 "\n\nElementwise, with broadcasting; numbers may stand beside "
                                 "tensors.";
  static PyMethodDef method = {F::kName,
                               reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&entry)),
                               METH_FASTCALL | METH_KEYWORDS, doc.c_str()};
  const py::capsule self(static_cast<const void*>(&elementwise_op<F>));
  const auto name = py::str("weft._C");
  m.attr(F::kName) =
      py::reinterpret_steal<py::object>(PyCFunction_NewEx(&method, self.ptr(), name.ptr()));
}

template <class... Functors>
void define_all(py::module_& m, FunctorList<Functors...>) {
  static const Fuses fused(Fusion::elementwise, {&kernels::elementwise<Functors>...});
  (define<Functors>(m), ...);
}

}  // namespace

ElementwiseInput elementwise_input(const char* op, PyObject* object) {
  ElementwiseInput input;
  input.tensor = tensor_in(object);
  if (input.tensor == nullptr) input.number = number_in(op, object);
  return input;
}

WEFT_BINDING(elementwise) {
  define_all(m, functors::Arithmetic{});
  define_all(m, functors::Comparison{});
  define_all(m, functors::Mathematics{});
  define_all(m, functors::Trigonometry{});
  define_all(m, functors::Activations{});
  define_all(m, functors::ActivationGradients{});
}

}  // namespace weft
