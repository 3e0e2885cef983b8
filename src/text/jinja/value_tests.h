// The tests of Jinja2: `value is name(arguments)`.
#pragma once

#include <string_view>

#include "text/jinja/arguments.h"
#include "text/jinja/runtime.h"

namespace emend::text::jinja {

// Throws Fault for a test that does not exist.
bool apply_test(Runtime& runtime, std::string_view name, const Value& value, const Arguments& arguments);
bool has_test(std::string_view name);

}  // namespace emend::text::jinja
