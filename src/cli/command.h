// Tables of commands.
#pragma once

#include <string>
#include <vector>

namespace emend {

struct Command {
  std::string name;
  std::string help;  // one line
  // Takes what follows the command's name; returns the exit code. nullptr: not part of this version yet.
  int (*run)(const std::vector<std::string>& arguments);
};

// Runs the command that arguments[0] names. `prefix` is what stands before it: "" or "patch ". Answers
// --help, --version, `help` and `help COMMAND`. Throws Error(kUsage) for no command, an unknown one, and one
// that is not part of this version yet.
int run_command(const std::string& prefix, const std::vector<Command>& commands,
                const std::vector<std::string>& arguments);

// The same for commands behind which another one stands: `other` runs unless arguments[0] names one of the
// table. `prefix`: its name with a blank, "stats ".
int run_command_or(const std::string& prefix, const std::vector<Command>& commands,
                   const std::vector<std::string>& arguments,
                   int (*other)(const std::vector<std::string>& arguments));

// The table of this program.
const std::vector<Command>& program_commands();

// The commands of this program; each lives in its own file.
int edit_command(const std::vector<std::string>& arguments);
int generate_command(const std::vector<std::string>& arguments);
int locate_command(const std::vector<std::string>& arguments);
int convert_command(const std::vector<std::string>& arguments);
int export_command(const std::vector<std::string>& arguments);
int export_harness_command(const std::vector<std::string>& arguments);
int init_command(const std::vector<std::string>& arguments);
int completion_command(const std::vector<std::string>& arguments);
int export_promptfoo_command(const std::vector<std::string>& arguments);
int serve_command(const std::vector<std::string>& arguments);
int reproduce_command(const std::vector<std::string>& arguments);
int model_command(const std::vector<std::string>& arguments);
int eval_command(const std::vector<std::string>& arguments);
int eval_abilities_command(const std::vector<std::string>& arguments);
int eval_kl_command(const std::vector<std::string>& arguments);
int eval_survive_command(const std::vector<std::string>& arguments);
int eval_compare_command(const std::vector<std::string>& arguments);
int stats_command(const std::vector<std::string>& arguments);
int stats_show_command(const std::vector<std::string>& arguments);
int stats_merge_command(const std::vector<std::string>& arguments);
int stats_import_command(const std::vector<std::string>& arguments);
int stats_export_command(const std::vector<std::string>& arguments);
int patch_command(const std::vector<std::string>& arguments);
int patch_apply_command(const std::vector<std::string>& arguments);
int patch_drop_command(const std::vector<std::string>& arguments);
int patch_merge_command(const std::vector<std::string>& arguments);
int memories_command(const std::vector<std::string>& arguments);
int memories_scan_command(const std::vector<std::string>& arguments);
int memories_merge_command(const std::vector<std::string>& arguments);
int memories_cell_command(const std::vector<std::string>& arguments);
int memories_explain_command(const std::vector<std::string>& arguments);
int memories_effects_command(const std::vector<std::string>& arguments);
int memories_timeline_command(const std::vector<std::string>& arguments);
int memories_knowledge_command(const std::vector<std::string>& arguments);
int memories_layers_command(const std::vector<std::string>& arguments);
int memories_footprint_command(const std::vector<std::string>& arguments);
int memories_search_command(const std::vector<std::string>& arguments);
int memories_set_command(const std::vector<std::string>& arguments);
int memories_values_command(const std::vector<std::string>& arguments);
int memories_aggregate_command(const std::vector<std::string>& arguments);
int memories_coactive_command(const std::vector<std::string>& arguments);
int memories_audit_command(const std::vector<std::string>& arguments);
int memories_bake_command(const std::vector<std::string>& arguments);
int memories_cluster_command(const std::vector<std::string>& arguments);
int memories_compare_command(const std::vector<std::string>& arguments);
int memories_export_command(const std::vector<std::string>& arguments);
int memories_import_command(const std::vector<std::string>& arguments);
int memories_patterns_command(const std::vector<std::string>& arguments);
int memories_report_command(const std::vector<std::string>& arguments);

}  // namespace emend
