// emend export lora|gguf-lora --model M --patch P... --out DIR
#include <ATen/ATen.h>

#include <iostream>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/load_model.h"
#include "emend/adapter.h"
#include "emend/patch_run.h"
#include "emend/tensor_file.h"
#include "pipeline/failure.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

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
    syntax.own.add_options()("base-name", po::value(&options.base_name)->value_name("NAME"),
                             "what adapter_config.json names as its base (default: the model's name)");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), syntax.command, "--model PATH");
  require_given(!options.patches.empty(), syntax.command, "--patch FILE");
  require_given(!options.out.empty(), syntax.command, "--out DIR");
  return Parsed::kRun;
}

struct Loaded {
  std::vector<Patch> patches;
  Model model;
};

Loaded load(const ExportOptions& options, Console& console) {
  console.keep_json_apart({{options.patches.begin(), options.patches.end()}, options.common.model, {}});
  console.keep_json_apart({{options.out}, {}, {}});
  const std::vector<NamedPatch> patches = load_patches({options.patches.begin(), options.patches.end()});
  for (const std::string& warning : require_usable(patches, {options.force})) console.warn(warning);
  Model model = load_model(options.common.model, options.common, console);
  for (const NamedPatch& named : patches) require_base(named.patch, model, named.name);
  throw_if_interrupted();
  return {without_names(patches), std::move(model)};
}

// Largest difference of the written product B A from that of the patches: read back from the file.
double product_difference(const TensorFile& file, const AdapterModule& module, const std::string& a,
                          const std::string& b) {
  const auto read = [&](const std::string& name) {
    const TensorInfo& info = *file.find(name);
    const at::Tensor tensor = at::empty(info.shape, at::kFloat);
    read_as_float32(file, info, {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())});
    return tensor.to(at::kDouble);
  };
  const at::Tensor wanted = at::matmul(module.B.to(at::kDouble), module.A.to(at::kDouble));
  return (at::matmul(read(b), read(a)) - wanted).abs().max().item<double>();
}

int report(const std::vector<AdapterModule>& modules, const fs::path& file, const fs::path& written,
           const std::string& prefix, const std::string& a, const std::string& b, const Loaded& loaded,
           Console& console) {
  const std::unique_ptr<TensorFile> stored = open_checkpoint(file);
  Table table({{"weight", Align::kLeft, 20},
               {"layer", Align::kRight},
               {"rank", Align::kRight},
               {"norm", Align::kRight},
               {"difference", Align::kRight}});
  ResultJson list = ResultJson::array();
  bool exact = true;
  for (const AdapterModule& module : modules) {
    const std::string name = prefix + module.name;
    const double difference = product_difference(*stored, module, name + a, name + b);
    const double norm = at::matmul(module.B, module.A).norm().item<double>();
    exact = exact && difference == 0;
    table.add_row({module.name, std::to_string(module.block), std::to_string(module.A.size(0)),
                   number_text(norm), number_text(difference)});
    list.push_back({{"name", module.name},
                    {"layer", module.block},
                    {"rank", module.A.size(0)},
                    {"norm", norm},
                    {"difference", difference}});
  }
  std::cout
      << "Written: " << written.string() << "\n\n"
      << table.text(console.columns())
      << "Difference: of the adapter's product from the edit, read back from the file. Layers count from "
         "0.\n";
  console.write_json({{"emend", emend_version()},
                      {"model", model_json(loaded.model)},
                      {"path", written.string()},
                      {"modules", list},
                      {"passed", exact}});
  return exact ? kExitDone : kExitCheckFailed;
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
  const Loaded loaded = load(options, console);
  const std::vector<AdapterModule> modules = peft_modules(loaded.model, loaded.patches);
  write_peft_adapter(loaded.model, modules,
                     options.base_name.empty() ? loaded.patches[0].base_name : options.base_name,
                     options.out);
  const fs::path out = options.out;
  return report(modules, out / "adapter_model.safetensors", out, "base_model.model.", ".lora_A.weight",
                ".lora_B.weight", loaded, console);
}

int export_gguf_lora(const std::vector<std::string>& arguments) {
  ExportOptions options;
  if (parse_export(
          "gguf-lora",
          std::string("Writes patches as an adapter for llama.cpp (--lora FILE): DIR/") + kGgufName + ".",
          false, arguments, options) == Parsed::kAnswered)
    return kExitDone;
  Console console(options.common);
  const fs::path file = fs::path(options.out) / kGgufName;
  require_writable_file(file);
  std::vector<fs::path> inputs(options.patches.begin(), options.patches.end());
  inputs.emplace_back(options.common.model);
  require_not_among(file, inputs);
  const Loaded loaded = load(options, console);
  const std::vector<AdapterModule> modules = gguf_modules(loaded.model, loaded.patches);
  write_gguf_adapter(loaded.model, modules, file);
  return report(modules, file, file, "", ".lora_a", ".lora_b", loaded, console);
}

const std::vector<Command> kExportCommands = {
    {"lora", "a LoRA adapter for PEFT", export_lora},
    {"gguf-lora", "an adapter for llama.cpp", export_gguf_lora},
};

}  // namespace

int export_command(const std::vector<std::string>& arguments) {
  return run_command("export ", kExportCommands, arguments);
}

}  // namespace emend
