// The table of the program's commands.
#include "cli/command.h"

namespace emend {

const std::vector<Command>& program_commands() {
  static const std::vector<Command> commands = {
      {"edit", "change facts of a model as an edit file says, check the result, write a patch", edit_command},
      {"generate", "continue a prompt, also with patches laid on the model", generate_command},
      {"stats", "collect the second moments of the keys that edits rest on", stats_command},
      {"eval", "benchmark editors", eval_command},
      {"locate", "find the layers that hold a fact", locate_command},
      {"patch", "look at patches, verify, write and take them back", patch_command},
      {"export", "write patches as an adapter for other programs, or a whole model for transformers",
       export_command},
      {"convert", "turn records of other programs into an edit file", convert_command},
      {"memories", "look at feed-forward layers as key-value memories", memories_command},
      {"model", "tell what a model file is, and check it", model_command},
      {"init", "write a first edit file for a model, with a fact that it knows", init_command},
      {"serve", "answer over HTTP as OpenAI's completions do, to check edits", serve_command},
      {"reproduce", "repeat a run and compare what it makes byte for byte", reproduce_command},
      {"completion", "completion of the command line for a shell, and manual pages", completion_command},
  };
  return commands;
}

}  // namespace emend
