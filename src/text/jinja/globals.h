// The functions that every chat template may call: range, dict, namespace, raise_exception, strftime_now.
#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/runtime.h"

namespace emend::text::jinja {

// std::nullopt if there is none of this name.
std::optional<Value> find_global(std::string_view name);

}  // namespace emend::text::jinja
