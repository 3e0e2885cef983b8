#include "analysis/layer_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/layer_number.h"
#include "report/numbers.h"

namespace emend {
namespace {

std::string first_of_trace(const LayerDecision& decision) {
  if (decision.trace.empty()) return "";
  const LayerScore& best = decision.trace.front();
  const auto chosen = std::find_if(decision.trace.begin(), decision.trace.end(),
                                   [&](const LayerScore& s) { return s.layer == decision.layer; });
  if (best.layer == decision.layer)
    return fmt::format(" The trace of {}{} puts it first, too.", count_text(decision.traced_facts),
                       decision.traced_facts == 1 ? " fact" : " facts");
  std::string text =
      fmt::format(" The trace of {}{} puts layer {} first (effect {}{})", count_text(decision.traced_facts),
                  decision.traced_facts == 1 ? " fact" : " facts", best.layer, number_text(best.score),
                  std::isfinite(best.ci95) ? " ± " + number_text(best.ci95, 2) : "");
  if (chosen != decision.trace.end())
    text += fmt::format(" and this one at place {} ({})", chosen - decision.trace.begin() + 1,
                        number_text(chosen->score));
  return text + ".";
}

// The layers that the chosen one, the first, is not better than.
std::string level_text(const std::vector<TrialScore>& trial) {
  std::vector<int> level;
  for (std::size_t i = 1; i < trial.size(); ++i)
    if (std::abs(trial[i].score - trial.front().score) <= kLevelScores) level.push_back(trial[i].layer);
  std::sort(level.begin(), level.end());
  if (level.empty()) return "";
  return fmt::format("; {} {} level with it", layer_names(level), level.size() == 1 ? "is" : "are");
}

// What a few edits decided, which the first edit of a folder makes by itself, holds for their method alone.
bool is_of_few_edits_by_another(const LayerDecision& decision, const std::string& method) {
  return decision.evidence == LayerEvidence::kTrial && decision.trial_facts < kLeastTrialFacts &&
         decision.method != method;
}

}  // namespace

int default_layer(const ModelConfig& config) {
  // docs/rome.md, the table of layers: 2 of 8 to 10 blocks, 4 of 30.
  return static_cast<int>(std::min(1 + std::lround(config.layers / 10.0), config.layers - 1L));
}

std::vector<int> named_layers(const std::vector<int>& layers, const ModelConfig& config,
                              const std::string& where) {
  for (const int layer : layers) require_layer(where, layer, config.layers);
  const std::set<int> ascending(layers.begin(), layers.end());
  return {ascending.begin(), ascending.end()};
}

std::vector<int> layers_near_depth(const ModelConfig& config) {
  constexpr int kBelow = 2, kAbove = 1;
  const int depth = default_layer(config);
  std::vector<int> layers;
  for (int layer = std::max(0, depth - kBelow); layer <= std::min(config.layers - 1, depth + kAbove); ++layer)
    layers.push_back(layer);
  return layers;
}

LayerDecision decide_layer(const Model& model, const std::vector<std::int64_t>& prefix,
                           const std::vector<LayerScore>& trace, std::int64_t traced_facts,
                           const std::vector<TrialScore>& trial) {
  LayerDecision decision;
  decision.trace = trace;
  decision.trial = trial;
  decision.traced_facts = traced_facts;
  decision.trial_facts = trial.empty() ? 0 : trial.front().facts;
  const bool tells =
      !trial.empty() && trial.front().score > 0;  // where no layer takes edits, their order means nothing
  decision.evidence = tells ? LayerEvidence::kTrial : LayerEvidence::kDepth;
  decision.layer = tells ? trial.front().layer : default_layer(model.config());
  decision.model_fingerprint = model.fingerprint();
  decision.prefix = prefix;
  return decision;
}

std::string decision_text(const LayerDecision& decision) {
  const std::string layer = fmt::format("Layer {}", decision.layer);
  if (decision.evidence == LayerEvidence::kTrial) {
    const TrialScore& best = decision.trial.front();
    const std::string few =
        decision.trial_facts < kLeastTrialFacts
            ? fmt::format(" Fewer than {} facts tell layers apart by luck.", kLeastTrialFacts)
            : "";
    return fmt::format("{}, decided by edits: score {}{} over {} {} edited {}{}.{}{}", layer,
                       number_text(best.score), best.ci95 > 0 ? " ± " + number_text(best.ci95, 2) : "",
                       count_text(decision.trial_facts), decision.trial_facts == 1 ? "fact" : "facts",
                       decision.trial_facts == 1 ? "by itself" : "one by one", level_text(decision.trial),
                       few, first_of_trace(decision));
  }
  if (!decision.trial.empty())
    return fmt::format(
        "{}, decided by depth alone, 1 + round(layers / 10): at no layer that was tried did the edits of {} "
        "{} hold without harm (best: layer {}, score {}).{}",
        layer, count_text(decision.trial_facts), decision.trial_facts == 1 ? "fact" : "facts",
        decision.trial.front().layer, number_text(decision.trial.front().score), first_of_trace(decision));
  return fmt::format(
      "{}, decided by depth alone, 1 + round(layers / 10): no edits were tried, and tracing alone does not "
      "tell where edits work best (Hase et al. 2023).{}",
      layer, first_of_trace(decision));
}

LayerDecision auto_layer(const Model& model, const std::vector<std::int64_t>& prefix,
                         const std::filesystem::path& statistics, const std::string& method,
                         Progress& progress, const std::function<LayerDecision()>& otherwise) {
  const auto held = load_layer_decision(model, prefix, statistics);
  if (!held || is_of_few_edits_by_another(*held, method)) return otherwise();
  progress.note(fmt::format("layer: auto, from {} ({}{}): {}", (statistics / "layer_decision.json").string(),
                            held->source, held->method.empty() ? "" : ", by " + held->method,
                            decision_text(*held)));
  return *held;
}

}  // namespace emend
