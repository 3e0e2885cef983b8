#include "editors/crispedit/crispedit.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "editors/common/edit_parts.h"
#include "editors/common/metric.h"
#include "editors/common/trained_edit.h"
#include "editors/crispedit/layer_curvature.h"
#include "editors/crispedit/options.h"

namespace emend::editors {

namespace {

constexpr const char* kName = "crispedit";

class CrispEdit : public Editor {
 public:
  explicit CrispEdit(const std::map<std::string, OptionText>& given)
      : table_(given), names_and_values_(option_values(table_.bindings())) {}

  std::string name() const override { return kName; }
  bool needs_statistics() const override { return true; }
  std::map<std::string, std::string> options() const override { return names_and_values_; }
  Objective objective() const override { return Objective::kWritten; }
  LayerUse layer_use() const override { return LayerUse::kSeveral; }
  std::vector<int> layers_around(int layer, const ModelConfig& config) const override {
    std::set<int> layers;  // those of two depths may be one in a small model
    for (const double depth : table_.value().depths)
      layers.insert(static_cast<int>(std::min(std::lround(depth * config.layers), config.layers - 1L)));
    if (layers.empty()) return {layer};
    return {layers.begin(), layers.end()};
  }

  EditPlan plan(const Model& model, const std::vector<EditRequest>& requests,
                const EditorContext& context) const override {
    const c10::NoGradGuard no_grad;
    EditPlan plan = TrainedEdit(model, requests, context, training()).plan();
    for (const int layer : context.layers) full_spectrum(model, context, layer);
    return plan;
  }

  Edit edit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
            Progress& progress) const override {
    return train_together(requests, training().epochs, trainer(model, context, progress), progress);
  }

  std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests,
                              const EditorContext& context, Progress& progress) const override {
    return train_each(requests, trainer(model, context, progress), progress);
  }

 private:
  const TrainingOptions& training() const { return table_.value().training; }

  StepFilter filter(std::shared_ptr<const LowCurvature> curvature) const {
    auto project = [curvature = std::move(curvature)](const at::Tensor& X) { return curvature->project(X); };
    if (table_.value().projected == Projected::kGradient) return {project, {}};
    return {project, project};
  }

  void note_no_protection(int layer, Progress& progress) const {
    progress.note(
        fmt::format("{}: energy {:g} holds no direction of layer {} but the steepest one, so that no "
                    "text is protected; give a share above 0, such as 0.9",
                    kName, table_.value().energy, layer));
  }

  // Makes the projectors once for all edits of a call.
  TrainOnce trainer(const Model& model, const EditorContext& context, Progress& progress) const {
    std::vector<std::shared_ptr<const Spectrum>> of_C;  // before any text is written
    for (const int layer : context.layers) {
      require_layer(model, layer);
      of_C.push_back(full_spectrum(model, context, layer));
    }
    std::vector<StepFilter> steps;
    const std::vector<TokenIds> texts = own_texts(model, context, table_.value().curvature_tokens);
    for (std::size_t i = 0; i < of_C.size(); ++i) {
      const auto curvature = low_curvature(model, texts, context.layers[i], *of_C[i], table_.value());
      if (curvature->kept() + 1 >= curvature->directions()) note_no_protection(context.layers[i], progress);
      steps.push_back(filter(curvature));
    }
    return [this, steps, &model, &context](const std::vector<EditRequest>& requests, const EpochSeen& seen) {
      Edit edit = TrainedEdit(model, requests, context, training()).edit(steps, seen);
      for (WeightSolve& solve : edit.solves)
        solve.statistics_fingerprint = context.statistics->fingerprint({solve.weight.block});
      sign(edit, *this, model);
      return edit;
    };
  }

  CrispEditOptionTable table_;
  std::map<std::string, std::string> names_and_values_;
};

}  // namespace

EditorEntry crispedit_editor() {
  return {[] {
            CrispEditOptionTable defaults;
            return EditorHelp{kName,
                              "fine-tuning in directions of low curvature, of one layer or several (Ikram et "
                              "al. 2026, CrispEdit)",
                              true, option_help(defaults.bindings())};
          },
          [](const std::map<std::string, OptionText>& given) { return std::make_unique<CrispEdit>(given); }};
}

}  // namespace emend::editors
