// The methods of str.
#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/arguments.h"
#include "text/jinja/runtime.h"

namespace emend::text::jinja {

// std::nullopt if str has no method of this name; calling one that emend does not know throws Fault.
std::optional<Value> find_string_method(const Value& object, std::string_view name);

// `text` with every `old` replaced, the first `count` only unless it is negative.
std::string replaced(Runtime& runtime, std::string_view text, std::string_view old, std::string_view by,
                     std::int64_t count);

}  // namespace emend::text::jinja
