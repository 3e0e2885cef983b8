// emend memories COMMAND: the table of its commands. Each lives in its own file.
#include "cli/command.h"

namespace emend {
namespace {

const std::vector<Command> kMemoriesCommands = {
    {"scan", "find what triggers every cell, in one pass over text", memories_scan_command},
    {"merge", "join the shards of a scan into one index", memories_merge_command},
    {"values", "tell what every cell writes, in words", memories_values_command},
    {"cell", "show all that an index knows of one cell", memories_cell_command},
    {"aggregate", "tell how cells add up to a layer's output, and layers to the answer",
     memories_aggregate_command},
    {"patterns", "tell what the triggers of a cell have in common", memories_patterns_command},
    {"explain", "tell which cells make the model say a token", memories_explain_command},
    {"effects", "tell what cells do where they are triggered", memories_effects_command},
    {"timeline", "tell where in the layers a prompt's subject is collected and its answer formed",
     memories_timeline_command},
    {"knowledge", "tell which cells hold facts, and what facts lose without them",
     memories_knowledge_command},
    {"layers", "tell what the model says without a layer, or with two swapped", memories_layers_command},
    {"footprint", "tell which cells an edit moves", memories_footprint_command},
    {"bake", "write cells that are off or scaled as a patch", memories_bake_command},
    {"cluster", "group cells whose values promote the same words", memories_cluster_command},
    {"coactive", "tell which cells are active at the same tokens", memories_coactive_command},
    {"compare", "compare two checkpoints cell by cell", memories_compare_command},
    {"audit", "find cells by expressions over triggers, and cells one could do without",
     memories_audit_command},
    {"report", "write one page over an index", memories_report_command},
    {"export", "write an index for other viewers and labellers", memories_export_command},
    {"import", "take labels of cells from files into an index", memories_import_command},
    {"search", "find cells by their triggers and values", memories_search_command},
    {"set", "switch cells off, pin or scale them, and see what changes", memories_set_command},
};

}  // namespace

int memories_command(const std::vector<std::string>& arguments) {
  return run_command("memories ", kMemoriesCommands, arguments);
}

}  // namespace emend
