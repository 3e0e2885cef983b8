// emend init MODEL
#include <fmt/format.h>

#include <filesystem>

#include "analysis/prompt_rows.h"
#include "base/atomic_file.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/error.h"
#include "emend/version.h"
#include "pipeline/first_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// As an edit file in `folder` names it.
fs::path seen_from(const fs::path& folder, const fs::path& model) {
  const fs::path whole = fs::absolute(model).lexically_normal();
  const fs::path relative = whole.lexically_relative(fs::absolute(folder / ".").lexically_normal());
  return relative.empty() ? whole : relative;
}

std::vector<std::string> opening(const fs::path& file) {
  const std::string name = shell_word(file.string());
  return {"A first edit file. Every text in it may be changed; docs/formats.md has all keys.",
          "emend edit " + name + " --dry-run    what the model says now, and what the edit costs",
          "emend edit " + name + "              edit, check, and write a patch beside this file", ""};
}

ResultJson init_json(const FirstEdit& first, const fs::path& file) {
  return {{"emend", emend_version()},
          {"id", first.request.id},
          {"prompt", first.request.prompt},
          {"target", first.request.target},
          {"was", first.request.was},
          {"known", first.known},
          {"says", first.says},
          {"asked", first.asked},
          {"outputs", {file.string()}}};
}

}  // namespace

int init_command(const std::vector<std::string>& arguments) {
  fs::path file = "first_edit.yaml";
  PromptForm form = PromptForm::kRaw;
  CommandFrame frame(
      "init", "MODEL [--out FILE.yaml]",
      "Writes a first edit file for a model, with a fact that this model knows, and comments on "
      "every key.",
      {"seed"});
  frame.syntax.examples = {"init model.gguf --out edits/first.yaml"};
  frame.options.model_argument("path")
      .text("out", file, "FILE", "the edit file to write; one that exists stays as it is", Use::kWrites)
      .value(
          "form", "FORM", "raw, or chat: prompts go through the model's chat template",
          [&](const std::string& text) { form = parse_form(text); }, "raw")
      .check([&] {
        if (file.extension() != ".yaml" && file.extension() != ".yml")
          throw Error(ErrorKind::kUsage, "--out must end in .yaml, found " + file.string());
        if (fs::exists(file))
          throw Error(ErrorKind::kIo, "cannot write " + file.string() + ": it exists already");
      });
  return frame.run(arguments, [&](Console& console) {
    const Model model = frame.load(console);
    CheckOptions how{.prefix = row_prefix(model.tokenizer(), frame.bos(), form), .form = form};
    how.token_budget = frame.common.token_budget;
    const FirstEdit first = find_first_edit(model, how, console.progress());
    if (!first.known)
      console.warn(fmt::format("the model knows none of {} well-known facts: put one into {} that it knows",
                               first.asked, file.string()));
    const fs::path patch = file.stem().concat(".safetensors");
    write_file_atomically(
        file, first_edit_text(first, opening(file), seen_from(file.parent_path(), model.path()), patch, form,
                              frame.bos()));
    return frame.show(
        console,
        fmt::format("{}: {} {}\nNext: emend edit {} --dry-run\n", file.string(), first.request.prompt,
                    first.known ? first.request.was : first.says, shell_word(file.string())),
        init_json(first, file));
  });
}

}  // namespace emend
