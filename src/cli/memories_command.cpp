// emend memories COMMAND: the table of its commands. Each lives in its own file.
#include "cli/command.h"

namespace emend {
namespace {

const std::vector<Command> kMemoriesCommands = {
    {"scan", "find what triggers every cell, in one pass over text", memories_scan_command},
    {"merge", "join the shards of a scan into one index", memories_merge_command},
    {"values", "tell what every cell writes, in words", nullptr},
    {"cell", "show all that an index knows of one cell", memories_cell_command},
    {"search", "find cells by their triggers and values", nullptr},
};

}  // namespace

int memories_command(const std::vector<std::string>& arguments) {
  return run_command("memories ", kMemoriesCommands, arguments);
}

}  // namespace emend
