// The nodes of the recorded graph; see autograd.h.
#include "bindings/autograd.h"

namespace py = pybind11;

namespace weft {

PyObject* make_node(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  NodeState* node = node_in(self);
  new (&node->kept) std::vector<Kept>();
  new (&node->likes) std::vector<Like>();
  static int64_t made = 0;  // the interpreter's lock guards it
  node->sequence = made++;
  node->num_outputs = 1;
  return self;
}

namespace {

int traverse_node(PyObject* self, visitproc visit, void* arg) {
  NodeState* node = node_in(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(node->function);
  Py_VISIT(node->edges);
  Py_VISIT(node->hooks);
  Py_VISIT(node->outputs);
  for (const Kept& k : node->kept) Py_VISIT(k.source);
  return 0;
}

void drop_kept(NodeState* node) {
  std::vector<Kept> kept;
  kept.swap(node->kept);
  for (const Kept& k : kept) Py_XDECREF(k.source);
  Py_CLEAR(node->outputs);
}

int clear_node(PyObject* self) {
  NodeState* node = node_in(self);
  drop_kept(node);
  Py_CLEAR(node->function);
  Py_CLEAR(node->needs_grad);
  Py_CLEAR(node->edges);
  Py_CLEAR(node->hooks);
  return 0;
}

int destroy_node(PyObject* self) {
  clear_node(self);
  node_in(self)->kept.~vector();
  node_in(self)->likes.~vector();
  return 0;
}

// Raises what a Python function of weft.autograd.recording has to say about a raw tensor.
[[noreturn]] void fail_changed(const char* message, PyObject* function, PyObject* array) {
  const py::object text = py::module_::import("weft.autograd.recording")
                              .attr(message)(attribute(function, "name"), py::handle(array));
  fail(ErrorKind::runtime, text.cast<std::string>());
}

}  // namespace

std::string name_of(const NodeState* node) {
  return attribute(node->function, "name").cast<std::string>();
}

void forget_saved(NodeState* node) {
  node->freed = true;
  drop_kept(node);
}

void connect(NodeState* node, PyObject* const* args, PyObject* const* arrays, Py_ssize_t count) {
  node->needs_grad = PyTuple_New(count);
  node->edges = PyTuple_New(count);
  node->likes.resize(static_cast<size_t>(count));
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject* edge = Py_None;
    TensorState* state = args[i] == arrays[i] ? nullptr : state_in(args[i]);
    const Tensor* array = state == nullptr ? nullptr : tensor_in(arrays[i]);
    if (array != nullptr) {
      if (!absent(state->view_version) &&
          PyLong_AsLongLong(state->view_version) != array->storage()->version())
        fail_changed("stale_view_message", node->function, arrays[i]);
      node->likes[static_cast<size_t>(i)] = {array->shape(), array->dtype()};
      if (state->requires_grad && absent(state->node))
        edge = PyTuple_Pack(2, args[i], Py_None);
      else if (state->requires_grad)
        edge = py::make_tuple(py::handle(state->node), state->index).release().ptr();
    }
    PyTuple_SET_ITEM(node->needs_grad, i, Py_NewRef(edge == Py_None ? Py_False : Py_True));
    PyTuple_SET_ITEM(node->edges, i, edge == Py_None ? Py_NewRef(Py_None) : edge);
  }
}

void keep(NodeState* node, PyObject* const* values, Py_ssize_t count) {
  if (node->args == nullptr) fail(ErrorKind::runtime, "ctx.save belongs into forward");
  drop_kept(node);
  const Py_ssize_t arguments = PyTuple_GET_SIZE(node->edges);
  for (Py_ssize_t k = 0; k < count; k++) {
    const Tensor* array = tensor_in(values[k]);
    PyObject* source = values[k] == Py_None ? nullptr : values[k];
    // An input is kept with its graph, so that second derivatives reach it.
    for (Py_ssize_t i = 0; array != nullptr && i < arguments; i++)
      if (node->arrays[i] == values[k]) source = node->args[i];
    node->kept.push_back({Py_XNewRef(source), array ? array->storage()->version() : 0});
  }
}

PyObject* wrap(NodeState* node, int index, PyObject* data) {
  const Tensor* array = tensor_in(data);
  if (array == nullptr)
    fail(ErrorKind::type, name_of(node), ": forward must return raw tensors, not ",
         Py_TYPE(data)->tp_name);
  TensorState* state = new_tensor(data);
  if (is_floating(array->dtype())) {
    state->requires_grad = true;
    state->node = Py_NewRef(reinterpret_cast<PyObject*>(node));
    state->index = index;
    static PyObject* const returns_view = PyUnicode_InternFromString("returns_view");
    PyObject* view = PyObject_GetAttr(node->function, returns_view);
    if (view == Py_True) state->view_version = PyLong_FromLongLong(array->storage()->version());
    Py_XDECREF(view);
  }
  return reinterpret_cast<PyObject*>(state);
}

namespace {

PyObject* save(PyObject* self, PyObject* const* values, Py_ssize_t count) {
  return translated<PyObject*>(nullptr, [&] {
    keep(node_in(self), values, count);
    return Py_NewRef(Py_None);
  });
}

// What was kept, as a tensor with its history.
PyObject* restored(NodeState* node, const Kept& kept) {
  if (kept.source == nullptr) return Py_NewRef(Py_None);
  TensorState* state = state_in(kept.source);
  const auto data =
      py::reinterpret_steal<py::object>(state ? data_of(state) : Py_NewRef(kept.source));
  const Tensor* array = tensor_in(data.ptr());
  if (array == nullptr) return Py_NewRef(kept.source);
  if (array->storage()->version() != kept.version)
    fail_changed("overwritten_message", node->function, data.ptr());
  if (state != nullptr) return Py_NewRef(kept.source);
  for (Py_ssize_t i = 0; node->outputs != nullptr && i < PyTuple_GET_SIZE(node->outputs); i++)
    if (PyTuple_GET_ITEM(node->outputs, i) == kept.source)
      return wrap(node, static_cast<int>(i), kept.source);
  return reinterpret_cast<PyObject*>(new_tensor(kept.source));
}

PyObject* get_saved(PyObject* self, void*) {
  return translated<PyObject*>(nullptr, [&] {
    NodeState* node = node_in(self);
    if (node->freed)
      fail(ErrorKind::runtime, name_of(node),
           ": the graph was walked before and its saved tensors were freed; to call backward a "
           "second time pass retain_graph=True the first time");
    py::tuple tensors(node->kept.size());
    for (size_t i = 0; i < node->kept.size(); i++)
      PyTuple_SET_ITEM(tensors.ptr(), static_cast<Py_ssize_t>(i), restored(node, node->kept[i]));
    return tensors.release().ptr();
  });
}

PyObject* get_kept(PyObject* self, void*) {
  return translated<PyObject*>(nullptr, [&] {
    py::list sources;
    for (const Kept& k : node_in(self)->kept)
      if (k.source != nullptr) sources.append(py::handle(k.source));
    return sources.release().ptr();
  });
}

PyObject* free_node(PyObject* self, PyObject*) {
  forget_saved(node_in(self));
  return Py_NewRef(Py_None);
}

const Like& like_of(PyObject* self, PyObject* index) {
  const auto& likes = node_in(self)->likes;
  const size_t i = PyLong_AsSize_t(index);
  check(i < likes.size(), "there is no argument ", i);
  return likes[i];
}

PyObject* like(PyObject* self, PyObject* index) {
  return translated<PyObject*>(nullptr, [&] {
    const Like& l = like_of(self, index);
    return py::make_tuple(l.shape, l.dtype).release().ptr();
  });
}

PyObject* fits(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return translated<PyObject*>(nullptr, [&] {
    TensorState* state = count == 2 ? state_in(args[1]) : nullptr;
    const Tensor* array = state && state->data ? tensor_in(state->data) : nullptr;
    check_type(array != nullptr, "fits: needs the number of an argument and a tensor");
    const Like& l = like_of(self, args[0]);
    return PyBool_FromLong(array->dtype() == l.dtype && array->shape() == l.shape);
  });
}

}  // namespace

PyTypeObject* make_node_base() {
  static PyMemberDef members[] = {
      {"function", T_OBJECT, offsetof(NodeState, function), READONLY, nullptr},
      {"needs_grad", T_OBJECT, offsetof(NodeState, needs_grad), READONLY, nullptr},
      {"edges", T_OBJECT, offsetof(NodeState, edges), READONLY, nullptr},
      {"hooks", T_OBJECT, offsetof(NodeState, hooks), 0, nullptr},
      {"sequence", T_LONGLONG, offsetof(NodeState, sequence), READONLY, nullptr},
      {"num_outputs", T_INT, offsetof(NodeState, num_outputs), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  static PyGetSetDef properties[] = {
      {"saved", &get_saved, nullptr,
       "The tensors and numbers kept by `save`, in the same order.\n\nRaises RuntimeError if one "
       "was changed in place since, or if the graph was freed.",
       nullptr},
      {"kept", &get_kept, nullptr, "What `save` kept, as it is: tensors, raw tensors, numbers.",
       nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr}};
  static PyMethodDef methods[] = {
      {"save", method(&save), METH_FASTCALL,
       "save(self, *values: typing.Any) -> None\n\nKeep raw tensors (inputs or outputs of "
       "`forward`, or others), numbers and None for `backward`."},
      {"free", &free_node, METH_NOARGS,
       "free(self) -> None\n\nForget what was saved; the graph cannot be walked again."},
      {"like", &like, METH_O,
       "like(self, index: int) -> tuple[tuple[int, ...], weft.dtypes.DType]\n\nShape and dtype of "
       "an argument."},
      {"fits", method(&fits), METH_FASTCALL,
       "fits(self, index: int, gradient: weft._C.TensorBase) -> bool\n\nWhether a gradient has the "
       "shape and dtype of an argument."},
      {nullptr, nullptr, 0, nullptr}};
  static PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(&make_node)},
                                {Py_tp_members, members},
                                {Py_tp_getset, properties},
                                {Py_tp_methods, methods},
                                {Py_tp_traverse, reinterpret_cast<void*>(&traverse_node)},
                                {Py_tp_clear, reinterpret_cast<void*>(&clear_node)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc<destroy_node>)},
                                {0, nullptr}};
  static PyType_Spec spec = {"weft._C.NodeBase", sizeof(NodeState), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
}

}  // namespace weft
