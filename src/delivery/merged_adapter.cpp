#include "delivery/merged_adapter.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"
#include "model/families/family.h"
#include "model/role_table.h"
#include "model/weight_filling.h"

namespace emend {
namespace {

// A matrix of a block, as the family's modules are cut: a whole weight of the pass, or rows of a fused one.
struct ModulePlace {
  int block = 0;
  const TensorName* rule = nullptr;
};

std::string with_block(std::string name, int block) {
  const auto at = name.find("{l}");
  return name.replace(at, 3, std::to_string(block));
}

// "model.layers.3.mlp.down_proj" of "model.layers.{l}.mlp.down_proj.weight", with each of the fronts that
// programs put before it.
std::vector<std::string> module_names(const Family& family, const std::string& tensor, int block) {
  constexpr std::string_view kWeight = ".weight";
  std::vector<std::string> names;
  for (const std::string& spelling : split_at(tensor, '|')) {
    const std::string name = with_block(spelling.substr(0, spelling.size() - kWeight.size()), block);
    names.push_back(name);
    if (family.prefix.empty() || !name.starts_with(family.prefix)) continue;
    const std::string rest = name.substr(family.prefix.size());
    for (const NamePrefix& prefix : family_prefixes(family)) names.push_back(prefix.text + rest);
  }
  return names;
}

bool is_matrix_of_a_block(const TensorName& rule) {
  switch (rule.role) {
    case Role::kQkv:
    case Role::kQuery:
    case Role::kKey:
    case Role::kValue:
    case Role::kAttentionOut:
    case Role::kMlpGateUp:
    case Role::kMlpGate:
    case Role::kMlpUp:
    case Role::kMlpDown:
      return rule.safetensors.find("{l}") != std::string::npos;
    default:
      return false;
  }
}

// All modules of all blocks by name.
std::map<std::string, ModulePlace> module_places(const Family& family, int blocks) {
  std::map<std::string, ModulePlace> places;
  for (const TensorName& rule : family.tensors)
    if (is_matrix_of_a_block(rule))
      for (int block = 0; block < blocks; ++block)
        for (const std::string& name : module_names(family, rule.safetensors, block))
          places.emplace(name, ModulePlace{block, &rule});
  return places;
}

// First row and rows of the weight that a role's module writes.
std::pair<std::int64_t, std::int64_t> module_rows(const RoleInfo& info, const at::Tensor& weight,
                                                  const ModelConfig& config, int block) {
  if (info.is_whole()) return {0, weight.size(0)};
  return info.part(config, config.spec(block));
}

// The two halves of what turns in each head become the neighbours that turn together: rows as GGUF files of
// some families have them (families/llama.cpp), whose safetensors have the halves.
at::Tensor interleaved(const at::Tensor& rows, std::int64_t head_dim, std::int64_t turned) {
  const at::Tensor heads = rows.reshape({-1, head_dim, rows.size(1)});
  const at::Tensor pairs = at::stack({heads.slice(1, 0, turned / 2), heads.slice(1, turned / 2, turned)}, 2);
  return at::cat({pairs.flatten(1, 2), heads.slice(1, turned)}, 1).reshape_as(rows);
}

// Rows of B as the pass has them.
at::Tensor rows_in_order(const at::Tensor& B, const TensorName& rule, const Model& model) {
  const ModelConfig& config = model.config();
  if (rule.form == StoredForm::kGroupedQkv) return in_order_of_pass(B, rule.form, config);
  const bool turns = rule.role == Role::kQuery || rule.role == Role::kKey;
  const bool has_gguf = !rule.gguf.empty();  // others have the neighbours in safetensors, too
  if (turns && has_gguf && !config.rotary.empty() && config.rotary.front().pairs == RotaryPairs::kInterleaved)
    return interleaved(B, config.head_dim,
                       2 * static_cast<std::int64_t>(config.rotary.front().frequencies.size()));
  return B;
}

std::string last_part(const std::string& name) {
  return name.substr(name.rfind('.') + 1);
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 7 && text.find_first_not_of("0123456789") == std::string::npos;
}

// Why no matrix of this name is there: a block that the model does not have, or another name.
[[noreturn]] void refuse_name(const LoraAdapter& adapter, const std::string& module,
                              const std::map<std::string, ModulePlace>& places, const ModelConfig& config) {
  std::vector<std::string> parts = split_at(module, '.');
  for (std::string& part : parts) {
    if (!is_number(part)) continue;
    const std::string block = std::exchange(part, "0");
    if (places.count(join(parts, ".")) == 0) break;
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the module {} is of layer {}, and the model has layers 0 to {}: the adapter "
                            "is of another model",
                            adapter.folder.string(), module, block, config.layers - 1));
  }
  std::set<std::string> known;
  for (const auto& [name, place] : places) known.insert(last_part(name));
  throw Error(ErrorKind::kModel, fmt::format("{}: the module {} is no matrix of a block of this {} model{}",
                                             adapter.folder.string(), module, config.family,
                                             did_you_mean(last_part(module), {known.begin(), known.end()})));
}

}  // namespace

std::vector<MergedMatrix> place_adapter(const LoraAdapter& adapter, const Model& model) {
  if (adapter.modules.empty())
    throw Error(ErrorKind::kModel, fmt::format("{}: the adapter has no modules", adapter.folder.string()));
  const ModelConfig& config = model.config();
  const std::map<std::string, ModulePlace> places = module_places(find_family(config.family), config.layers);
  std::vector<MergedMatrix> merged;
  std::map<std::pair<int, const TensorName*>, std::string> taken;
  for (const LoraModule& module : adapter.modules) {
    const auto found = places.find(module.name);
    if (found == places.end()) refuse_name(adapter, module.name, places, config);
    const auto& [block, rule] = found->second;
    const auto [other, is_first] = taken.try_emplace({block, rule}, module.name);
    if (!is_first)
      throw Error(ErrorKind::kModel, fmt::format("{}: the modules {} and {} are of one matrix",
                                                 adapter.folder.string(), other->second, module.name));
    const RoleInfo& info = role_info(rule->role);
    const at::Tensor& weight = model.weights().blocks[static_cast<std::size_t>(block)].*info.in_block;
    const auto [first, rows] = module_rows(info, weight, config, block);
    if (module.B.size(0) != rows || module.A.size(1) != weight.size(1))
      throw Error(
          ErrorKind::kModel,
          fmt::format("{}: the module {} adds to a matrix of {} x {}, and the model's is {} x {}: the "
                      "adapter is of another model",
                      adapter.folder.string(), module.name, module.B.size(0), module.A.size(1), rows,
                      weight.size(1)));
    merged.push_back({block, info.in_block, first, module.A, rows_in_order(module.B, *rule, model)});
  }
  return merged;
}

void require_fit(const LoraAdapter& adapter, const Model& model) {
  place_adapter(adapter, model);
}

ScopedAdapter::ScopedAdapter(const Model& model, const LoraAdapter& adapter) {
  const c10::NoGradGuard no_grad;
  const std::vector<MergedMatrix> matrices = place_adapter(adapter, model);
  try {
    for (std::size_t i = 0; i < matrices.size(); ++i) {
      const MergedMatrix& matrix = matrices[i];
      const at::Tensor& weight =
          model.weights().blocks[static_cast<std::size_t>(matrix.block)].*matrix.weight;
      const at::Tensor rows = weight.narrow(0, matrix.first_row, matrix.B.size(0));
      const at::Tensor added = at::matmul(matrix.B, matrix.A).to(rows.device());
      saved_.emplace_back(rows, rows.clone());
      rows.copy_(rows.to(at::kFloat) + added);
      if (!rows.isfinite().all().item<bool>())
        throw Error(ErrorKind::kModel,
                    fmt::format("{}: with the module {} added, the matrix holds NaN or infinite values",
                                adapter.folder.string(), adapter.modules[i].name));
    }
  } catch (...) {
    put_back();
    throw;
  }
}

ScopedAdapter::~ScopedAdapter() {
  put_back();
}

void ScopedAdapter::put_back() {
  const c10::NoGradGuard no_grad;
  for (auto saved = saved_.rbegin(); saved != saved_.rend(); ++saved) saved->first.copy_(saved->second);
}

}  // namespace emend
