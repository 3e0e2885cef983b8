// Options of run_locate that contradict each other or are out of range.
#pragma once

#include "emend/locate_run.h"

namespace emend {

// Throws Error(kUsage) naming the option, Error(kConfig) for what this model cannot meet.
void check_locate_options(const LocateOptions& options, const ModelConfig& config);

}  // namespace emend
