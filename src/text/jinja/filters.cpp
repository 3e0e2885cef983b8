#include "text/jinja/filters.h"

#include <fmt/format.h>

#include <algorithm>

namespace emend::text::jinja {
namespace {

constexpr std::array<std::string_view, 9> kOthersOfJinja = {"filesizeformat", "groupby",   "pprint",
                                                            "random",         "striptags", "urlencode",
                                                            "urlize",         "wordwrap",  "xmlattr"};

FilterFunction find(std::string_view name) {
  for (const auto part : {find_text_filter, find_number_filter, find_sequence_filter, find_selection_filter})
    if (const FilterFunction filter = part(name)) return filter;
  return nullptr;
}

}  // namespace

bool has_filter(std::string_view name) {
  return find(name) != nullptr ||
         std::find(kOthersOfJinja.begin(), kOthersOfJinja.end(), name) != kOthersOfJinja.end();
}

Value apply_filter(Runtime& runtime, std::string_view name, const Value& value, const Arguments& arguments) {
  runtime.step();
  if (const FilterFunction filter = find(name)) return filter(runtime, value, arguments);
  if (has_filter(name)) throw Fault{fmt::format("the filter '{}' is not supported by emend", name)};
  throw Fault{fmt::format("there is no filter '{}'", name)};
}

}  // namespace emend::text::jinja
