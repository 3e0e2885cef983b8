#include "model/families/config_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace {

using Json = nlohmann::json;
using Values = std::map<std::string, GgufValue>;

template <typename Predicate>
bool all(const Json& list, Predicate is_kind) {
  return std::all_of(list.begin(), list.end(), is_kind);
}

// A list of one kind of value; others are not settings of any family.
void add_list(const Json& list, const std::string& name, Values& out) {
  if (list.empty()) return;
  if (all(list, [](const Json& item) { return item.is_string(); }))
    out[name] = list.get<std::vector<std::string>>();
  else if (all(list, [](const Json& item) { return item.is_number(); }))
    out[name] = list.get<std::vector<double>>();
}

void flatten(const Json& object, const std::string& prefix, Values& out, std::set<std::string>& nulls) {
  for (const auto& [key, value] : object.items()) {
    const std::string name = prefix + key;
    if (value.is_object())
      flatten(value, name + ".", out, nulls);
    else if (value.is_boolean())
      out[name] = value.get<bool>();
    else if (value.is_number_integer())
      out[name] = value.get<std::int64_t>();
    else if (value.is_number())
      out[name] = value.get<double>();
    else if (value.is_string())
      out[name] = value.get<std::string>();
    else if (value.is_array())
      add_list(value, name, out);
    else if (value.is_null()) {
      nulls.insert(name);
      out.erase(name);  // of the object around a text_config
    }
  }
}

}  // namespace

ConfigValues ConfigValues::from_json(const std::string& text, const std::string& where) {
  ConfigValues values;
  values.where_ = where;
  const Json json = parse_json(text, where);
  if (!json.is_object()) throw Error(ErrorKind::kFormat, where + ": expected a JSON object");
  flatten(json, "", values.values_, values.nulls_);
  if (const auto inner = json.find("text_config"); inner != json.end() && inner->is_object())
    flatten(*inner, "", values.values_, values.nulls_);
  return values;
}

ConfigValues ConfigValues::from_gguf(const TensorFile& file) {
  ConfigValues values;
  values.is_gguf_ = true;
  values.where_ = file.path().string();
  values.values_ = file.gguf_metadata();
  values.architecture_ = values.text({"", "general.architecture"}, "");
  return values;
}

std::string ConfigValues::gguf_key(const std::string& name) const {
  return name.empty() || name.starts_with("general.") ? name : architecture_ + "." + name;
}

std::string ConfigValues::spelled(const SettingName& name) const {
  return where_ + ": \"" + (is_gguf_ ? gguf_key(name.gguf) : split_at(name.json, '|').front()) + '"';
}

const GgufValue* ConfigValues::find_key(const std::string& key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

const GgufValue* ConfigValues::find(const SettingName& name) const {
  if (is_gguf_) return find_key(gguf_key(name.gguf));
  const GgufValue* found = nullptr;
  for (const std::string& key : split_at(name.json, '|')) {
    const GgufValue* value = find_key(key);
    if (found && value && *found != *value)
      throw Error(ErrorKind::kModel,
                  fmt::format("{} and \"{}\" mean the same, but their values differ", spelled(name), key));
    if (!found) found = value;
  }
  return found;
}

bool ConfigValues::has_object(const std::string& object) const {
  const auto it = values_.lower_bound(object + ".");
  return it != values_.end() && it->first.starts_with(object + ".");
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

std::vector<std::string> ConfigValues::texts(const SettingName& name) const {
  const GgufValue* value = find(name);
  if (!value) return {};
  if (const auto* list = std::get_if<std::vector<std::string>>(value)) return *list;
  throw Error(ErrorKind::kModel, spelled(name) + " must be a list of text");
}

std::vector<double> ConfigValues::numbers(const SettingName& name) const {
  const GgufValue* value = find(name);
  if (!value) return {};
  if (const auto* list = std::get_if<std::vector<double>>(value)) return *list;
  if (const auto* list = std::get_if<std::vector<std::int64_t>>(value)) return {list->begin(), list->end()};
  throw Error(ErrorKind::kModel, spelled(name) + " must be a list of numbers");
}

}  // namespace emend
