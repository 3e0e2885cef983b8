#include "model/families/config_values.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "emend/error.h"

namespace emend {

namespace {

void flatten(const nlohmann::json& object, const std::string& prefix, std::map<std::string, GgufValue>& out) {
  for (const auto& [key, value] : object.items()) {
    const std::string name = prefix + key;
    if (value.is_object())
      flatten(value, name + ".", out);
    else if (value.is_boolean())
      out[name] = value.get<bool>();
    else if (value.is_number_integer())
      out[name] = value.get<std::int64_t>();
    else if (value.is_number())
      out[name] = value.get<double>();
    else if (value.is_string())
      out[name] = value.get<std::string>();
    // null means "not set"; lists are not settings of any family here
  }
}

}  // namespace

ConfigValues ConfigValues::from_json(const std::string& text, const std::string& where) {
  ConfigValues values;
  values.where_ = where;
  const nlohmann::json json = parse_json(text, where);
  if (!json.is_object()) throw Error(ErrorKind::kFormat, where + ": expected a JSON object");
  flatten(json, "", values.values_);
  return values;
}

ConfigValues ConfigValues::from_gguf(const TensorFile& file) {
  ConfigValues values;
  values.is_gguf_ = true;
  values.where_ = file.path().string();
  values.values_ = file.gguf_metadata();
  return values;
}

const GgufValue* ConfigValues::find(const SettingName& name) const {
  const auto it = values_.find(is_gguf_ ? name.gguf : name.json);
  return it == values_.end() ? nullptr : &it->second;
}

std::int64_t ConfigValues::integer(const SettingName& name, std::optional<std::int64_t> fallback) const {
  const GgufValue* value = find(name);
  if (!value && fallback) return *fallback;
  if (!value) throw Error(ErrorKind::kModel, spelled(name) + " is missing");
  const auto* integer = std::get_if<std::int64_t>(value);
  if (!integer) throw Error(ErrorKind::kModel, spelled(name) + " must be an integer");
  if (std::abs(static_cast<double>(*integer)) > std::numeric_limits<std::int32_t>::max())
    throw Error(ErrorKind::kModel,
                fmt::format("{} is {}, larger than any real model's", spelled(name), *integer));
  return *integer;
}

double ConfigValues::number(const SettingName& name, std::optional<double> fallback) const {
  const GgufValue* value = find(name);
  if (!value && fallback) return *fallback;
  if (!value) throw Error(ErrorKind::kModel, spelled(name) + " is missing");
  if (const auto* number = std::get_if<double>(value)) return *number;
  if (const auto* integer = std::get_if<std::int64_t>(value)) return static_cast<double>(*integer);
  throw Error(ErrorKind::kModel, spelled(name) + " must be a number");
}

bool ConfigValues::boolean(const SettingName& name, bool fallback) const {
  const GgufValue* value = find(name);
  if (!value) return fallback;
  if (const auto* boolean = std::get_if<bool>(value)) return *boolean;
  throw Error(ErrorKind::kModel, spelled(name) + " must be true or false");
}

std::string ConfigValues::text(const SettingName& name, std::optional<std::string> fallback) const {
  const GgufValue* value = find(name);
  if (!value && fallback) return *fallback;
  if (!value) throw Error(ErrorKind::kModel, spelled(name) + " is missing");
  if (const auto* text = std::get_if<std::string>(value)) return *text;
  throw Error(ErrorKind::kModel, spelled(name) + " must be text");
}

}  // namespace emend
