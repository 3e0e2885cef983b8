// The settings of a checkpoint, whichever file they come from: config.json or GGUF metadata.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "emend/tensor_file.h"

namespace emend {

// One setting's name in either file. In JSON, nested keys are joined with dots,
// "rope_parameters.rope_theta", and names that mean the same are separated by bars, the usual one first:
// "n_embd|hidden_size". GGUF's stands without the architecture in front of it, "block_count" for
// "llama.block_count", unless it begins with "general.". An empty name: the setting does not exist there.
struct SettingName {
  std::string json;
  std::string gguf;
};

// Typed reading with the file and key named in every message. Numbers of any width are taken.
class ConfigValues {
 public:
  // Takes config.json's text; throws Error(kFormat) when it is not a JSON object. Settings of a "text_config"
  // (checkpoints that also hold a vision part) take the place of those around it.
  static ConfigValues from_json(const std::string& text, const std::string& where);
  static ConfigValues from_gguf(const TensorFile& file);

  bool is_gguf() const { return is_gguf_; }
  const std::string& where() const { return where_; }
  bool has(const SettingName& name) const { return find(name) != nullptr; }
  // Whether config.json says null, which is not the same as not saying anything.
  bool is_null(const std::string& json) const { return nulls_.contains(json); }
  // Whether the JSON object `object` ("rope_scaling") is there and has a member.
  bool has_object(const std::string& object) const;

  // Without a fallback the setting must be there: Error(kModel) names the file and the key.
  std::int64_t integer(const SettingName& name, std::optional<std::int64_t> fallback = {}) const;
  double number(const SettingName& name, std::optional<double> fallback = {}) const;
  bool boolean(const SettingName& name, bool fallback) const;
  std::string text(const SettingName& name, std::optional<std::string> fallback = {}) const;
  // Lists; empty where the setting is not there.
  std::vector<std::string> texts(const SettingName& name) const;
  std::vector<double> numbers(const SettingName& name) const;

 private:
  const GgufValue* find(const SettingName& name) const;
  const GgufValue* find_key(const std::string& key) const;
  std::string gguf_key(const std::string& name) const;
  std::string spelled(const SettingName& name) const;

  bool is_gguf_ = false;
  std::string where_, architecture_;
  std::set<std::string> nulls_;
  std::map<std::string, GgufValue> values_;
};

}  // namespace emend
