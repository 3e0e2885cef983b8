// What stands behind `emend stats` besides the collection itself.
#pragma once

#include <string>
#include <vector>

namespace emend {

int stats_show_command(const std::vector<std::string>& arguments);
int stats_merge_command(const std::vector<std::string>& arguments);
int stats_import_command(const std::vector<std::string>& arguments);

}  // namespace emend
