// run_bake: settings of cells as changes of down projections, measured as every edit is.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <map>

#include "analysis/prompt_rows.h"
#include "base/strings.h"
#include "emend/checks.h"
#include "emend/error.h"
#include "emend/memory_bake.h"
#include "emend/memory_view.h"
#include "emend/version.h"
#include "pipeline/continue_prompt.h"
#include "pipeline/patch_checks.h"

namespace emend {
namespace {

using Kind = MemorySetting::Kind;

double factor_of(const MemorySetting& setting) {
  return setting.kind == Kind::kFactor ? setting.amount : 0;
}

void check(const Model& model, const BakeOptions& options) {
  if (options.settings.empty()) throw Error(ErrorKind::kUsage, "give at least one setting of a cell");
  std::map<MemoryId, std::string> seen;
  for (const MemorySetting& setting : options.settings) {
    const std::string why = why_not_baked(setting);
    if (!why.empty())
      throw Error(ErrorKind::kUsage, fmt::format("{} cannot be baked: {}", to_string(setting), why));
    require_memory(model.config(), setting.cell);
    const auto [other, fresh] = seen.emplace(setting.cell, to_string(setting));
    if (!fresh)
      throw Error(ErrorKind::kUsage, fmt::format("{} and {} are of one cell; give one setting of each cell",
                                                 other->second, to_string(setting)));
  }
  if (trim(options.prompt).empty())
    throw Error(ErrorKind::kUsage,
                "the option prompt is empty: the patch says what the model answers to it before and after");
}

// The changes of one layer, and the facts that ask for them.
struct BakedLayer {
  WeightChange change;
  std::vector<const MemorySetting*> settings;
};

std::vector<BakedLayer> layers_of(const Model& model, const BakeOptions& options) {
  std::map<int, std::vector<const MemorySetting*>> by_layer;
  for (const MemorySetting& setting : options.settings) by_layer[setting.cell.layer].push_back(&setting);
  std::vector<BakedLayer> layers;
  for (const auto& [layer, settings] : by_layer) {
    const FfnView view(model, layer);
    at::Tensor A = at::zeros({static_cast<std::int64_t>(settings.size()), view.cells()}, at::kFloat);
    std::vector<at::Tensor> columns;
    for (std::size_t row = 0; row < settings.size(); ++row) {
      A[static_cast<std::int64_t>(row)][settings[row]->cell.index] = 1;
      const at::Tensor value = view.value(settings[row]->cell.index).to(at::kCPU);
      columns.push_back(value * (factor_of(*settings[row]) - 1));
    }
    layers.push_back({WeightChange::low_rank({layer, Role::kMlpDown}, A, at::stack(columns, 1)), settings});
  }
  return layers;
}

FactPart part_of(const BakedLayer& layer, std::int64_t row, double weight_norm) {
  FactPart part;
  part.weight = layer.change.weight;
  part.keys = layer.change.A[row].unsqueeze(0).clone();
  part.answers = at::ones({1});
  part.residual = layer.change.B.select(1, row).clone();
  part.rows = {row};
  part.update_norm = part.residual.norm().item<double>();
  part.relative_norm = part.update_norm / weight_norm;
  return part;
}

// Facts in the order of the settings.
Edit edit_of(const Model& model, const BakeOptions& options) {
  Edit edit;
  edit.method = "cells";
  edit.objective = Objective::kNone;
  edit.base_fingerprint = model.fingerprint();
  for (const MemorySetting& setting : options.settings) {
    FactRecord fact;
    fact.request.id = to_string(setting);
    fact.request.prompt = std::string(trim_back(options.prompt));
    fact.request.subject_begin = fact.request.prompt.find_last_of(" \t\n") + 1;
    fact.request.subject = fact.request.prompt.substr(fact.request.subject_begin);
    edit.facts.push_back(std::move(fact));
  }
  for (const BakedLayer& layer : layers_of(model, options)) {
    const double norm = model.weights()
                            .blocks[static_cast<std::size_t>(layer.change.weight.block)]
                            .mlp_down.norm()
                            .item<double>();
    for (std::size_t row = 0; row < layer.settings.size(); ++row)
      edit.facts[static_cast<std::size_t>(layer.settings[row] - options.settings.data())].parts.push_back(
          part_of(layer, static_cast<std::int64_t>(row), norm));
    edit.changes.push_back(layer.change);
    WeightSolve& solve = edit.solves.emplace_back();
    solve.weight = layer.change.weight;
    solve.rule = SolveRule::kEquality;
  }
  return edit;
}

// The first word that the model as it is now writes behind the prompt.
std::string answer_of(const Model& model, const EditRequest& request, const CheckOptions& how) {
  std::vector<EditRequest> asked = {request};
  asked[0].target = "word";  // one word is wanted
  asked[0].was.clear();
  fill_present_answers(model, asked, how);
  if (asked[0].was.empty())
    throw Error(ErrorKind::kConfig,
                fmt::format("no word follows {}; give another prompt", quote(request.prompt)));
  return asked[0].was;
}

}  // namespace

std::string why_not_baked(const MemorySetting& setting) {
  if (setting.where != MemorySetting::Where::kAll)
    return "weights act at all tokens alike; leave out what stands behind the @";
  if (setting.kind == Kind::kFactor || setting.kind == Kind::kOff) return "";
  if (setting.kind == Kind::kValue && setting.amount == 0) return "";
  return "a coefficient depends on the text, and no change of the down projection makes it constant: that "
         "takes "
         "a key of zeros and a bias in front of the activation, which patches do not hold and layers without "
         "biases do not have; off and a factor such as x0.5 are exact";
}

Patch run_bake(Model& model, const BakeOptions& options, Progress& progress) {
  const c10::NoGradGuard no_gradients;
  check(model, options);
  Patch patch;
  patch.emend_version = emend_version();
  patch.base_name = model.path().filename().string();
  patch.bos = options.bos;
  patch.prefix = row_prefix(model.tokenizer(), options.bos, PromptForm::kRaw);
  patch.conditions = {model.device_names(), model.compute_type(), std::nullopt, options.token_budget};
  patch.edit = edit_of(model, options);
  std::vector<std::string> texts;
  for (const MemorySetting& setting : options.settings) texts.push_back(to_string(setting));
  patch.edit.options = {{"settings", join(texts, " ")}};
  patch.edit_text = join(texts, "\n") + "\n";
  patch.edit.warnings.push_back("drift was not measured: a baked patch holds no text");

  const CheckOptions how{.prefix = patch.prefix, .token_budget = options.token_budget};
  const std::string was = answer_of(model, patch.edit.facts.front().request, how);
  std::string target;
  {
    const ScopedEdit scope(model, patch.edit.changes);
    target = answer_of(model, patch.edit.facts.front().request, how);
  }
  for (FactRecord& fact : patch.edit.facts) {
    fact.request.was = was;
    fact.request.target = target;
  }
  const std::vector<FactState> before = measure_patch(model, patch, options.token_budget, progress);
  set_before(patch.edit, before);
  const ScopedEdit scope(model, patch.edit.changes);
  const std::vector<FactState> after = measure_patch(model, patch, options.token_budget, progress);
  set_after(patch.edit, after);
  patch.checks = checks_of(patch, before, after, std::nullopt, std::nullopt);
  patch.passed = passes(patch.edit, patch.checks);
  return patch;
}

}  // namespace emend
