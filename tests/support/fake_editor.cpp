#include "support/fake_editor.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "editors/common/edit_parts.h"
#include "editors/common/metric.h"
#include "editors/common/options.h"
#include "editors/common/request_rows.h"

namespace emend::test {
namespace {

constexpr double kRidge = 1e-5;

class Spread : public Editor {
 public:
  explicit Spread(const std::map<std::string, OptionText>& given) {
    editors::apply_options("spread", bindings(), given);
    values_ = editors::option_values(bindings());
  }

  std::string name() const override { return "spread"; }
  bool needs_statistics() const override { return covariance_; }
  std::map<std::string, std::string> options() const override { return values_; }
  Objective objective() const override { return Objective::kNone; }
  LayerUse layer_use() const override { return LayerUse::kSeveral; }

  EditPlan plan(const Model& model, const std::vector<EditRequest>& requests,
                const EditorContext& context) const override {
    const editors::CallRows rows = rows_of(model, requests, context);
    EditPlan plan;
    for (std::size_t i = 0; i < requests.size(); ++i)
      plan.entries.push_back(
          {requests[i].id, context.layers, static_cast<std::int64_t>(rows[i].target.size()), 1, {}, 0, 0});
    return plan;
  }

  Edit edit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
            Progress&) const override {
    const c10::NoGradGuard no_grad;
    const editors::CallRows rows = rows_of(model, requests, context);
    const editors::LayerTrace trace(model, context.layers, rows.fronts(), context.token_budget);
    std::vector<editors::TraceRow> prompts;
    for (std::size_t i = 0; i < rows.size(); ++i) prompts.push_back(rows.trace_row(i, 0));
    const std::vector<at::Tensor> keys = trace.last_keys(prompts);
    std::vector<at::Tensor> residuals;
    for (std::size_t i = 0; i < rows.size(); ++i)
      residuals.push_back(residual(model, trace.trace({prompts[i]})[0].hidden[-1], rows[i].target.front()) /
                          static_cast<double>(keys.size()));
    Edit edit;
    edit.facts.resize(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) edit.facts[i].request = requests[i];
    for (std::size_t l = 0; l < keys.size(); ++l)
      write_layer(edit, model, context, context.layers[l], keys[l], residuals);
    editors::sign(edit, *this, model);
    return edit;
  }

  std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests,
                              const EditorContext& context, Progress& progress) const override {
    std::vector<Edit> edits;
    for (const EditRequest& request : requests) edits.push_back(edit(model, {request}, context, progress));
    return edits;
  }

  std::vector<editors::OptionBinding> bindings() {
    return {editors::number_option("strength", strength_, 0, 100, "length of a residual"),
            editors::flag_option("covariance", covariance_, "use C; false: C = I")};
  }

 private:
  static editors::CallRows rows_of(const Model& model, const std::vector<EditRequest>& requests,
                                   const EditorContext& context) {
    return {model.tokenizer(), requests, {context.prefix, context.form}, {}};
  }

  at::Tensor residual(const Model& model, const at::Tensor& hidden, std::int64_t target) const {
    const ModelWeights& weights = model.weights();
    const at::Tensor head = weights.head.to(at::kFloat);
    const at::Tensor direction = (head[target] - head.mean(0)) * weights.final_norm.to(at::kFloat);
    return (direction / direction.norm() * hidden.norm() * strength_).cpu();
  }

  // Adds the change of one layer, whose keys are [requests, F], and each fact's part in it.
  void write_layer(Edit& edit, const Model& model, const EditorContext& context, int layer,
                   const at::Tensor& keys, const std::vector<at::Tensor>& residuals) const {
    editors::require_layer(model, layer);
    const KeyMetric metric =
        covariance_ ? editors::moment_metric(model, context, layer, kRidge, "spread") : KeyMetric();
    std::vector<KeyConstraint> constraints;
    for (const at::Tensor& key : keys.to(at::kCPU, at::kDouble).unbind(0))
      constraints.push_back({key.unsqueeze(1), at::ones({1}, at::kDouble)});
    const JointConstraints joint = join_constraints(constraints);
    const std::vector<at::Tensor> responses = key_response(metric, joint.K, joint.Y).unbind(1);
    const WeightRef weight{layer, Role::kMlpDown};
    const double norm = editors::weight_norm(model, weight);
    for (std::size_t i = 0; i < residuals.size(); ++i) {
      FactPart part = editors::fact_part(weight, constraints[i], responses[i], residuals[i], norm);
      part.rows = {static_cast<std::int64_t>(i)};
      edit.facts[i].parts.push_back(std::move(part));
    }
    edit.changes.push_back(editors::closed_form_change(weight, responses, residuals));
    WeightSolve solve;
    solve.weight = weight;
    if (covariance_) solve.statistics_fingerprint = context.statistics->fingerprint({layer});
    if (covariance_) solve.relative_ridge = kRidge;
    edit.solves.push_back(solve);
  }

  double strength_ = 3;
  bool covariance_ = true;
  std::map<std::string, std::string> values_;
};

}  // namespace

EditorEntry spread_editor() {
  return {[] {
            return EditorHelp{"spread", "writes the target's own direction, spread over all layers", true,
                              editors::option_help(Spread({}).bindings())};
          },
          [](const std::map<std::string, OptionText>& options) { return std::make_unique<Spread>(options); }};
}

EditorTable editors_with_spread() {
  EditorTable table = known_editors();
  table.push_back(spread_editor());
  return table;
}

}  // namespace emend::test
