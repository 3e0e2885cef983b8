// Values as text: str(), repr() and json.dumps() of Python.
#pragma once

#include <optional>
#include <string>

#include "text/jinja/runtime.h"

namespace emend::text::jinja {

// str(value): what {{ value }} writes. An undefined value is empty. Throws Fault for functions and iterators,
// which Python writes with their address in memory.
std::string to_text(Runtime& runtime, const Value& value);
std::string repr(Runtime& runtime, const Value& value);

// The shortest digits that read back as the same number, as Python writes them: 0.1, 1e+16, inf.
std::string float_repr(double value);

struct JsonStyle {
  bool ascii_only = false;
  std::optional<std::string> indent;  // one level; std::nullopt: all on one line
  std::string item_separator = ", ";  // "," by default where lines are indented
  std::string key_separator = ": ";
  bool sort_keys = false;
};

// transformers' own `tojson`: json.dumps without escapes for HTML.
std::string to_json(Runtime& runtime, const Value& value, const JsonStyle& style);

}  // namespace emend::text::jinja
