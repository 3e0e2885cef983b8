// str.split, str.rsplit, str.partition and str.rpartition.
#pragma once

#include "text/jinja/arguments.h"
#include "text/jinja/runtime.h"

namespace emend::text::jinja {

Value split_method(Runtime& runtime, const Value& self, const Arguments& arguments);
Value rsplit_method(Runtime& runtime, const Value& self, const Arguments& arguments);
Value partition_method(Runtime& runtime, const Value& self, const Arguments& arguments);
Value rpartition_method(Runtime& runtime, const Value& self, const Arguments& arguments);

}  // namespace emend::text::jinja
