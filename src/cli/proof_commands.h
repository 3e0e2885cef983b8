// The commands that show what an edit did, and that it can be done again.
#pragma once

#include <string>
#include <vector>

namespace emend {

int eval_kl_command(const std::vector<std::string>& arguments);
int export_harness_command(const std::vector<std::string>& arguments);
int export_promptfoo_command(const std::vector<std::string>& arguments);
int reproduce_command(const std::vector<std::string>& arguments);

}  // namespace emend
