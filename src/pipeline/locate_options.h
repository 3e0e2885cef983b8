// What the options of a locate must not say.
#pragma once

#include "emend/locate_run.h"

namespace emend {

// Throws Error(kUsage), which names the options, for values that cannot be and for options that contradict
// each other or lack another one.
void check_locate_options(const LocateOptions& options);

}  // namespace emend
