// emend export lora|gguf-lora --model M --patch P... --out DIR
#include <fmt/format.h>

#include <iostream>

#include "base/atomic_folder.h"
#include "base/files.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/load_model.h"
#include "cli/proof_commands.h"
#include "delivery/checkpoint_files.h"
#include "emend/adapter.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "pipeline/failure.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

struct ExportOptions {
  CommonOptions common;
  std::vector<std::string> patches;
  std::string out, base_name;
  bool force = false;
};

constexpr const char* kGgufName = "adapter.gguf";

Parsed parse_export(const std::string& name, const std::string& help, bool names_base,
                    const std::vector<std::string>& arguments, ExportOptions& options) {
  Syntax syntax;
  syntax.command = "export " + name;
  syntax.synopsis = "--model M --patch P... --out DIR";
  syntax.help = help;
  syntax.unused = {"bos", "seed", "token-budget"};
  syntax.own.add_options()("patch",
                           po::value(&options.patches)->multitoken()->composing()->value_name("FILE"),
                           "the patches; an adapter holds all of them")(
      "out", po::value(&options.out)->value_name("DIR"), "the folder to write")(
      "force", po::bool_switch(&options.force), "also export patches that are marked as failed or overlap");
  if (names_base)
    syntax.own.add_options()(
        "base-name", po::value(&options.base_name)->value_name("NAME"),
        "what adapter_config.json names as its base (default: the whole path of the model's folder)");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), syntax.command, "--model PATH");
  require_given(!options.patches.empty(), syntax.command, "--patch FILE");
  require_given(!options.out.empty(), syntax.command, "--out DIR");
  return Parsed::kRun;
}

struct Loaded {
  std::vector<Patch> patches;
  std::vector<std::string> warnings;  // told already
  Model model;
};

Loaded load(const ExportOptions& options, Console& console) {
  console.keep_json_apart({{options.patches.begin(), options.patches.end()}, options.common.model, {}});
  console.keep_json_apart({{options.out}, {}, {}});
  const std::vector<NamedPatch> patches = load_patches({options.patches.begin(), options.patches.end()});
  std::vector<std::string> warnings = require_usable(patches, options.force);
  for (const std::string& warning : warnings) console.warn(warning);
  Model model = load_model(options.common.model, options.common, console);
  for (const NamedPatch& named : patches) require_base(named.patch, model, named.name);
  throw_if_interrupted();
  return {without_names(patches), std::move(warnings), std::move(model)};
}

int finish(const Loaded& loaded, const AdapterOptions& how, Console& console) {
  AdapterOutcome outcome = export_adapter(loaded.model, loaded.patches, how);
  outcome.warnings = loaded.warnings;
  std::cout << full_report(outcome, {console.columns()});
  console.write_json(to_json(outcome, loaded.model));
  return outcome.exact ? kExitDone : kExitCheckFailed;
}

int export_lora(const std::vector<std::string>& arguments) {
  ExportOptions options;
  if (parse_export(
          "lora",
          "Writes patches as a LoRA adapter for PEFT and the servers that read its folders. The base "
          "stays as it is.",
          true, arguments, options) == Parsed::kAnswered)
    return kExitDone;
  Console console(options.common);
  require_new_folder(options.out);
  require_apart(options.common.model, options.out, "name another place");
  require_writable_folder(options.out);
  const Loaded loaded = load(options, console);
  if (options.base_name.empty() && fs::path(options.common.model).extension() == ".gguf")
    console.warn(
        "PEFT does not open a GGUF file as the base: if adapter_config.json does not name the model in a "
        "form that "
        "it opens, say which with --base-name");
  return finish(loaded, {AdapterFormat::kPeft, options.out, options.base_name}, console);
}

int export_gguf_lora(const std::vector<std::string>& arguments) {
  ExportOptions options;
  if (parse_export(
          "gguf-lora",
          fmt::format("Writes patches as an adapter for llama.cpp (--lora FILE): DIR/{}.", kGgufName), false,
          arguments, options) == Parsed::kAnswered)
    return kExitDone;
  Console console(options.common);
  const fs::path file = fs::path(options.out) / kGgufName;
  require_apart(options.common.model, file, "name another place");
  require_writable_file(file);
  std::vector<fs::path> inputs(options.patches.begin(), options.patches.end());
  inputs.emplace_back(options.common.model);
  require_not_among(file, inputs);
  const Loaded loaded = load(options, console);
  return finish(loaded, {AdapterFormat::kGguf, file, {}}, console);
}

const std::vector<Command> kExportCommands = {
    {"lora", "a LoRA adapter for PEFT", export_lora},
    {"gguf-lora", "an adapter for llama.cpp", export_gguf_lora},
    {"harness", "results, or an edit file's questions, for lm-evaluation-harness", export_harness_command},
    {"promptfoo", "an edit file's questions as tests of promptfoo", export_promptfoo_command},
};

}  // namespace

int export_command(const std::vector<std::string>& arguments) {
  return run_command("export ", kExportCommands, arguments);
}

}  // namespace emend
