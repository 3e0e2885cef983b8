#include "emend/survive_run.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "delivery/merged_adapter.h"
#include "delivery/own_type.h"
#include "delivery/stored_weight.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "pipeline/patch_checks.h"
#include "pipeline/patch_moments.h"
#include "pipeline/rounded_weights.h"

namespace emend {
namespace {

// "Q4_K everywhere", for people who wait.
std::string condition_name(SurvivalKind kind, const std::string& condition) {
  switch (kind) {
    case SurvivalKind::kEdited:
      return "as edited";
    case SurvivalKind::kStored:
      return condition + " stored";
    case SurvivalKind::kByTheKeys:
      return condition + " by the keys";
    case SurvivalKind::kEverywhere:
      return condition + " everywhere";
    case SurvivalKind::kLater:
      return "behind " + condition;
    case SurvivalKind::kAdapter:
      return "with the adapter " + condition;
  }
  return condition;
}

// Every stage begins with the name of the condition under which it runs.
class NamedStages : public Progress {
 public:
  NamedStages(Progress& progress, std::string name) : progress_(progress), name_(std::move(name)) {}
  void begin(std::string_view stage, std::int64_t total, std::string_view unit) override {
    progress_.begin(fmt::format("{}: {}", name_, stage), total, unit);
  }
  void update(std::int64_t done, std::string_view note) override { progress_.update(done, note); }
  void end() override { progress_.end(); }
  void note(std::string_view text) override { progress_.note(text); }
  void poll() override { progress_.poll(); }

 private:
  Progress& progress_;
  std::string name_;
};

// <moved k, delta k> / ||delta k||^2 of keys, from their sums.
struct Shares {
  double sum = 0, worst = 1;
  std::size_t keys = 0;
};

class Survival {
 public:
  Survival(Model& model, const std::vector<NamedPatch>& patches, const SurviveOptions& options,
           Progress& progress)
      : model_(model),
        patches_(patches),
        options_(options),
        progress_(progress),
        changes_(changes_of(patches)) {
    ApplyOptions where;
    where.statistics = options.statistics;
    moments_ = moments_to_round(model, patches, where);
    for (const WeightChange& change : changes_) {
      const at::Tensor W = model.weight(change.weight).to(at::kCPU, at::kFloat);
      base_.emplace(change.weight, W.contiguous());
    }
    for (const auto& [weight, W] : base_) delta_.emplace(weight, at::zeros_like(W));
    for (const WeightChange& change : changes_)
      delta_[change.weight] = delta_[change.weight] + change.delta(base_[change.weight].options());
    for (const NamedPatch& named : patches) {
      before_.push_back(measure_patch(model, named.patch, options.token_budget, progress));
      base_nll_.push_back(held_nll(model, named.patch, options.token_budget));
    }
  }

  std::vector<SurvivalRow> run() {
    {
      const ScopedEdit scope(model_, changes_);
      add_rows(SurvivalKind::kEdited, "", "", base_nll_);
    }
    for (const std::string& name : options_.types) {
      const ElementType& type = type_named(name);
      stored(type);
      if (type.format != nullptr) by_the_keys(type);
      everywhere(type);
    }
    later();
    for (const LoraAdapter& adapter : options_.adapters) merged(adapter);
    return std::move(rows_);
  }

 private:
  using Weights = std::map<WeightRef, at::Tensor>;
  using Losses = std::vector<std::optional<double>>;

  Losses losses() const {
    Losses nll;
    for (const NamedPatch& named : patches_)
      nll.push_back(held_nll(model_, named.patch, options_.token_budget));
    return nll;
  }

  // The model as it is now, a row for each patch.
  void add_rows(SurvivalKind kind, const std::string& condition, const std::string& replaced_by,
                const Losses& unedited) {
    NamedStages named(progress_, condition_name(kind, condition));
    for (std::size_t p = 0; p < patches_.size(); ++p) {
      const Patch& patch = patches_[p].patch;
      SurvivalRow row;
      row.kind = kind;
      row.condition = condition;
      row.replaced_by = replaced_by;
      row.patch = p;
      const auto after = measure_patch(model_, patch, options_.token_budget, named);
      row.checks =
          checks_of(patch, before_[p], after, unedited[p], held_nll(model_, patch, options_.token_budget));
      row.passed = passes(patch.edit, row.checks);
      rows_.push_back(std::move(row));
    }
  }

  // Fills the shares of the rows that were added last: `from` became `to`.
  void add_shares(const Weights& from, const Weights& to) {
    for (std::size_t p = 0; p < patches_.size(); ++p) {
      Shares shares;
      for (const FactRecord& fact : patches_[p].patch.edit.facts)
        for (const FactPart& part : fact.parts)
          if (fact.is_edited()) count(part, from, to, shares);
      SurvivalRow& row = rows_[rows_.size() - patches_.size() + p];
      if (shares.keys == 0) continue;
      row.mean_share = shares.sum / static_cast<double>(shares.keys);
      row.worst_share = shares.worst;
    }
  }

  void count(const FactPart& part, const Weights& from, const Weights& to, Shares& shares) const {
    const auto found = delta_.find(part.weight);
    if (found == delta_.end() || !part.keys.defined()) return;
    const at::Tensor keys = keys_with_answers(part);
    const at::Tensor wanted = at::matmul(keys, found->second.to(at::kDouble).t());
    const at::Tensor moved = (to.at(part.weight) - from.at(part.weight)).to(at::kDouble);
    const at::Tensor arrived = at::matmul(keys, moved.t());
    for (std::int64_t k = 0; k < keys.size(0); ++k) {
      const double size = at::dot(wanted[k], wanted[k]).item<double>();
      if (size == 0) continue;
      const double share = at::dot(arrived[k], wanted[k]).item<double>() / size;
      shares.sum += share;
      shares.worst = shares.keys == 0 ? share : std::min(shares.worst, share);
      ++shares.keys;
    }
  }

  static at::Tensor keys_with_answers(const FactPart& part) {
    return part.keys.to(at::kDouble).index_select(0, part.answers.nonzero().flatten());
  }

  Weights map_weights(const std::function<at::Tensor(const WeightRef&, const at::Tensor&)>& make) const {
    Weights made;
    for (const auto& [weight, W] : base_) made.emplace(weight, make(weight, W));
    return made;
  }

  Weights edited() const {
    return map_weights([&](const WeightRef& weight, const at::Tensor& W) { return W + delta_.at(weight); });
  }
  static Weights all_rounded(Weights weights, const ElementType& type) {
    for (auto& [weight, W] : weights) W = rounded(W, type);
    return weights;
  }

  void stored(const ElementType& type) {
    const Weights written = all_rounded(edited(), type);
    const ScopedWeights scope(model_, written);
    add_rows(SurvivalKind::kStored, std::string(type.name), stand_ins(model_, type, false), base_nll_);
    add_shares(base_, written);
  }

  void by_the_keys(const ElementType& type) {
    const Weights from = all_rounded(base_, type);
    Losses unedited;
    {
      const ScopedWeights scope(model_, from);
      unedited = losses();
    }
    const Weights written = map_weights([&](const WeightRef& weight, const at::Tensor& W) {
      const ElementType& own = type_of_rows(type, W.size(1));
      const std::vector<std::byte> bytes = encode_weight(W, own, false);
      std::vector<at::Tensor> keys = {at::empty({0, W.size(1)}, at::kDouble)};
      for (const NamedPatch& named : patches_)
        for (const FactRecord& fact : named.patch.edit.facts)
          if (const FactPart* const part = fact.part_at(weight); part != nullptr && fact.is_edited())
            keys.push_back(keys_with_answers(*part));
      OwnTypeWeight wanted{
          &own, bytes, delta_.at(weight).to(at::kDouble).contiguous(), at::cat(keys).contiguous(), {}};
      if (const auto C = moments_.find(weight.block); C != moments_.end())
        wanted.C = C->second.to(at::kCPU, at::kDouble).contiguous();
      return decode_weight(round_to_own_type(wanted), own, W.size(0), W.size(1), false);
    });
    const ScopedWeights scope(model_, written);
    add_rows(SurvivalKind::kByTheKeys, std::string(type.name), stand_ins(model_, type, false), unedited);
    add_shares(from, written);
  }

  void everywhere(const ElementType& type) {
    Losses unedited;
    {
      const RoundedBlocks all(model_, type);
      unedited = losses();
    }
    const ScopedEdit scope(model_, changes_);
    const RoundedBlocks all(model_, type);
    add_rows(SurvivalKind::kEverywhere, std::string(type.name), stand_ins(model_, type, true), unedited);
    add_shares(all_rounded(base_, type), all_rounded(edited(), type));
  }

  void later() {
    std::vector<WeightChange> changes = changes_;
    for (const NamedPatch& named : options_.later) {
      const auto& more = named.patch.edit.changes;
      changes.insert(changes.end(), more.begin(), more.end());
      const ScopedEdit scope(model_, changes);
      add_rows(SurvivalKind::kLater, named.name, "", base_nll_);
    }
  }

  // Of the edited model against the unedited one, each with the adapter merged.
  void merged(const LoraAdapter& adapter) {
    const ScopedAdapter also(model_, adapter);
    const Losses unedited = losses();
    const ScopedEdit scope(model_, changes_);
    add_rows(SurvivalKind::kAdapter, adapter.folder.string(), "", unedited);
  }

  Model& model_;
  const std::vector<NamedPatch>& patches_;
  const SurviveOptions& options_;
  Progress& progress_;
  std::vector<WeightChange> changes_;
  LayerMoments moments_;
  Weights base_, delta_;  // float32 on the CPU, of the weights that the patches change
  std::vector<std::vector<FactState>> before_;
  Losses base_nll_;
  std::vector<SurvivalRow> rows_;
};

}  // namespace

SurviveOutcome survive_edits(Model& model, const std::vector<NamedPatch>& patches,
                             const SurviveOptions& options, Progress& progress) {
  const c10::NoGradGuard no_grad;
  if (patches.empty() || (options.types.empty() && options.later.empty() && options.adapters.empty()))
    throw Error(ErrorKind::kUsage, "survival needs patches, and types, later patches or adapters");
  for (const std::string& name : options.types) {
    const ElementType& type = type_named(name);
    for (const BlockWeights& block : model.weights().blocks)
      for (const at::Tensor& W : {block.qkv, block.attention_out, block.mlp_in, block.mlp_down})
        type_of_rows(type, W.size(1));
  }
  if (model.first_kept_block() != 0)
    throw Error(ErrorKind::kModel,
                "survival rounds weights in memory, and this model's are not all kept there");
  for (const LoraAdapter& adapter : options.adapters) require_fit(adapter, model);
  SurviveOutcome outcome;
  outcome.warnings = require_stack(patches, model);
  for (const auto& more : {require_bases(options.later, model), overlaps_of(patches, options.later)})
    outcome.warnings.insert(outcome.warnings.end(), more.begin(), more.end());
  for (const NamedPatch& named : patches) outcome.patches.push_back(named.name);
  outcome.rows = Survival(model, patches, options, progress).run();
  return outcome;
}

}  // namespace emend
