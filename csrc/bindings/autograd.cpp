// The state of a tensor, and `Function.apply`; see autograd.h.
#include "bindings/autograd.h"

#include <utility>

namespace py = pybind11;

namespace weft {

PyTypeObject* tensor_class = nullptr;

const Classes& classes() {
  static const Classes found = [] {
    const auto import = [](const char* module, const char* name) {
      return py::object(py::module_::import(module).attr(name)).release().ptr();
    };
    tensor_class = reinterpret_cast<PyTypeObject*>(import("weft.tensor", "Tensor"));
    return Classes{tensor_class,
                   reinterpret_cast<PyTypeObject*>(import("weft.autograd.recording", "Node")),
                   import("weft.ops.operands", "operands")};
  }();
  return found;
}

// --- the state of a tensor -----------------------------------------------------------------------

PyTypeObject* tensor_base = nullptr;

PyObject* data_of(TensorState* state) {
  if (state->data != nullptr) return Py_NewRef(state->data);
  static PyObject* const name = PyUnicode_InternFromString("_data");
  PyObject* data = PyObject_GetAttr(reinterpret_cast<PyObject*>(state), name);
  if (data == nullptr) throw py::error_already_set();
  return data;
}

namespace {

int traverse_tensor(PyObject* self, visitproc visit, void* arg) {
  auto* state = reinterpret_cast<TensorState*>(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(state->data);
  Py_VISIT(state->grad);
  Py_VISIT(state->node);
  Py_VISIT(state->severed);
  Py_VISIT(state->view_version);
  return 0;
}

int clear_tensor(PyObject* self) {
  auto* state = reinterpret_cast<TensorState*>(self);
  Py_CLEAR(state->data);
  Py_CLEAR(state->grad);
  Py_CLEAR(state->node);
  Py_CLEAR(state->severed);
  Py_CLEAR(state->view_version);
  return 0;
}

// So that memoryview(weft.Tensor) works on every Python version (`__buffer__` needs 3.12).
int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  return translated(-1, [&] {
    const auto data =
        py::reinterpret_steal<py::object>(data_of(reinterpret_cast<TensorState*>(self)));
    return PyObject_GetBuffer(data.ptr(), view, flags);
  });
}

PyTypeObject* make_tensor_base() {
  static PyMemberDef members[] = {
      {"_data", T_OBJECT, offsetof(TensorState, data), 0, nullptr},
      {"grad", T_OBJECT, offsetof(TensorState, grad), 0, nullptr},
      {"_node", T_OBJECT, offsetof(TensorState, node), 0, nullptr},
      {"_severed", T_OBJECT, offsetof(TensorState, severed), 0, nullptr},
      {"_view_version", T_OBJECT, offsetof(TensorState, view_version), 0, nullptr},
      {"_index", T_INT, offsetof(TensorState, index), 0, nullptr},
      {"_requires_grad", T_BOOL, offsetof(TensorState, requires_grad), 0, nullptr},
      {"_is_one", T_BOOL, offsetof(TensorState, is_one), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  static PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(&PyType_GenericNew)},
                                {Py_tp_members, members},
                                {Py_tp_traverse, reinterpret_cast<void*>(&traverse_tensor)},
                                {Py_tp_clear, reinterpret_cast<void*>(&clear_tensor)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc<clear_tensor>)},
                                {Py_bf_getbuffer, reinterpret_cast<void*>(&get_buffer)},
                                {0, nullptr}};
  static PyType_Spec spec = {"weft._C.TensorBase", sizeof(TensorState), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
}

}  // namespace

TensorState* new_tensor(PyObject* data) {
  PyTypeObject* type = classes().tensor;
  PyObject* made = type->tp_alloc(type, 0);
  if (made == nullptr) throw py::error_already_set();
  auto* state = reinterpret_cast<TensorState*>(made);
  state->data = Py_NewRef(data);
  return state;
}

// --- what stands in for a node while nothing is recorded -----------------------------------------

namespace {

PyObject* save_nothing(PyObject*, PyObject* const*, Py_ssize_t) { return Py_NewRef(Py_None); }
PyObject* needs_nothing(PyObject*, void*) {
  static PyObject* const none = [] {
    PyObject* flags = PyTuple_New(64);
    for (Py_ssize_t i = 0; i < 64; i++) PyTuple_SET_ITEM(flags, i, Py_NewRef(Py_False));
    return flags;
  }();
  return Py_NewRef(none);
}
int set_nothing(PyObject*, PyObject*, PyObject*) { return 0; }

PyObject* unrecorded() {
  static PyObject* const one = [] {
    static PyMethodDef methods[] = {{"save", method(&save_nothing), METH_FASTCALL, nullptr},
                                    {nullptr, nullptr, 0, nullptr}};
    static PyGetSetDef properties[] = {{"needs_grad", &needs_nothing, nullptr, nullptr, nullptr},
                                       {nullptr, nullptr, nullptr, nullptr, nullptr}};
    static PyType_Slot slots[] = {{Py_tp_methods, methods},
                                  {Py_tp_getset, properties},
                                  {Py_tp_setattro, reinterpret_cast<void*>(&set_nothing)},
                                  {0, nullptr}};
    static PyType_Spec spec = {"weft._C.Unrecorded", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT,
                               slots};
    return PyObject_CallNoArgs(PyType_FromSpec(&spec));
  }();
  return one;
}

// --- Function.apply ------------------------------------------------------------------------------

thread_local bool grad_enabled = true;

}  // namespace

bool exchange_grad_enabled(bool enabled) { return std::exchange(grad_enabled, enabled); }

namespace {

// The arguments of `apply` with tensors unwrapped, behind a place for the node.
class Arguments {
 public:
  Arguments(PyObject* const* args, Py_ssize_t count) : args_(args), count_(count) {
    if (count >= kInPlace) {
      more_.resize(static_cast<size_t>(count) + 1);
      values_ = more_.data();
    }
    for (; owned_ < count; owned_++) {
      TensorState* state = state_in(args[owned_]);
      values_[1 + owned_] = state ? data_of(state) : Py_NewRef(args[owned_]);
      if (state == nullptr) continue;
      if (state->requires_grad)
        tracked = true;
      else if (!absent(state->severed))
        severed = py::reinterpret_borrow<py::object>(state->severed);
    }
  }
  ~Arguments() {
    for (Py_ssize_t i = 0; i < owned_; i++) Py_DECREF(values_[1 + i]);
  }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  // What `forward` of a function gives, or a raw function that needs no ctx.
  py::object forward(PyObject* function, PyObject* ctx) {
    static PyObject* const name = PyUnicode_InternFromString("forward");
    values_[0] = ctx;
    return results_of(attribute(function, name).ptr(), values_, count_ + 1);
  }
  py::object kernel(PyObject* raw) const { return results_of(raw, values_ + 1, count_); }
  PyObject* const* args() const { return args_; }
  PyObject* const* arrays() const { return values_ + 1; }
  Py_ssize_t count() const { return count_; }

  bool tracked = false;  // one of them requires a gradient
  py::object severed;

 private:
  static py::object results_of(PyObject* callable, PyObject* const* values, Py_ssize_t count) {
    PyObject* results = PyObject_Vectorcall(callable, values, static_cast<size_t>(count), nullptr);
    if (results == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(results);
  }

  static constexpr Py_ssize_t kInPlace = 12;
  PyObject* const* args_;
  Py_ssize_t count_, owned_ = 0;
  PyObject* in_place_[kInPlace];
  std::vector<PyObject*> more_;
  PyObject** values_ = in_place_;
};

// `wrap_one(index, array)` for each result, as `forward` returned them: bare or in a tuple.
template <class WrapOne>
PyObject* wrapped(const py::object& results, WrapOne wrap_one) {
  if (!PyTuple_CheckExact(results.ptr())) return wrap_one(0, results.ptr());
  const Py_ssize_t count = PyTuple_GET_SIZE(results.ptr());
  py::tuple tensors(count);
  for (Py_ssize_t i = 0; i < count; i++)
    PyTuple_SET_ITEM(tensors.ptr(), i,
                     wrap_one(static_cast<int>(i), PyTuple_GET_ITEM(results.ptr(), i)));
  return tensors.release().ptr();
}

// Once `forward` has returned: notes its results.
void finish(NodeState* node, const py::object& results) {
  const bool several = PyTuple_CheckExact(results.ptr());
  if (!several && node->kept.empty()) return;
  const auto tuple = several ? py::reinterpret_borrow<py::tuple>(results) : py::make_tuple(results);
  node->num_outputs = static_cast<int>(tuple.size());
  for (const Kept& k : node->kept)
    for (const py::handle output : tuple)
      if (node->outputs == nullptr && output.ptr() == k.source)
        node->outputs = Py_NewRef(tuple.ptr());
}

// A function's raw function, where one does all that its `forward` does but save.
py::object kernel_of(PyObject* function) {
  static PyObject* const name = PyUnicode_InternFromString("kernel");
  return attribute(function, name);
}

py::object compute(PyObject* function, Arguments& arguments) {
  const py::object kernel = kernel_of(function);
  return kernel.is_none() ? arguments.forward(function, unrecorded())
                          : arguments.kernel(kernel.ptr());
}

// As `compute`, while `node` takes what it saves.
py::object compute_and_save(PyObject* function, Arguments& arguments, NodeState* node) {
  static PyObject* const name = PyUnicode_InternFromString("saves");
  const py::object saves = attribute(function, name);
  if (saves.is_none()) return arguments.forward(function, reinterpret_cast<PyObject*>(node));
  const py::object results = arguments.kernel(kernel_of(function).ptr());
  PyObject* const only = results.ptr();
  if (PyUnicode_CompareWithASCIIString(saves.ptr(), "arguments") == 0)
    keep(node, arguments.arrays(), arguments.count());
  else if (PyUnicode_CompareWithASCIIString(saves.ptr(), "result") == 0)
    keep(node, &only, 1);
  return results;
}

PyObject* record(PyObject* function, Arguments& arguments) {
  PyTypeObject* type = classes().node;
  const auto ctx = py::reinterpret_steal<py::object>(make_node(type, nullptr, nullptr));
  if (!ctx) throw py::error_already_set();
  NodeState* node = node_in(ctx.ptr());
  node->function = Py_NewRef(function);
  connect(node, arguments.args(), arguments.arrays(), arguments.count());
  struct During {
    During(NodeState* node, const Arguments& arguments) : node_(node) {
      node->args = arguments.args();
      node->arrays = arguments.arrays();
    }
    ~During() { node_->args = node_->arrays = nullptr; }
    NodeState* node_;
  };
  const py::object results = [&] {
    const During forward_runs(node, arguments);
    return compute_and_save(function, arguments, node);
  }();
  finish(node, results);
  return wrapped(results, [&](int index, PyObject* array) { return wrap(node, index, array); });
}

PyObject* apply_to(PyObject* function, PyObject* const* args, Py_ssize_t count) {
  Arguments arguments(args, count);
  if (arguments.tracked && grad_enabled) {
    static PyObject* const name = PyUnicode_InternFromString("not_differentiable");
    const py::object reason = attribute(function, name);
    if (reason.is_none()) return record(function, arguments);
    arguments.severed = py::make_tuple(attribute(function, "name"), reason);
  }
  const py::object results = compute(function, arguments);
  return wrapped(results, [&](int, PyObject* array) {
    TensorState* state = new_tensor(array);
    if (arguments.severed && grad_enabled) state->severed = Py_NewRef(arguments.severed.ptr());
    return reinterpret_cast<PyObject*>(state);
  });
}

PyObject* apply(PyObject* function, PyObject* const* args, Py_ssize_t count) {
  return translated<PyObject*>(nullptr, [&] { return apply_to(function, args, count); });
}

// `apply` to operands: tensors and, beside them, numbers. Others are converted first.
PyObject* of(PyObject* function, PyObject* const* args, Py_ssize_t count) {
  return translated<PyObject*>(nullptr, [&] {
    bool tensors = false, others = false;
    for (Py_ssize_t i = 0; i < count; i++) {
      if (state_in(args[i]) != nullptr)
        tensors = true;
      else
        others |=
            !PyFloat_CheckExact(args[i]) && !PyLong_CheckExact(args[i]) && !PyBool_Check(args[i]);
    }
    if (tensors && !others) return apply_to(function, args, count);
    PyObject* converted =
        PyObject_Vectorcall(classes().operands, args, static_cast<size_t>(count), nullptr);
    if (converted == nullptr) throw py::error_already_set();
    const auto tuple = py::reinterpret_steal<py::tuple>(converted);
    return apply_to(function, &PyTuple_GET_ITEM(converted, 0), PyTuple_GET_SIZE(converted));
  });
}

PyTypeObject* make_function_base() {
  static PyMethodDef methods[] = {
      {"apply", method(&apply), METH_FASTCALL | METH_CLASS,
       "apply(cls, *args: typing.Any) -> typing.Any\n\nCompute, and record a node when a gradient "
       "will be needed."},
      {"of", method(&of), METH_FASTCALL | METH_CLASS,
       "of(cls, *operands: typing.Any) -> typing.Any\n\n`apply` to operands of any kind: what is "
       "neither a tensor nor a number beside one becomes a tensor."},
      {nullptr, nullptr, 0, nullptr}};
  static PyType_Slot slots[] = {{Py_tp_methods, methods}, {0, nullptr}};
  static PyType_Spec spec = {"weft._C.FunctionBase", sizeof(PyObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
}

PyObject* is_grad_enabled(PyObject*, PyObject*) { return PyBool_FromLong(grad_enabled); }
PyObject* set_grad_enabled(PyObject*, PyObject* enabled) {
  const int truth = PyObject_IsTrue(enabled);
  return truth < 0 ? nullptr : PyBool_FromLong(exchange_grad_enabled(truth != 0));
}

}  // namespace

WEFT_BINDING(autograd) {
  const auto add = [&](const char* name, PyTypeObject* type) {
    m.attr(name) = py::handle(reinterpret_cast<PyObject*>(type));
    return type;
  };
  tensor_base = add("TensorBase", make_tensor_base());
  add("NodeBase", make_node_base());
  add("FunctionBase", make_function_base());
  static PyMethodDef functions[] = {
      {"is_grad_enabled", &is_grad_enabled, METH_NOARGS, "is_grad_enabled() -> bool"},
      {"set_grad_enabled", &set_grad_enabled, METH_O,
       "set_grad_enabled(enabled: bool, /) -> bool\n\nGives what it was before."},
      {nullptr, nullptr, 0, nullptr}};
  if (PyModule_AddFunctions(m.ptr(), functions) != 0) throw py::error_already_set();
}

}  // namespace weft
