#include "editors/crispedit/crispedit.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "analysis/own_text.h"
#include "editors/common/edit_parts.h"
#include "editors/common/metric.h"
#include "editors/common/trained_edit.h"
#include "editors/crispedit/curvature.h"
#include "editors/crispedit/options.h"
#include "emend/error.h"

namespace emend::editors {

namespace {

constexpr const char* kName = "crispedit";
constexpr std::int64_t kTextTokens = 64;  // new tokens of a text

// Text of the model's own, drawn at temperature 1: over it the moment of gradients is the Fisher information
// of the layer's outputs. Kept where contexts are.
std::vector<TokenIds> own_texts(const Model& model, const EditorContext& context, std::int64_t tokens) {
  const TokenIds opening = opening_of_text(model, context.prefix);
  const auto sample = [&] {
    GenerateOptions sampling;
    sampling.max_new = kTextTokens;
    sampling.temperature = 1;
    sampling.seed = context.seed;
    sampling.stream = std::uint64_t{1} << 34;  // away from contexts and the texts of statistics
    if (const auto eos = model.tokenizer().eos()) sampling.stop = {*eos};
    const auto rows = static_cast<std::size_t>((tokens + kTextTokens - 1) / kTextTokens);
    std::vector<TokenIds> texts = generate(model, std::vector<TokenIds>(rows, opening), sampling);
    for (TokenIds& text : texts) text.insert(text.begin(), opening.begin(), opening.end());
    return texts;
  };
  if (context.cache == nullptr) return sample();
  std::string identity =
      fmt::format("{} {} {} {} {}", kName, model.fingerprint(), model.devices(), tokens, context.seed);
  for (const std::int64_t id : opening) identity += fmt::format(" {}", id);
  return context.cache->contexts(identity, sample);
}

class CrispEdit : public Editor {
 public:
  explicit CrispEdit(const std::map<std::string, OptionText>& given)
      : table_(given), names_and_values_(option_values(table_.bindings())) {}

  std::string name() const override { return kName; }
  bool needs_statistics() const override { return true; }
  std::map<std::string, std::string> options() const override { return names_and_values_; }
  Objective objective() const override { return Objective::kWritten; }
  std::vector<int> layers_around(int layer, const ModelConfig& config) const override {
    return {layer_at_depth(training(), layer, config.layers)};
  }

  EditPlan plan(const Model& model, const std::vector<EditRequest>& requests,
                const EditorContext& context) const override {
    const c10::NoGradGuard no_grad;
    EditPlan plan = TrainedEdit(model, requests, context, training()).plan();
    spectrum_of_keys(model, context, plan.entries.front().layers.front());
    return plan;
  }

  Edit edit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
            Progress& progress) const override {
    return train_together(requests, training().epochs, trainer(model, context), progress);
  }

  std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests,
                              const EditorContext& context, Progress& progress) const override {
    return train_each(requests, trainer(model, context), progress);
  }

 private:
  const TrainingOptions& training() const { return table_.value().training; }

  static std::shared_ptr<const Spectrum> spectrum_of_keys(const Model& model, const EditorContext& context,
                                                          int layer) {
    if (context.statistics != nullptr && context.statistics->layers.contains(layer) &&
        context.statistics->layers.at(layer).is_diagonal())
      throw Error(ErrorKind::kConfig,
                  fmt::format("crispedit: of C of layer {} only the diagonal is known; collect statistics of "
                              "the layer",
                              layer));
    return moment_spectrum(model, context, layer, kName);
  }

  std::shared_ptr<const LowCurvature> projector(const Model& model, const EditorContext& context) const {
    const int layer = context.layers.front();
    require_layer(model, layer);
    const auto of_C = spectrum_of_keys(model, context, layer);
    const bool on_gpu = model.options().device().is_cuda();
    const at::Tensor G =
        gradient_moment(model, layer, own_texts(model, context, table_.value().curvature_tokens),
                        tokens_of_a_gradient(training(), on_gpu));
    const Spectrum of_G =
        spectrum_of(G, model.options().device(), fmt::format("the moment of gradients at layer {}", layer));
    return std::make_shared<const LowCurvature>(*of_C, of_G, table_.value().energy,
                                                model.options().dtype(at::kFloat));
  }

  StepFilter filter(std::shared_ptr<const LowCurvature> curvature) const {
    auto project = [curvature = std::move(curvature)](const at::Tensor& X) { return curvature->project(X); };
    if (table_.value().projected == Projected::kGradient) return {project, {}};
    return {project, project};
  }

  // Makes the projector once for all edits of a call.
  TrainOnce trainer(const Model& model, const EditorContext& context) const {
    const StepFilter steps = filter(projector(model, context));
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
            return EditorHelp{
                kName,
                "fine-tuning of one weight in directions of low curvature (Ikram et al. 2026, CrispEdit)",
                true, option_help(defaults.bindings())};
          },
          [](const std::map<std::string, OptionText>& given) { return std::make_unique<CrispEdit>(given); }};
}

}  // namespace emend::editors
