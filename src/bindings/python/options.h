// Options that Python gives by name, for the fields of the library's option structs.
#pragma once

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bindings/python/bind.h"
#include "emend/model.h"
#include "emend/records.h"

namespace emend::python {

class Options {
 public:
  explicit Options(nb::dict values) : values_(std::move(values)) {}

  // Sets `field` to the option of this name; None leaves it at its default. Raises TypeError for another type
  // and for a name that was not given at all.
  template <typename Field>
  void take(const char* name, Field& field) {
    if (const nb::object value = taken(name); !value.is_none())
      if (!nb::try_cast<Field>(value, field)) refuse(name, value);
  }
  void take(const char* name, std::filesystem::path& field);
  void take(const char* name, std::vector<std::filesystem::path>& field);
  void take(const char* name, PromptForm& field);  // "raw" or "chat"

  // Raises TypeError if an option was given that nobody took: an option must not be lost without a word.
  void require_all_taken() const;

 private:
  nb::object taken(const char* name);
  [[noreturn]] static void refuse(const char* name, const nb::object& value);

  nb::dict values_;
};

// `layers`, numbers, and `layer_rule`, "auto" or "depth" in place of them; std::nullopt: neither is given.
std::optional<LayerChoice> take_layer(Options& options);

// `device`, `dtype` and `threads`: how a model is loaded.
ModelOptions take_model_options(Options& options);

// Throws Error(kUsage) unless it is raw or chat.
PromptForm form_of(const std::string& name);

// str and os.PathLike.
std::filesystem::path path_of(nb::handle path);

}  // namespace emend::python
