// JSON as the values of a template, for recorded conversations.
#pragma once

#include <nlohmann/json.hpp>

#include "text/jinja/evaluator.h"

namespace emend::test {

using OrderedJson = nlohmann::ordered_json;

inline text::jinja::Value value_of(const OrderedJson& json) {
  using text::jinja::Value;
  if (json.is_null()) return {};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number_float()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) {
    std::vector<Value> items;
    for (const OrderedJson& item : json) items.push_back(value_of(item));
    return Value::list(std::move(items));
  }
  std::vector<text::jinja::Entry> entries;
  for (const auto& [key, item] : json.items()) entries.emplace_back(key, value_of(item));
  return Value::dict(std::move(entries));
}

// The members of an object as variables.
inline text::jinja::Variables variables_of(const OrderedJson& object) {
  text::jinja::Variables variables;
  for (const auto& [name, value] : object.items()) variables.emplace_back(name, value_of(value));
  return variables;
}

}  // namespace emend::test
