// What an eager operation does besides its kernel: the state of a `weft.Tensor`, the nodes of the
// recorded graph (autograd_node.cpp), `Function.apply` (autograd.cpp) and the walk over the nodes
// (autograd_walk.cpp). In C++ because all of it runs for every operation.
#pragma once

#include "bindings/binding.h"

// After Python.h, which it needs.
#include <structmember.h>

#include <string>
#include <vector>

namespace weft {

inline bool absent(PyObject* object) { return object == nullptr || object == Py_None; }

// Python's side of this.
struct Classes {
  PyTypeObject* tensor;
  PyTypeObject* node;
  PyObject* operands;
};
const Classes& classes();

inline pybind11::object attribute(PyObject* object, const char* name) {
  return pybind11::handle(object).attr(name);
}
inline pybind11::object attribute(PyObject* object, PyObject* name) {
  PyObject* value = PyObject_GetAttr(object, name);
  if (value == nullptr) throw pybind11::error_already_set();
  return pybind11::reinterpret_steal<pybind11::object>(value);
}

template <int (*kClear)(PyObject*)>
void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  kClear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

template <class Function>
PyCFunction method(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

struct TensorState {
  PyObject_HEAD PyObject* data;  // the raw tensor
  PyObject* grad;                // the gradient added by `backward`
  PyObject* node;                // the operation that made it
  PyObject* severed;             // (operation without gradient that cut its history, the reason)
  PyObject* view_version;        // of the storage, when a recorded view was taken
  int index;                     // which of the node's outputs it is
  bool requires_grad;
  bool is_one;  // the gradient that a walk begins with
};
extern PyTypeObject* tensor_base;
extern PyTypeObject* tensor_class;  // weft.Tensor, from the first operation on

inline TensorState* state_in(PyObject* object) {
  const bool found = Py_TYPE(object) == tensor_class || PyObject_TypeCheck(object, tensor_base);
  return found ? reinterpret_cast<TensorState*>(object) : nullptr;
}
// What is in `_data`, which a subclass may compute. A new reference.
PyObject* data_of(TensorState* state);
// A `weft.Tensor` around what an operation returned, without history.
TensorState* new_tensor(PyObject* data);

struct Kept {
  PyObject* source;  // a weft.Tensor, a raw tensor, a number, or null for None
  int64_t version;
};
struct Like {  // of an argument; no dtype counts for what is no tensor
  Shape shape;
  DType dtype = DType::float32;
};

struct NodeState {
  PyObject_HEAD PyObject* function;
  PyObject* needs_grad;     // tuple of bool, one per argument
  PyObject* edges;          // tuple: (node, output), (leaf, None) or None
  PyObject* hooks;          // of outputs, by number
  PyObject* outputs;        // raw, when `kept` has one of them; a tensor would be a cycle
  PyObject* const* args;    // while `forward` runs: what `apply` was given,
  PyObject* const* arrays;  // and the same with tensors unwrapped
  int64_t sequence;
  int num_outputs;
  bool freed;
  std::vector<Kept> kept;
  std::vector<Like> likes;
};

// Whether operations of this thread are recorded.
bool exchange_grad_enabled(bool enabled);  // gives what it was before

inline NodeState* node_in(PyObject* self) { return reinterpret_cast<NodeState*>(self); }
PyTypeObject* make_node_base();
PyObject* make_node(PyTypeObject* type, PyObject* = nullptr, PyObject* = nullptr);

// Notes of every argument where its gradient goes, and what `fits` compares.
void connect(NodeState* node, PyObject* const* args, PyObject* const* arrays, Py_ssize_t count);
// Keeps raw tensors, numbers and None for `backward`; while `forward` runs.
void keep(NodeState* node, PyObject* const* values, Py_ssize_t count);
// Forgets what was saved; the graph cannot be walked again.
void forget_saved(NodeState* node);
std::string name_of(const NodeState* node);
// The tensor of output number `index`.
PyObject* wrap(NodeState* node, int index, PyObject* data);

}  // namespace weft
