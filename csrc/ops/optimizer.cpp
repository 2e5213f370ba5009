#include "ops/optimizer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "bindings/binding.h"
#include "core/launch.h"
#include "core/suggest.h"
#include "ops/cast.h"

namespace weft {

namespace kernels {
constinit Kernel<StepParams> optimizer_step("optimizer_step");
constinit Kernel<UpdateParams> sgd_update("sgd_update");
constinit Kernel<UpdateParams> rmsprop_update("rmsprop_update");
constinit Kernel<UpdateParams> adam_update("adam_update");
constinit Kernel<UpdateParams> adagrad_update("adagrad_update");
constinit Kernel<UpdateParams> adadelta_update("adadelta_update");
constinit Kernel<UpdateParams> adamax_update("adamax_update");
constinit Kernel<UpdateParams> nadam_update("nadam_update");
constinit Kernel<UpdateParams> ftrl_update("ftrl_update");
constinit Kernel<NoParams> sum_of_squares("sum_of_squares");
constinit Kernel<NormParams> clip_factors("clip_factors");
constinit Kernel<ScaledAddParams> scaled_add("scaled_add");
}  // namespace kernels

namespace {

constexpr DType kUpdatedDTypes[] = {DType::float32, DType::float64};

struct Rule {
  std::string_view name;
  const Kernel<UpdateParams>* kernel;
  int64_t flops;  // for each element, square roots and divisions counted as one
};

const Rule& rule_of(UpdateRule rule) {
  using namespace kernels;
  static const std::array<Rule, 8> rules = {{{"sgd", &sgd_update, 5},
                                             {"rmsprop", &rmsprop_update, 9},
                                             {"adam", &adam_update, 11},
                                             {"adagrad", &adagrad_update, 7},
                                             {"adadelta", &adadelta_update, 14},
                                             {"adamax", &adamax_update, 9},
                                             {"nadam", &nadam_update, 14},
                                             {"ftrl", &ftrl_update, 16}}};
  return rules[static_cast<size_t>(rule)];
}

UpdateRule parse_rule(std::string_view name) {
  std::vector<std::string_view> known;
  for (int i = 0; i < 8; i++) {
    known.push_back(rule_of(static_cast<UpdateRule>(i)).name);
    if (known.back() == name) return static_cast<UpdateRule>(i);
  }
  fail(ErrorKind::value, "optimizer: unknown rule '", name, "'", suggest(name, known));
}

int64_t bytes_of(Operands tensors) {
  int64_t bytes = 0;
  for (const Tensor* t : tensors) bytes += bytes_of(*t);
  return bytes;
}

void check_operands(const TensorList& parameters, const TensorList& gradients,
                    const TensorList& slots, size_t slots_each) {
  const size_t n = parameters.size();
  check(gradients.size() == n, "optimizer: ", n, " parameters but ", gradients.size(),
        " gradients");
  check(slots.size() == n * slots_each, "optimizer: ", n, " parameters need ", n * slots_each,
        " slots, got ", slots.size());
  for (size_t i = 0; i < n; i++) {
    const Tensor& w = *parameters[i];
    check_type(is_floating(w.dtype()), "optimizer: parameter ", i, " has dtype ", w.dtype(),
               "; floating-point parameters can be updated");
    check(gradients[i]->shape() == w.shape(), "optimizer: gradient ", i, " has shape ",
          gradients[i]->shape(), " but its parameter has shape ", w.shape());
    check(w.is_contiguous() && w.storage()->writable(), "optimizer: parameter ", i,
          " is a strided or read-only view and cannot be updated in place");
  }
  for (size_t i = 0; i < slots.size(); i++) {
    const Tensor &slot = *slots[i], &w = *parameters[i % n];
    const DType dtype = compute_dtype(w.dtype());
    check(slot.shape() == w.shape() && slot.dtype() == dtype && slot.is_contiguous(),
          "optimizer: slot ", i / n, " of parameter ", i % n, " has shape ", slot.shape(),
          " and dtype ", slot.dtype(), ", its parameter needs ", w.shape(), " and ", dtype);
  }
}

// The same gradients with the dtype of their parameters and dense memory; `converted` owns copies.
TensorList usable_gradients(const TensorList& gradients, const TensorList& parameters,
                            std::vector<Tensor>& converted) {
  TensorList usable(gradients);
  converted.reserve(gradients.size());
  for (size_t i = 0; i < usable.size(); i++) {
    if (gradients[i]->dtype() == parameters[i]->dtype() && gradients[i]->is_contiguous()) continue;
    converted.push_back(contiguous(cast(*gradients[i], parameters[i]->dtype())));
    usable[i] = &converted.back();
  }
  return usable;
}

// Parameters in half precision as float32 for the time of an update: they are rounded once, and
// what an update adds is not lost before it is added.
class Widened {
 public:
  explicit Widened(const TensorList& parameters) : parameters_(parameters), list_(parameters) {
    wide_.reserve(parameters.size());  // the list points into it
    for (size_t i = 0; i < list_.size(); i++) {
      if (!is_half(parameters[i]->dtype())) continue;
      wide_.push_back(cast(*parameters[i], DType::float32));
      list_[i] = &wide_.back();
    }
  }
  const TensorList& list() const { return list_; }
  void round_back() const {
    for (size_t i = 0; i < list_.size(); i++)
      if (list_[i] != parameters_[i]) copy_into(*list_[i], *parameters_[i]);
  }

 private:
  const TensorList& parameters_;
  TensorList list_;
  std::vector<Tensor> wide_;
};

// Factors (n,) of the gradients, or an undefined tensor when norms are not limited.
Tensor norm_factors(const UpdateSettings& settings, const TensorList& gradients) {
  const bool global = settings.global_clip_norm > 0;
  const double limit = global ? settings.global_clip_norm : settings.clip_norm;
  if (limit <= 0) return Tensor();
  const Tensor squares = sums_of_squares(gradients);
  const Tensor factors = Tensor::empty(squares.shape(), DType::float64, squares.device());
  launch(kernels::clip_factors, DType::float64, NormParams{limit, settings.gradient_scale, global},
         {0, 2 * bytes_of(squares)}, {&squares}, {&factors});
  return factors;
}

// Calls launch_some(begin, end) for runs of at most `most` of n things.
template <class F>
void in_groups(size_t n, size_t most, F&& launch_some) {
  for (size_t begin = 0; begin < n; begin += most) launch_some(begin, std::min(n, begin + most));
}

// The entries of `factors` at `chosen`, an increasing list without gaps unless dtypes are mixed.
Tensor factors_of(const Tensor& factors, std::span<const size_t> chosen) {
  if (!factors.defined()) return factors;
  const auto first = static_cast<int64_t>(chosen.front());
  const auto count = static_cast<int64_t>(chosen.size());
  if (chosen.back() - chosen.front() + 1 == chosen.size())
    return slice(factors, 0, first, count, 1);
  const Tensor some = Tensor::empty({count}, DType::float64, factors.device());
  for (int64_t k = 0; k < count; k++)
    copy_into(slice(factors, 0, static_cast<int64_t>(chosen[static_cast<size_t>(k)]), 1, 1),
              slice(some, 0, k, 1, 1));
  return some;
}

struct Step {
  const UpdateSettings& settings;
  const TensorList &parameters, &gradients, &slots;
  const std::vector<bool>& decayed;
  const Tensor &coefficients, &factors;
};

// One launch: the parameters at `chosen`, which have one dtype.
void launch_update(const Step& step, DType dtype, std::span<const size_t> chosen) {
  const size_t n = step.parameters.size();
  const Rule& rule = rule_of(step.settings.rule);
  const Tensor factors = factors_of(step.factors, chosen);
  UpdateParams params{step.settings, static_cast<int64_t>(chosen.size()), 0};
  TensorList inputs = {&step.coefficients, &factors}, outputs;
  int64_t elements = 0;
  for (size_t k = 0; k < chosen.size(); k++) {
    const size_t i = chosen[k];
    inputs.push_back(step.gradients[i]);
    outputs.push_back(step.parameters[i]);
    elements += step.parameters[i]->size();
    if (step.decayed.empty() || step.decayed[i]) params.decayed |= uint64_t{1} << k;
  }
  for (size_t slot = 0; slot < step.slots.size(); slot += n)
    for (const size_t i : chosen) outputs.push_back(step.slots[slot + i]);
  const Cost cost{rule.flops * elements, bytes_of(inputs) + 2 * bytes_of(outputs)};
  launch_lists(*rule.kernel, dtype, params, cost, inputs, outputs);
  for (const Tensor* t : outputs) t->storage()->bump_version();
}

}  // namespace

int slot_count(const UpdateSettings& s) {
  switch (s.rule) {
    case UpdateRule::sgd: return s.momentum != 0;
    case UpdateRule::rmsprop: return 1 + (s.momentum != 0) + s.centered;
    case UpdateRule::adam: return 2 + s.amsgrad;
    case UpdateRule::adagrad: return 1;
    default: return 2;
  }
}

void optimizer_update(const UpdateSettings& settings, const TensorList& parameters,
                      const TensorList& gradients, const TensorList& slots,
                      const std::vector<bool>& decayed, const Tensor& rate,
                      const Tensor& iterations, const Tensor& momentum_product) {
  const size_t n = parameters.size(), slots_each = static_cast<size_t>(slot_count(settings));
  check_operands(parameters, gradients, slots, slots_each);
  check(decayed.empty() || decayed.size() == n, "optimizer: ", decayed.size(),
        " weight-decay flags for ", n, " parameters");
  check(rate.dtype() == DType::float64 && rate.size() == 1 && iterations.size() == 1 &&
            iterations.dtype() == DType::int64,
        "optimizer: the rate must be one float64 and the step count one int64 number");
  const bool is_nadam = settings.rule == UpdateRule::nadam;
  check(!is_nadam || (momentum_product.defined() && momentum_product.size() == 1 &&
                      momentum_product.dtype() == DType::float64),
        "optimizer: nadam needs its product of momenta as one float64 number");
  if (n == 0) return;
  const Widened widened(parameters);
  const TensorList& updated = widened.list();
  std::vector<Tensor> converted;
  const TensorList usable = usable_gradients(gradients, updated, converted);
  const Tensor factors = norm_factors(settings, usable);

  const Tensor coefficients = Tensor::empty({kStepCoefficients}, DType::float64, rate.device());
  launch(kernels::optimizer_step, DType::float64,
         StepParams{settings.rule, settings.beta_1, settings.beta_2}, {kStepCoefficients, 64},
         {&rate}, {&iterations, &momentum_product, &coefficients});
  iterations.storage()->bump_version();

  const Step step{settings, updated, usable, slots, decayed, coefficients, factors};
  const size_t most = (kMaxOperands - 2) / (2 + slots_each);
  for (const DType dtype : kUpdatedDTypes) {
    std::vector<size_t> chosen;
    for (size_t i = 0; i < n; i++)
      if (updated[i]->dtype() == dtype && updated[i]->size() > 0) chosen.push_back(i);
    in_groups(chosen.size(), most, [&](size_t begin, size_t end) {
      launch_update(step, dtype, {chosen.data() + begin, end - begin});
    });
  }
  widened.round_back();
}

Tensor sums_of_squares(const TensorList& tensors) {
  check(!tensors.empty(), "sums_of_squares: the list of tensors is empty");
  const auto n = static_cast<int64_t>(tensors.size());
  const Tensor squares = Tensor::empty({n}, DType::float64, tensors[0]->device());
  for (int64_t i = 0; i < n; i++) {
    const Tensor x = contiguous(*tensors[static_cast<size_t>(i)]);
    const Tensor one = slice(squares, 0, i, 1, 1);
    launch(kernels::sum_of_squares, x.dtype(), NoParams{}, {2 * x.size(), bytes_of(x)}, {&x},
           {&one});
  }
  return squares;
}

void scaled_add(const TensorList& x, const TensorList& y, double a, double b) {
  check(x.size() == y.size(), "scaled_add: ", x.size(), " and ", y.size(), " tensors");
  check_operands(y, x, {}, 0);
  const Widened widened(y);
  const TensorList& sums = widened.list();
  std::vector<Tensor> converted;
  const TensorList usable = usable_gradients(x, sums, converted);
  for (const DType dtype : kUpdatedDTypes) {
    TensorList inputs, outputs;
    for (size_t i = 0; i < y.size(); i++) {
      if (sums[i]->dtype() != dtype || sums[i]->size() == 0) continue;
      inputs.push_back(usable[i]);
      outputs.push_back(sums[i]);
    }
    in_groups(outputs.size(), kMaxOperands / 2, [&](size_t begin, size_t end) {
      const Operands in(inputs.data() + begin, end - begin),
          out(outputs.data() + begin, end - begin);
      launch_lists(kernels::scaled_add, dtype,
                   ScaledAddParams{static_cast<int64_t>(end - begin), a, b},
                   {bytes_of(in) / 2, bytes_of(in) + 2 * bytes_of(out)}, in, out);
      for (const Tensor* t : out) t->storage()->bump_version();
    });
  }
  widened.round_back();
}

namespace {

// What stays the same from step to step, so that a step hands over nothing but the gradients.
class UpdatePlan {
 public:
  UpdatePlan(const UpdateSettings& settings, std::vector<Tensor> parameters,
             std::vector<Tensor> slots, std::vector<bool> decayed, Tensor rate, Tensor iterations,
             const std::optional<Tensor>& momentum_product)
      : settings_(settings),
        parameters_(std::move(parameters)),
        slots_(std::move(slots)),
        decayed_(std::move(decayed)),
        rate_(std::move(rate)),
        iterations_(std::move(iterations)),
        momentum_product_(momentum_product.value_or(Tensor())) {
    for (const Tensor& t : parameters_) parameter_list_.push_back(&t);
    for (const Tensor& t : slots_) slot_list_.push_back(&t);
  }
  UpdatePlan(const UpdatePlan&) = delete;  // the lists point into it
  UpdatePlan& operator=(const UpdatePlan&) = delete;

  void update(const pybind11::sequence& gradients) const {
    optimizer_update(settings_, parameter_list_, tensors_in(gradients), slot_list_, decayed_, rate_,
                     iterations_, momentum_product_);
  }

 private:
  UpdateSettings settings_;
  std::vector<Tensor> parameters_, slots_;
  std::vector<bool> decayed_;
  Tensor rate_, iterations_, momentum_product_;
  TensorList parameter_list_, slot_list_;
};

}  // namespace

WEFT_BINDING(optimizer) {
  namespace py = pybind11;
  py::class_<UpdateSettings>(m, "UpdateSettings")
      .def(py::init([](std::string_view rule) {
             UpdateSettings settings;
             settings.rule = parse_rule(rule);
             return settings;
           }),
           py::arg("rule"))
      .def_readwrite("momentum", &UpdateSettings::momentum)
      .def_readwrite("nesterov", &UpdateSettings::nesterov)
      .def_readwrite("centered", &UpdateSettings::centered)
      .def_readwrite("amsgrad", &UpdateSettings::amsgrad)
      .def_readwrite("rho", &UpdateSettings::rho)
      .def_readwrite("beta_1", &UpdateSettings::beta_1)
      .def_readwrite("beta_2", &UpdateSettings::beta_2)
      .def_readwrite("epsilon", &UpdateSettings::epsilon)
      .def_readwrite("learning_rate_power", &UpdateSettings::learning_rate_power)
      .def_readwrite("l1", &UpdateSettings::l1)
      .def_readwrite("l2", &UpdateSettings::l2)
      .def_readwrite("l2_shrinkage", &UpdateSettings::l2_shrinkage)
      .def_readwrite("beta", &UpdateSettings::beta)
      .def_readwrite("weight_decay", &UpdateSettings::weight_decay)
      .def_readwrite("gradient_scale", &UpdateSettings::gradient_scale)
      .def_readwrite("clip_value", &UpdateSettings::clip_value)
      .def_readwrite("clip_norm", &UpdateSettings::clip_norm)
      .def_readwrite("global_clip_norm", &UpdateSettings::global_clip_norm)
      .def_property_readonly("slot_count", &slot_count);
  py::class_<UpdatePlan>(m, "UpdatePlan")
      .def(py::init<const UpdateSettings&, std::vector<Tensor>, std::vector<Tensor>,
                    std::vector<bool>, Tensor, Tensor, const std::optional<Tensor>&>(),
           py::arg("settings"), py::arg("parameters"), py::arg("slots"), py::arg("decayed"),
           py::arg("rate"), py::arg("iterations"), py::arg("momentum_product") = py::none())
      .def("update", &UpdatePlan::update, py::arg("gradients"));
  m.def(
      "sums_of_squares",
      [](const py::sequence& tensors) { return sums_of_squares(tensors_in(tensors)); },
      py::arg("tensors"));
  m.def(
      "scaled_add",
      [](const py::sequence& x, const py::sequence& y, double a, double b) {
        scaled_add(tensors_in(x), tensors_in(y), a, b);
      },
      py::arg("x"), py::arg("y"), py::arg("a"), py::arg("b"));
}

}  // namespace weft
