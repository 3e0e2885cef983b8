// Which files of a run are the same whenever it is repeated.
#pragma once

#include <filesystem>
#include <vector>

#include "emend/eval.h"

namespace emend {

// Records, and points of curves, of all methods: they hold no times and no paths.
std::vector<std::filesystem::path> repeatable_files(const BenchmarkOutcome& outcome);

}  // namespace emend
