#include "emend/adapter.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/atomic_folder.h"
#include "delivery/checkpoint_files.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "io/gguf_header.h"
#include "io/gguf_write.h"
#include "io/output_check.h"
#include "model/families/family.h"

namespace emend {
namespace {

using OrderedJson = nlohmann::ordered_json;

// The name that the family gives the down projection of a block, without ".weight" for a module.
std::string tensor_name(const Family& family, int block, bool gguf) {
  const TensorName& down = role_tensor(family, Role::kMlpDown);
  std::string name = gguf ? down.gguf : down.safetensors;
  const auto place = name.find("{l}");
  if (place == std::string::npos)
    throw Error(ErrorKind::kModel,
                fmt::format("the family {} has no GGUF form, so no adapter for it", family.name));
  return name.replace(place, 3, std::to_string(block));
}

// In checkpoints that also see, the text half is a part of a larger model, whose module has a longer name,
// whichever of the names the file has.
std::string tensor_in_model(const Model& base, const Family& family, const std::string& tensor) {
  const std::string part = "language_model.";
  const bool is_part = std::any_of(base.roles().begin(), base.roles().end(), [&](const RoleEntry& entry) {
    return entry.role == Role::kMlpDown && entry.tensor.find(part) != std::string::npos;
  });
  return is_part ? "model." + part + tensor.substr(family.prefix.size()) : tensor;
}

std::string module_name(const std::string& tensor) {
  const std::string ending = ".weight";
  return tensor.substr(0, tensor.size() - ending.size());
}

std::vector<AdapterModule> modules_of(const Model& base, const std::vector<Patch>& patches) {
  std::map<int, std::pair<std::vector<at::Tensor>, std::vector<at::Tensor>>> parts;
  for (const Patch& patch : patches)
    for (const WeightChange& change : patch.edit.changes) {
      require_fit(change, base.config());
      const auto [A, B] = change.factors();
      parts[change.weight.block].first.push_back(A);
      parts[change.weight.block].second.push_back(B);
    }
  std::vector<AdapterModule> modules;
  for (const auto& [block, factors] : parts)
    modules.push_back({block, "", at::cat(factors.first, 0).to(at::kFloat).contiguous(),
                       at::cat(factors.second, 1).to(at::kFloat).contiguous()});
  return modules;
}

TensorToWrite to_write(const std::string& name, const at::Tensor& tensor) {
  const auto* const data = static_cast<const std::byte*>(tensor.const_data_ptr());
  return {name, "F32", tensor.sizes().vec(), {data, tensor.nbytes()}};
}

bool ranks_equal(const std::vector<AdapterModule>& modules) {
  return std::all_of(modules.begin(), modules.end(), [&](const AdapterModule& module) {
    return module.A.size(0) == modules.front().A.size(0);
  });
}

// The keys that PEFT and vLLM ask for, and no others: old versions of PEFT refuse unknown ones.
OrderedJson peft_config(const Family& family, const std::vector<AdapterModule>& modules,
                        const std::string& base_name) {
  std::int64_t rank = 0;
  std::vector<std::string> names;
  for (const AdapterModule& module : modules) {
    rank = std::max(rank, module.A.size(0));
    names.push_back(module.name);
  }
  OrderedJson config = {{"peft_type", "LORA"},
                        {"task_type", "CAUSAL_LM"},
                        {"base_model_name_or_path", base_name},
                        {"r", rank},
                        {"lora_alpha", rank},
                        {"lora_dropout", 0.0},
                        {"bias", "none"},
                        {"fan_in_fan_out", role_tensor(family, Role::kMlpDown).form == StoredForm::kConv1d},
                        {"inference_mode", true},
                        {"modules_to_save", nullptr},
                        {"use_rslora", false},
                        {"use_dora", false},
                        {"target_modules", names}};
  if (ranks_equal(modules)) return config;
  OrderedJson ranks = OrderedJson::object();
  for (const AdapterModule& module : modules) ranks[module.name] = module.A.size(0);
  config["rank_pattern"] = ranks;
  config["alpha_pattern"] = ranks;
  return config;
}

// How the tensors of a module are called in a file.
struct TensorNames {
  std::string prefix, a, b;
};

at::Tensor read_double(const TensorFile& file, const std::string& name) {
  const TensorInfo& info = *file.find(name);
  const at::Tensor tensor = at::empty(info.shape, at::kFloat);
  read_as_float32(file, info, {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())});
  return tensor.to(at::kDouble);
}

ExportedModule read_back(const TensorFile& file, const AdapterModule& module, const TensorNames& names) {
  const std::string name = names.prefix + module.name;
  const at::Tensor wanted = at::matmul(module.B.to(at::kDouble), module.A.to(at::kDouble));
  const at::Tensor stored = at::matmul(read_double(file, name + names.b), read_double(file, name + names.a));
  return {module.name, module.block, module.A.size(0), at::matmul(module.B, module.A).norm().item<double>(),
          (stored - wanted).abs().max().item<double>()};
}

AdapterOutcome read_back(const std::filesystem::path& file, const std::vector<AdapterModule>& modules,
                         const TensorNames& names) {
  const std::unique_ptr<TensorFile> stored = open_checkpoint(file);
  AdapterOutcome outcome;
  outcome.exact = true;
  for (const AdapterModule& module : modules) {
    outcome.modules.push_back(read_back(*stored, module, names));
    outcome.exact = outcome.exact && outcome.modules.back().difference == 0;
  }
  return outcome;
}

// "Orm/orm-1b" of "https://huggingface.co/Orm/orm-1b".
std::string hub_id(const std::string& address) {
  const std::string hub = "https://huggingface.co/";
  return address.starts_with(hub) ? address.substr(hub.size()) : address;
}

// The repository that a GGUF file names as its own; empty if it names none.
std::string gguf_repository(const std::filesystem::path& file) {
  const std::unique_ptr<TensorFile> gguf = open_gguf(file);
  for (const char* key :
       {"general.source.huggingface.repository", "general.source.repo_url", "general.repo_url"}) {
    const auto found = gguf->gguf_metadata().find(key);
    if (found == gguf->gguf_metadata().end()) continue;
    if (const auto* text = std::get_if<std::string>(&found->second); text && !text->empty())
      return hub_id(*text);
  }
  return "";
}

// What PEFT opens as the base: the folder, whole, since a bare name would be looked up on the hub. Of a GGUF
// file that is the repository which it names, since PEFT does not open the file itself.
std::string name_of_base(const Model& base, const std::vector<Patch>& patches) {
  if (base.path().empty()) return patches.front().base_name;
  if (is_gguf_file(base.path()))
    if (const std::string repository = gguf_repository(base.path()); !repository.empty()) return repository;
  std::filesystem::path path = std::filesystem::absolute(base.path()).lexically_normal();
  if (path.filename().empty() || !std::filesystem::is_directory(path)) path = path.parent_path();
  return path.string();
}

AdapterOutcome export_peft(const Model& base, const std::vector<Patch>& patches,
                           const AdapterOptions& options) {
  const std::vector<AdapterModule> modules = peft_modules(base, patches);
  write_peft_adapter(base, modules,
                     options.base_name.empty() ? name_of_base(base, patches) : options.base_name,
                     options.out);
  return read_back(options.out / "adapter_model.safetensors", modules,
                   {"base_model.model.", ".lora_A.weight", ".lora_B.weight"});
}

AdapterOutcome export_gguf(const Model& base, const std::vector<Patch>& patches,
                           const AdapterOptions& options) {
  const std::vector<AdapterModule> modules = gguf_modules(base, patches);
  write_gguf_adapter(base, modules, options.out);
  return read_back(options.out, modules, {"", ".lora_a", ".lora_b"});
}

}  // namespace

std::vector<AdapterModule> peft_modules(const Model& base, const std::vector<Patch>& patches) {
  std::vector<AdapterModule> modules = modules_of(base, patches);
  const Family& family = find_family(base.config().family);
  for (AdapterModule& module : modules)
    module.name = module_name(tensor_in_model(base, family, tensor_name(family, module.block, false)));
  return modules;
}

std::vector<AdapterModule> gguf_modules(const Model& base, const std::vector<Patch>& patches) {
  std::vector<AdapterModule> modules = modules_of(base, patches);
  const Family& family = find_family(base.config().family);
  for (AdapterModule& module : modules) module.name = tensor_name(family, module.block, true);
  return modules;
}

void write_peft_adapter(const Model& base, const std::vector<AdapterModule>& modules,
                        const std::string& base_name, const std::filesystem::path& folder) {
  AtomicFolder made(folder);
  std::vector<TensorToWrite> tensors;
  for (const AdapterModule& module : modules) {
    const std::string name = "base_model.model." + module.name;
    tensors.push_back(to_write(name + ".lora_A.weight", module.A));
    tensors.push_back(to_write(name + ".lora_B.weight", module.B));
  }
  write_safetensors(made.path() / "adapter_model.safetensors", tensors, {});
  const OrderedJson config = peft_config(find_family(base.config().family), modules, base_name);
  write_file_atomically(made.path() / "adapter_config.json", config.dump(2) + "\n");
  made.commit();
}

void write_gguf_adapter(const Model& base, const std::vector<AdapterModule>& modules,
                        const std::filesystem::path& file) {
  const float alpha = ranks_equal(modules) ? static_cast<float>(modules.front().A.size(0)) : 0.0F;
  std::vector<TensorToWrite> tensors;
  for (const AdapterModule& module : modules) {
    tensors.push_back(to_write(module.name + ".lora_a", module.A));
    tensors.push_back(to_write(module.name + ".lora_b", module.B));
  }
  write_gguf(file,
             {{"general.architecture", find_family(base.config().family).gguf_architecture},
              {"general.type", std::string("adapter")},
              {"adapter.type", std::string("lora")},
              {"adapter.lora.alpha", alpha}},
             tensors);
}

std::vector<std::string> subjects_of(const std::vector<Patch>& patches) {
  std::vector<std::string> subjects;
  for (const Patch& patch : patches)
    for (const FactRecord& fact : patch.edit.facts)
      if (fact.is_edited() &&
          std::find(subjects.begin(), subjects.end(), fact.request.subject) == subjects.end())
        subjects.push_back(fact.request.subject);
  return subjects;
}

AdapterOutcome export_adapter(const Model& base, const std::vector<Patch>& patches,
                              const AdapterOptions& options) {
  const auto is_empty = [](const Patch& patch) { return patch.edit.changes.empty(); };
  if (std::all_of(patches.begin(), patches.end(), is_empty))
    throw Error(ErrorKind::kUsage, "there is nothing to export: no patch is given that changes a weight");
  if (!base.path().empty()) require_apart(base.path(), options.out, "name another place");
  require_ending(options.out,
                 options.format == AdapterFormat::kPeft ? OutputForm::kFolder : OutputForm::kGguf);
  AdapterOutcome outcome = options.format == AdapterFormat::kPeft ? export_peft(base, patches, options)
                                                                  : export_gguf(base, patches, options);
  outcome.written = options.out;
  outcome.subjects = subjects_of(patches);
  return outcome;
}

}  // namespace emend
