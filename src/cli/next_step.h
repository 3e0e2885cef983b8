// What to do after a check has failed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "emend/patch.h"

namespace emend {

// One line for each failed check: the edits it is due to, and the command that takes the worst of them out of
// the patch in `file`, or only what to change where no other edit would be left or the edits were trained
// together. Where another fact of the same key wants another target, the line names that fact instead.
std::vector<std::string> next_steps(const Patch& patch, const std::filesystem::path& model,
                                    const std::filesystem::path& file);

}  // namespace emend
