// '{} {1} {name}'.format(...): str.format of Python, as far as templates use it.
#pragma once

#include "text/jinja/arguments.h"
#include "text/jinja/runtime.h"

namespace emend::text::jinja {

// Places are {}, {0} and {name}, with !s or !r; {{ and }} are braces. Throws Fault for attributes, items and
// format specifications within a place, for a place without a value, and for {} beside {0}.
Value brace_format(Runtime& runtime, const Value& pattern, const Arguments& arguments);

}  // namespace emend::text::jinja
