// x.name, x[key], x[a:b:c] and calls, as the sandbox of Jinja2 gives them.
#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/arguments.h"
#include "text/jinja/runtime.h"

namespace emend::text::jinja {

// A method or an attribute first, then the item of that name; undefined if there is neither.
Value get_attribute(Runtime& runtime, const Value& object, std::string_view name);
// An item first, then the attribute of that name.
Value get_item(Runtime& runtime, const Value& object, const Value& key);
// What a path such as "function.name" or "0" leads to: the argument `attribute` of filters.
Value get_path(Runtime& runtime, const Value& object, const Value& path);
// A bound is none where it is left out.
Value get_slice(Runtime& runtime, const Value& object, const Value& first, const Value& last,
                const Value& step);
Value call(Runtime& runtime, const Value& function, const Arguments& arguments);

// The method `name` of `object`; std::nullopt if Python has none of that name.
std::optional<Value> find_method(const Value& object, std::string_view name);

}  // namespace emend::text::jinja
