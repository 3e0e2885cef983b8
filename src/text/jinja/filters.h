// The filters of Jinja2, `value | name(arguments)`, with transformers' own tojson.
#pragma once

#include <array>
#include <string_view>

#include "text/jinja/arguments.h"
#include "text/jinja/runtime.h"

namespace emend::text::jinja {

// Throws Fault for a filter that does not exist, and for one that emend does not know.
Value apply_filter(Runtime& runtime, std::string_view name, const Value& value, const Arguments& arguments);
bool has_filter(std::string_view name);

using FilterFunction = Value (*)(Runtime&, const Value&, const Arguments&);
struct NamedFilter {
  std::string_view name;
  FilterFunction apply;
};

// The parts of the table, by what the filters work on. Null if the part has none of this name.
FilterFunction find_text_filter(std::string_view name);
FilterFunction find_number_filter(std::string_view name);
FilterFunction find_sequence_filter(std::string_view name);
FilterFunction find_selection_filter(std::string_view name);

template <std::size_t count>
FilterFunction find_filter(const std::array<NamedFilter, count>& filters, std::string_view name) {
  for (const NamedFilter& filter : filters)
    if (filter.name == name) return filter.apply;
  return nullptr;
}

}  // namespace emend::text::jinja
