// emend eval compare A B
#pragma once

#include <string>
#include <vector>

namespace emend {

// Takes what follows "eval compare"; returns the exit code. Throws Error.
int eval_compare_command(const std::vector<std::string>& arguments);

}  // namespace emend
