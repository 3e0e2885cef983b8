// emend init MODEL
#include <filesystem>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/command_frame.h"
#include "pipeline/first_edit.h"
#include "reports/first_edit_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> opening(const fs::path& file) {
  const std::string name = shell_word(file.string());
  return {"A first edit file. Every text in it may be changed; docs/formats.md has all keys.",
          "emend edit " + name + " --dry-run    what the model says now, and what the edit costs",
          "emend edit " + name + "              edit, check, and write a patch beside this file", ""};
}

}  // namespace

int init_command(const std::vector<std::string>& arguments) {
  FirstEditFile asked;
  asked.file = "first_edit.yaml";
  CommandFrame frame(
      "init", "MODEL [--out FILE.yaml]",
      "Writes a first edit file for a model, with a fact that this model knows, and comments on "
      "every key.",
      {"seed"});
  frame.syntax.examples = {"init model.gguf --out edits/first.yaml"};
  frame.options.model_argument("path")
      .text("out", asked.file, "FILE", "the edit file to write; one that exists stays as it is", Use::kWrites)
      .value(
          "form", "FORM", "raw, or chat: prompts go through the model's chat template",
          [&](const std::string& text) { asked.form = parse_form(text); }, "raw")
      .check([&] { require_new_edit_file(asked.file); });
  return frame.run(arguments, [&](Console& console) {
    const Model model = frame.load(console);
    const fs::path& file = asked.file;
    asked.opening = opening(file);
    asked.bos = frame.bos();
    asked.token_budget = frame.common.token_budget;
    const FirstEdit first = write_first_edit(model, asked, console.progress());
    if (!first.known) console.warn(unknown_facts_remark(first, file));
    return frame.show(
        console,
        first_edit_line(first, file) + "Next: emend edit " + shell_word(file.string()) + " --dry-run\n",
        first_edit_json(first, file));
  });
}

}  // namespace emend
