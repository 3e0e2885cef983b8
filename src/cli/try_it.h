// How to try a patch that was just written.
#pragma once

#include <filesystem>
#include <string>

#include "emend/edit_run.h"

namespace emend {

// A command line to copy: it continues the prompt of the first edited fact with the patch on the model. Empty
// if no fact was edited.
std::string try_it_line(const EditOutcome& outcome, const std::filesystem::path& model,
                        const std::filesystem::path& patch);

}  // namespace emend
