// What a patch says of itself, and how two differ (emend/patch.h, emend/patch_algebra.h).
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/patch.h"
#include "emend/patch_algebra.h"

namespace emend {

// Facts, checks, and what the patch was made with.
std::string patch_text(const Patch& patch, std::size_t columns);
ResultJson patch_list_json(const Patch& patch, const std::string& file);

std::string difference_text(const PatchDifference& difference, std::size_t columns);
ResultJson difference_json(const PatchDifference& difference);

}  // namespace emend
