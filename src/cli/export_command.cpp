// emend export lora|gguf-lora|model --model M --patch P... --out DIR
#include <fmt/format.h>

#include "base/atomic_folder.h"
#include "base/files.h"
#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/interrupt.h"
#include "delivery/checkpoint_files.h"
#include "emend/adapter.h"
#include "emend/export_model.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "io/gguf_header.h"
#include "io/output_check.h"
#include "reports/export_model_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

struct AdapterArguments {
  std::vector<fs::path> patches;
  fs::path out;
  bool force = false;
};

void add_adapter_options(CommandFrame& frame, AdapterArguments& asked) {
  frame.options.needs_model()
      .patches(asked.patches, "the patches; an adapter holds all of them")
      // As what is read is: no other file goes into the folder.
      .text("out", asked.out, "DIR", "the folder to write", Use::kReads | Use::kNeeded)
      .flag("force", asked.force, "also export patches that are marked as failed or overlap");
}

int export_patches(CommandFrame& frame, const AdapterArguments& asked, const AdapterOptions& how,
                   Console& console) {
  const std::vector<NamedPatch> patches = load_patches(asked.patches);
  std::vector<std::string> warnings = require_usable(patches, asked.force);
  for (const std::string& warning : warnings) console.warn(warning);
  const Model model = frame.load(console);
  for (const NamedPatch& named : patches) require_base(named.patch, model, named.name);
  throw_if_interrupted();
  AdapterOutcome outcome = export_adapter(model, without_names(patches), how);
  outcome.warnings = std::move(warnings);
  frame.show(console, full_report(outcome, {console.columns()}), to_json(outcome, model));
  return outcome.exact ? kExitDone : kExitCheckFailed;
}

int export_lora(const std::vector<std::string>& arguments) {
  AdapterArguments asked;
  std::string base_name;
  CommandFrame frame("export lora", "--model M --patch P... --out DIR",
                     "Writes patches as a LoRA adapter for PEFT and the servers that read its folders. The "
                     "base stays as it is.",
                     {"bos", "seed", "token-budget"});
  frame.syntax.examples = {"export lora --model model --patch out/eiffel.safetensors --out adapter"};
  add_adapter_options(frame, asked);
  frame.options.text(
      "base-name", base_name, "NAME",
      "what adapter_config.json names as its base (default: the whole path of the model's folder)");
  return frame.run(arguments, [&](Console& console) {
    require_ending(asked.out, OutputForm::kFolder);
    require_new_folder(asked.out);
    require_apart(frame.common.model, asked.out, "name another place");
    require_writable_folder(asked.out);
    if (base_name.empty() && is_gguf_file(frame.common.model))
      console.warn(
          "PEFT does not open a GGUF file as the base: if adapter_config.json does not name the model in a "
          "form that it opens, say which with --base-name");
    return export_patches(frame, asked, {AdapterFormat::kPeft, asked.out, base_name}, console);
  });
}

int export_gguf_lora(const std::vector<std::string>& arguments) {
  constexpr const char* kGgufName = "adapter.gguf";
  AdapterArguments asked;
  CommandFrame frame(
      "export gguf-lora", "--model M --patch P... --out DIR",
      fmt::format("Writes patches as an adapter for llama.cpp (--lora FILE): DIR/{}.", kGgufName),
      {"bos", "seed", "token-budget"});
  frame.syntax.examples = {
      "export gguf-lora --model model.gguf --patch out/eiffel.safetensors --out adapter"};
  add_adapter_options(frame, asked);
  return frame.run(arguments, [&](Console& console) {
    require_ending(asked.out, OutputForm::kFolder);
    const fs::path file = asked.out / kGgufName;
    require_apart(frame.common.model, file, "name another place");
    require_writable_file(file);
    std::vector<fs::path> inputs = asked.patches;
    inputs.emplace_back(frame.common.model);
    require_not_among(file, inputs);
    return export_patches(frame, asked, {AdapterFormat::kGguf, file, {}}, console);
  });
}

int export_transformers(const std::vector<std::string>& arguments) {
  std::vector<fs::path> paths;
  ExportModelOptions how;
  bool force = false;
  CommandFrame frame(
      "export model", "--model M.gguf --out DIR [--patch P]...",
      "Writes a GGUF model as a folder that transformers opens: config.json, model.safetensors and the "
      "tokenizer; with patches, edited.",
      {"bos", "seed", "token-budget", "dtype"});
  frame.syntax.examples = {
      "export model --model model.gguf --patch out/eiffel.safetensors --out edited-model"};
  frame.options.needs_model()
      .repeated("patch", paths, "FILE", "a patch to lay on the model; may be given again", Use::kReads)
      // As what is read is: no other file goes into the folder.
      .text("out", how.out, "DIR", "the folder to write", Use::kReads | Use::kNeeded)
      .text("type", how.type, "TYPE",
            "F32 holds every number of the file exactly; F16 and BF16 round, in half the bytes")
      .flag("force", force, "also write patches that are marked as failed or overlap");
  return frame.run(arguments, [&](Console& console) {
    require_ending(how.out, OutputForm::kFolder);
    require_new_folder(how.out);
    require_apart(frame.common.model, how.out, "name another place");
    require_writable_folder(how.out);
    require_exportable_model(frame.common.model, how);
    const std::vector<NamedPatch> patches = load_patches(paths);
    for (const std::string& warning : require_usable(patches, force)) console.warn(warning);
    Model model = frame.load(console);
    for (const NamedPatch& named : patches) require_base(named.patch, model, named.name);
    throw_if_interrupted();
    TerminalProgress& progress = console.progress();
    const ScopedEdit scope(model, changes_of(patches));
    const ExportModelOutcome outcome = export_model(model, how, progress);
    for (const std::string& warning : outcome.warnings) console.warn(warning);
    return frame.show(console, exported_model_text(outcome, patches),
                      exported_model_json(outcome, model, patches));
  });
}

const std::vector<Command> kExportCommands = {
    {"model", "a GGUF model as a checkpoint of transformers, also edited", export_transformers},
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
