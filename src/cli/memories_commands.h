// The analyses of memories among the commands of this program.
#pragma once

#include <string>
#include <vector>

namespace emend {

int memories_aggregate_command(const std::vector<std::string>& arguments);
int memories_audit_command(const std::vector<std::string>& arguments);
int memories_bake_command(const std::vector<std::string>& arguments);
int memories_cluster_command(const std::vector<std::string>& arguments);
int memories_compare_command(const std::vector<std::string>& arguments);
int memories_export_command(const std::vector<std::string>& arguments);
int memories_import_command(const std::vector<std::string>& arguments);
int memories_patterns_command(const std::vector<std::string>& arguments);
int memories_report_command(const std::vector<std::string>& arguments);

}  // namespace emend
