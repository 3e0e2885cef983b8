// emend memories COMMAND: the table of its commands. Each lives in its own file.
#include "cli/command.h"

namespace emend {
namespace {

const std::vector<Command> kMemoriesCommands = {
    {"scan", "find what triggers every cell, in one pass over text", memories_scan_command},
    {"merge", "join the shards of a scan into one index", memories_merge_command},
    {"values", "tell what every cell writes, in words", memories_values_command},
    {"cell", "show all that an index knows of one cell", memories_cell_command},
    {"explain", "tell which cells make the model say a token", memories_explain_command},
    {"footprint", "tell which cells an edit moves", memories_footprint_command},
    {"search", "find cells by their triggers and values", memories_search_command},
    {"set", "switch cells off, pin or scale them, and see what changes", memories_set_command},
};

}  // namespace

int memories_command(const std::vector<std::string>& arguments) {
  return run_command("memories ", kMemoriesCommands, arguments);
}

}  // namespace emend
