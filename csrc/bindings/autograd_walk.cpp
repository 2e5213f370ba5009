// The walk over the recorded graph, for weft/autograd/engine.py: gradients go from the newest
// operation to the oldest, without recursion.
//
// An operation is newer than all whose results it took. So the newest of those at which gradients
// wait gets no more of them, and is next.
#include "bindings/autograd.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "core/recording.h"
#include "ops/cast.h"

namespace py = pybind11;

namespace weft {
namespace {

py::object borrowed(PyObject* object) { return py::reinterpret_borrow<py::object>(object); }

py::object stolen(PyObject* object) {
  if (object == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}

py::object with_hooks(const py::handle hooks, py::object gradient) {
  for (const py::handle hook : hooks) {
    py::object replaced = hook(gradient);
    if (replaced.is_none()) continue;
    check_type(state_in(replaced.ptr()) != nullptr, "a hook returned a ",
               Py_TYPE(replaced.ptr())->tp_name, "; it gives a tensor, or None for no change");
    gradient = std::move(replaced);
  }
  return gradient;
}

// A gradient whose memory no other leaf has: several may have been given the same array.
class Owned {
 public:
  py::object operator()(const py::object& gradient) {
    const py::object data = stolen(data_of(state_in(gradient.ptr())));
    const Tensor& array = *tensor_in(data.ptr());
    const Storage* storage = array.storage().get();
    const bool taken = std::find(taken_.begin(), taken_.end(), storage) != taken_.end();
    if (!taken && array.is_contiguous() && storage->writable()) {
      taken_.push_back(storage);
      return gradient;
    }
    const py::object copy = stolen(tensor_object(contiguous_copy(array)));
    return stolen(reinterpret_cast<PyObject*>(new_tensor(copy.ptr())));
  }

 private:
  std::vector<const Storage*> taken_;
};

class Walk {
 public:
  // Of the nodes only those in the set `only` are walked through, if it is not None. Gradients of
  // the outputs in the set `keep`, of pairs (node, index), are handed out by `kept`.
  Walk(bool retain_graph, PyObject* only, PyObject* keep)
      : retain_graph_(retain_graph),
        only_(only == Py_None ? nullptr : only),
        keep_(keep == Py_None || PySet_GET_SIZE(keep) == 0 ? nullptr : keep) {}

  // `target` is a node, and `index` one of its outputs; or a leaf, and `index` None.
  void add(PyObject* target, PyObject* index, const py::object& gradient) {
    py::object& sum = index == Py_None ? at_leaf(target) : at_output(target, index);
    sum = sum ? stolen(PyNumber_Add(sum.ptr(), gradient.ptr())) : gradient;
  }

  void run() {
    while (!waiting_.empty()) {
      const auto newest = std::prev(waiting_.end());
      Waiting at = std::move(newest->second);
      waiting_.erase(newest);
      visit(at);
    }
  }

  // [(leaf, gradient), ...] in the order in which they were reached.
  py::list leaves() const {
    py::list pairs;
    for (const auto& [leaf, gradient] : leaves_) pairs.append(py::make_tuple(leaf, gradient));
    return pairs;
  }
  py::dict kept() const { return kept_; }

  // Adds the gradients to the `.grad` of the leaves. `create_graph`: they have a history.
  void add_to_leaves(bool create_graph) const {
    static PyObject* const hooks_name = PyUnicode_InternFromString("_hooks");
    Owned owned;
    for (const auto& [leaf, arrived] : leaves_) {
      const py::object hooks = attribute(leaf.ptr(), hooks_name);
      py::object gradient = hooks.is_none() ? arrived : with_hooks(hooks, arrived);
      TensorState* state = state_in(leaf.ptr());
      if (!absent(state->grad))
        gradient = stolen(PyNumber_Add(state->grad, gradient.ptr()));
      else if (!create_graph)
        gradient = owned(gradient);
      Py_XSETREF(state->grad, Py_NewRef(gradient.ptr()));
      if (is_recording())
        py::module_::import("weft.programs.recording").attr("note_gradient")(leaf);
    }
  }

 private:
  struct Waiting {
    py::object node;
    std::vector<py::object> gradients;  // of its outputs; null where none arrived
  };

  py::object& at_leaf(PyObject* leaf) {
    const auto [found, is_new] = leaf_numbers_.try_emplace(leaf, leaves_.size());
    if (is_new) leaves_.emplace_back(borrowed(leaf), py::object());
    return leaves_[found->second].second;
  }
  py::object& at_output(PyObject* node, PyObject* index) {
    Waiting& at = waiting_[node_in(node)->sequence];
    if (!at.node) {
      at.node = borrowed(node);
      at.gradients.resize(static_cast<size_t>(node_in(node)->num_outputs));
    }
    return at.gradients.at(PyLong_AsSize_t(index));
  }

  void visit(Waiting& at) {
    NodeState* node = node_in(at.node.ptr());
    const int wanted = only_ == nullptr ? 1 : PySet_Contains(only_, at.node.ptr());
    if (wanted < 0) throw py::error_already_set();
    if (wanted && !absent(node->hooks)) apply_hooks(node, at.gradients);
    if (keep_ != nullptr) keep(at);
    if (!wanted) return;
    const py::object results = backward(node, at.gradients);
    if (!retain_graph_) forget_saved(node);
    pass_on(node, results);
  }

  static void apply_hooks(NodeState* node, std::vector<py::object>& gradients) {
    for (size_t i = 0; i < gradients.size(); i++) {
      if (!gradients[i]) continue;
      gradients[i] = with_hooks(borrowed(node->hooks).attr("get")(i, py::tuple()), gradients[i]);
    }
  }

  void keep(const Waiting& at) {
    for (size_t i = 0; i < at.gradients.size(); i++) {
      const py::tuple output = py::make_tuple(at.node, i);
      const int wanted = at.gradients[i] ? PySet_Contains(keep_, output.ptr()) : 0;
      if (wanted < 0) throw py::error_already_set();
      if (wanted) kept_[output] = at.gradients[i];
    }
  }

  static py::object backward(NodeState* node, const std::vector<py::object>& gradients) {
    static PyObject* const name = PyUnicode_InternFromString("backward");
    const py::object body = attribute(node->function, name);
    std::vector<PyObject*> values{reinterpret_cast<PyObject*>(node)};
    for (const py::object& g : gradients) values.push_back(g ? g.ptr() : Py_None);
    return stolen(PyObject_Vectorcall(body.ptr(), values.data(), values.size(), nullptr));
  }

  void pass_on(NodeState* node, const py::object& results) {
    const bool several = PyTuple_CheckExact(results.ptr());
    const Py_ssize_t count = several ? PyTuple_GET_SIZE(results.ptr()) : 1,
                     arguments = PyTuple_GET_SIZE(node->edges);
    for (Py_ssize_t i = 0; i < count; i++) {
      PyObject* gradient = several ? PyTuple_GET_ITEM(results.ptr(), i) : results.ptr();
      if (gradient == Py_None) continue;
      check(i < arguments, name_of(node), ": backward returned ", count,
            " gradients, but forward got ", arguments, " arguments");
      check_type(state_in(gradient) != nullptr, name_of(node), ": backward returned a ",
                 Py_TYPE(gradient)->tp_name, " as gradient ", i, "; it gives tensors, or None");
      PyObject* edge = PyTuple_GET_ITEM(node->edges, i);
      if (edge != Py_None)
        add(PyTuple_GET_ITEM(edge, 0), PyTuple_GET_ITEM(edge, 1), borrowed(gradient));
    }
  }

  bool retain_graph_;
  PyObject *only_, *keep_;
  std::map<int64_t, Waiting> waiting_;  // by the node's sequence
  std::vector<std::pair<py::object, py::object>> leaves_;
  std::unordered_map<PyObject*, size_t> leaf_numbers_;
  py::dict kept_;
};

void begin(Walk& walk, const py::object& output, const py::object& gradient) {
  const TensorState* state = state_in(output.ptr());
  check_type(state != nullptr, "walk: needs tensors");
  if (absent(state->node))
    walk.add(output.ptr(), Py_None, gradient);
  else
    walk.add(state->node, py::int_(state->index).ptr(), gradient);
}

py::tuple walk(const py::sequence& outputs, const py::sequence& gradients, bool retain_graph,
               const py::object& only, const py::object& keep) {
  Walk walk(retain_graph, only.ptr(), keep.ptr());
  for (size_t i = 0; i < outputs.size(); i++) begin(walk, outputs[i], gradients[i]);
  walk.run();
  return py::make_tuple(walk.leaves(), walk.kept());
}

void add_gradients(const py::object& output, const py::object& gradient, bool retain_graph,
                   bool create_graph) {
  struct Recording {
    explicit Recording(bool enabled) : outer(exchange_grad_enabled(enabled)) {}
    ~Recording() { exchange_grad_enabled(outer); }
    bool outer;
  };
  const Recording recording(create_graph);
  Walk walk(retain_graph, Py_None, Py_None);
  begin(walk, output, gradient);
  walk.run();
  walk.add_to_leaves(create_graph);
}

// The gradient of `output` with respect to itself.
py::object one_like(const py::object& output) {
  const TensorState* state = state_in(output.ptr());
  check_type(state != nullptr && state->data != nullptr, "one_like: needs a tensor");
  const Tensor& array = *tensor_in(state->data);
  const py::object data =
      stolen(tensor_object(full(array.shape(), 1, array.dtype(), array.device())));
  TensorState* one = new_tensor(data.ptr());
  one->is_one = true;
  return stolen(reinterpret_cast<PyObject*>(one));
}

}  // namespace

WEFT_BINDING(autograd_walk) {
  m.def("walk", &walk, py::arg("outputs"), py::arg("gradients"), py::arg("retain_graph"),
        py::arg("only") = py::none(), py::arg("keep") = py::none(),
        "From the outputs to the leaves: ([(leaf, gradient), ...], {(node, output): gradient}).");
  m.def("add_gradients", &add_gradients, py::arg("output"), py::arg("gradient"),
        py::arg("retain_graph"), py::arg("create_graph"),
        "From one output to the `.grad` of the leaves.");
  m.def("one_like", &one_like, py::arg("output"),
        "The gradient of a tensor with respect to itself.");
}

}  // namespace weft
