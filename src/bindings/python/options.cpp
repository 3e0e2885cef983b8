#include "bindings/python/options.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "emend/error.h"

namespace emend::python {

nb::object Options::taken(const char* name) {
  if (!values_.contains(name)) throw nb::type_error(fmt::format("the option {} is missing", name).c_str());
  nb::object value = values_[name];
  PyDict_DelItemString(values_.ptr(), name);
  return value;
}

void Options::refuse(const char* name, const nb::object& value) {
  throw nb::type_error(
      fmt::format("{}: a value of another type is expected, found {}", name, nb::repr(value).c_str())
          .c_str());
}

void Options::take(const char* name, std::filesystem::path& field) {
  if (const nb::object value = taken(name); !value.is_none()) field = path_of(value);
}

void Options::take(const char* name, std::vector<std::filesystem::path>& field) {
  const nb::object value = taken(name);
  if (value.is_none()) return;
  for (const nb::handle path : value) field.push_back(path_of(path));
}

void Options::take(const char* name, PromptForm& field) {
  std::string form;
  take(name, form);
  if (!form.empty()) field = form_of(form);
}

void Options::require_all_taken() const {
  for (const auto [name, value] : values_)
    throw nb::type_error(fmt::format("there is no option {}", nb::repr(name).c_str()).c_str());
}

std::optional<LayerChoice> take_layer(Options& options) {
  LayerChoice choice;
  std::string rule;
  options.take("layers", choice.layers);
  options.take("layer_rule", rule);
  if (rule == "auto") return LayerChoice{};
  if (choice.layers.empty() && rule.empty()) return std::nullopt;
  choice.where = "layer";  // without numbers: by depth
  return choice;
}

ModelOptions take_model_options(Options& options) {
  std::string device = "cpu", dtype = "float32";
  ModelOptions how;
  options.take("device", device);
  options.take("dtype", dtype);
  options.take("threads", how.threads);
  how.device = Placement::parse(device);
  how.dtype = parse_compute_type(dtype);
  return how;
}

PromptForm form_of(const std::string& name) {
  const auto form = parse_prompt_form(name);
  if (!form) throw Error(ErrorKind::kUsage, fmt::format("form must be raw or chat, found {}", quote(name)));
  return *form;
}

std::filesystem::path path_of(nb::handle path) {
  PyObject* bytes = nullptr;
  if (PyUnicode_FSConverter(path.ptr(), &bytes) == 0) throw nb::python_error();
  const nb::object held = nb::steal(bytes);
  return std::string(PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes)));
}

}  // namespace emend::python
