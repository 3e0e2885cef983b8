#include "editors/finetune/finetune.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "base/search_stage.h"
#include "base/strings.h"
#include "editors/common/edit_parts.h"
#include "editors/common/key_groups.h"
#include "editors/common/metric.h"
#include "editors/finetune/methods.h"
#include "editors/finetune/train.h"
#include "editors/finetune/training_rows.h"
#include "emend/error.h"

namespace emend::editors {

namespace {

constexpr std::int64_t kCpuGradientTokens = 768, kGpuGradientTokens = 6144;

int layer_of(const Model& model, const EditorContext& context) {
  require_layer(model, context.layers.front());
  return context.layers.front();
}

// The requests of one edit: their rows and keys, and what comes of training.
class FinetuneRun {
 public:
  FinetuneRun(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
              const FinetuneOptions& options)
      : model_(model),
        requests_(requests),
        context_(context),
        options_(options),
        weight_{layer_of(model, context), Role::kMlpDown},
        rows_(model.tokenizer(), requests, {context.prefix, context.form}, {}),
        trace_(model, {weight_.block}, rows_.fronts(), context.token_budget),
        training_(training_rows(rows_, model.tokenizer(), options)) {
    const std::vector<KeyGroup> groups = group_requests(rows_, trace_, Grouping::kShared);
    require_no_contradiction(groups, rows_, requests_);
    require_finite_keys(groups, {}, {weight_.block}, requests_);
    keys_.resize(requests_.size());
    for (const KeyGroup& group : groups)
      for (const std::size_t i : group.requests) keys_[i] = group.keys[0].bare.to(at::kCPU, at::kFloat);
  }

  EditPlan summary() const {
    EditPlan plan;
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      const auto tokens = static_cast<std::int64_t>(training_[i].labels.size());
      plan.entries.push_back({requests_[i].id, {weight_.block}, tokens, 1, {}, 0, 0});
    }
    plan.warnings = warnings();
    return plan;
  }

  Edit edit(const EpochSeen& seen) const {
    const bool on_gpu = model_.options().device().is_cuda();
    const std::int64_t standard = on_gpu ? kGpuGradientTokens : kCpuGradientTokens;
    const std::int64_t tokens = options_.gradient_tokens > 0 ? options_.gradient_tokens : standard;
    const TrainingRows rows(model_, trace_, training_, tokens);
    const Training made = train(rows, model_.weight(weight_), options_, context_.seed, seen);
    if (!made.finite && !context_.keep_going) refuse_divergence(made);
    return collect(made);
  }

 private:
  std::vector<std::string> warnings() const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < rows_.size(); ++i)
      all.insert(all.end(), rows_[i].warnings.begin(), rows_[i].warnings.end());
    return all;
  }

  [[noreturn]] void refuse_divergence(const Training& made) const {
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < requests_.size(); ++i)
      if (!std::isfinite(made.losses[i])) ids.push_back(requests_[i].id);
    throw Error(ErrorKind::kNumeric,
                fmt::format("training layer {}: the loss of {} is not a number; give a smaller learning_rate "
                            "or relative_rate, or another layer",
                            weight_.block, join(ids)));
  }

  Edit collect(const Training& made) const {
    const at::Tensor change = made.change.cpu();
    const double norm = change.norm().item<double>();
    const double of_weight = weight_norm(model_, weight_);
    Edit edit;
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      FactPart part;
      part.weight = weight_;
      part.keys = keys_[i].unsqueeze(0);
      part.answers = at::ones({1}, at::kFloat);
      part.residual = at::mv(change, keys_[i]);
      part.update_norm = norm;
      part.relative_norm = norm / of_weight;
      edit.facts.push_back(fact_of(i, made, std::move(part)));
    }
    edit.warnings = warnings();
    if (!made.finite) return edit;
    edit.changes.push_back(WeightChange::dense(weight_, change));
    WeightSolve solve;
    solve.weight = weight_;
    solve.rule = SolveRule::kTrained;
    edit.solves.push_back(std::move(solve));
    return edit;
  }

  FactRecord fact_of(std::size_t i, const Training& made, FactPart part) const {
    FactRecord fact;
    fact.request = requests_[i];
    fact.parts.push_back(std::move(part));
    fact.steps = made.steps[i];
    fact.loss = made.losses[i];
    if (made.finite) return fact;
    fact.status = FactStatus::kFailed;
    fact.reason = "the training of all facts together ended in a loss that is not a number";
    return fact;
  }

  const Model& model_;
  const std::vector<EditRequest>& requests_;
  const EditorContext& context_;
  const FinetuneOptions& options_;
  WeightRef weight_;
  CallRows rows_;
  LayerTrace trace_;
  std::vector<SearchRow> training_;
  std::vector<at::Tensor> keys_;  // of each request: its bare key [F] float32 on the CPU
};

class Finetune : public Editor {
 public:
  Finetune(FinetuneMethod method, const std::map<std::string, OptionText>& given)
      : table_(std::move(method), given),
        name_(table_.method().name),
        names_and_values_(option_values(table_.bindings())) {}

  std::string name() const override { return name_; }
  bool needs_statistics() const override { return false; }
  std::map<std::string, std::string> options() const override { return names_and_values_; }
  Objective objective() const override { return Objective::kWritten; }
  std::vector<int> layers_around(int layer, const ModelConfig& config) const override {
    const double depth = table_.value().depth;
    if (depth < 0) return {layer};
    return {static_cast<int>(std::min(std::lround(depth * config.layers), config.layers - 1L))};
  }

  EditPlan plan(const Model& model, const std::vector<EditRequest>& requests,
                const EditorContext& context) const override {
    const c10::NoGradGuard no_grad;
    return FinetuneRun(model, requests, context, table_.value()).summary();
  }

  Edit edit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
            Progress& progress) const override {
    begin_search(progress,
                 fmt::format("training {} {}", requests.size(), requests.size() == 1 ? "fact" : "facts"),
                 table_.value().epochs, "epochs");
    Edit edit = train_together(model, requests, context, [&](int epoch, double loss) {
      progress.update(epoch, fmt::format("loss {:.4f}", loss));
    });
    progress.end();
    return edit;
  }

  // One training after the other: each has a change of its own, as large as the weight.
  std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests,
                              const EditorContext& context, Progress& progress) const override {
    begin_search(progress,
                 fmt::format("training {} {}", requests.size(), requests.size() == 1 ? "fact" : "facts"),
                 static_cast<std::int64_t>(requests.size()), "facts");
    std::vector<Edit> edits;
    for (const EditRequest& request : requests) {
      const std::vector<EditRequest> alone = {request};
      edits.push_back(train_together(model, alone, context, [&](int epoch, double loss) {
        progress.update(static_cast<std::int64_t>(edits.size()),
                        fmt::format("epoch {}, loss {:.4f}", epoch, loss));
      }));
    }
    progress.end();
    return edits;
  }

 private:
  Edit train_together(const Model& model, const std::vector<EditRequest>& requests,
                      const EditorContext& context, const EpochSeen& seen) const {
    Edit edit = FinetuneRun(model, requests, context, table_.value()).edit(seen);
    sign(edit, *this, model);
    return edit;
  }

  FinetuneOptionTable table_;
  std::string name_;
  std::map<std::string, std::string> names_and_values_;
};

}  // namespace

EditorEntry finetune_editor(FinetuneMethod (*method)()) {
  return {[method] {
            FinetuneOptionTable defaults(method());
            return EditorHelp{defaults.method().name, defaults.method().help, true,
                              option_help(defaults.bindings())};
          },
          [method](const std::map<std::string, OptionText>& options) {
            return std::make_unique<Finetune>(method(), options);
          }};
}

}  // namespace emend::editors
