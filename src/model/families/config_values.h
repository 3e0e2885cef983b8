// The settings of a checkpoint, whichever file they come from: config.json or GGUF metadata.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/tensor_file.h"

namespace emend {

// One setting's name in either file. Nested JSON keys are joined with dots: "rope_parameters.rope_theta".
// An empty name: the setting does not exist there.
struct SettingName {
  std::string json;
  std::string gguf;
};

// Typed reading with the file and key named in every message. Numbers of any width are taken.
class ConfigValues {
 public:
  // Takes config.json's text; throws Error(kFormat) when it is not a JSON object.
  static ConfigValues from_json(const std::string& text, const std::string& where);
  static ConfigValues from_gguf(const TensorFile& file);

  bool is_gguf() const { return is_gguf_; }
  const std::string& where() const { return where_; }
  bool has(const SettingName& name) const { return find(name) != nullptr; }

  // Without a fallback the setting must be there: Error(kModel) names the file and the key.
  std::int64_t integer(const SettingName& name, std::optional<std::int64_t> fallback = {}) const;
  double number(const SettingName& name, std::optional<double> fallback = {}) const;
  bool boolean(const SettingName& name, bool fallback) const;
  std::string text(const SettingName& name, std::optional<std::string> fallback = {}) const;

 private:
  const GgufValue* find(const SettingName& name) const;
  std::string spelled(const SettingName& name) const {
    return where_ + ": \"" + (is_gguf_ ? name.gguf : name.json) + '"';
  }

  bool is_gguf_ = false;
  std::string where_;
  std::map<std::string, GgufValue> values_;
};

}  // namespace emend
