// The old formatting of Python: 'x: %s' % value.
#pragma once

#include "text/jinja/runtime.h"

namespace emend::text::jinja {

// Knows %s, %r, %d and %%, without widths. `values` is one value or a tuple. Throws Fault for anything else.
Value percent_format(Runtime& runtime, const Value& pattern, const Value& values);

}  // namespace emend::text::jinja
