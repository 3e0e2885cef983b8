#include "pipeline/layer_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/fingerprint.h"
#include "base/strings.h"
#include "emend/error.h"
#include "eval/results/interval.h"
#include "eval/run.h"

namespace emend {

namespace {

// Of all that the records ask and edit.
std::string records_fingerprint(const std::vector<EvalRecord>& records) {
  Sha256 hash;
  for (const EvalRecord& record : records) {
    const EditRequest& request = record.request;
    for (const std::string& text : {request.id, request.prompt, request.subject, request.target, request.was})
      hash.update_field(text);
    hash.update_number(request.paraphrases.size());
    for (const std::string& prompt : request.paraphrases) hash.update_field(prompt);
    hash.update_number(request.neighbours.size());
    for (const Neighbour& neighbour : request.neighbours) {
      hash.update_field(neighbour.prompt);
      hash.update_field(neighbour.answer);
    }
    for (const OtherSubject& other : request.bleed) {
      hash.update_field(other.subject);
      hash.update_field(other.answer);
    }
  }
  return hash.hex();
}

Contender contender_at(const LayerTrial& trial, int layer, const std::string& data) {
  Contender contender;
  contender.header.data_fingerprint = data;
  contender.header.model_fingerprint = trial.model_fingerprint;
  contender.header.method = trial.editor->name();
  contender.header.label = fmt::format("layer {}", layer);
  contender.header.options = trial.editor->options();
  contender.header.options["layer"] = std::to_string(layer);
  contender.header.seed = trial.context.seed;
  contender.header.token_budget = trial.context.token_budget;
  contender.header.records = 0;
  if (trial.context.statistics != nullptr)
    contender.header.statistics_fingerprint = trial.context.statistics->fingerprint({layer});
  contender.editor = trial.editor;
  contender.context = trial.context;
  contender.context.layers = {layer};
  contender.folder = trial.folder / fmt::format("layer-{}", layer);
  return contender;
}

// With all three successes and no bleed, the run's own score and interval; else the harmonic mean of what was
// measured, with the widest of the intervals.
TrialScore score_of(const EvalSummary& summary, int layer) {
  TrialScore score;
  score.layer = layer;
  score.facts = summary.records;
  std::vector<double> means;
  double widest = 0;
  for (const std::string& name : score_parts()) {
    const auto part = summary.metrics.find(name);
    if (part == summary.metrics.end()) continue;
    score.parts[name] = part->second.mean;
    means.push_back(part->second.mean);
    widest = std::max(widest, part->second.ci95);
  }
  const auto whole = summary.metrics.find("score"), bleed = summary.metrics.find(kBleedPart);
  if (bleed != summary.metrics.end()) {
    score.parts[kBleedPart] = bleed->second.mean;
    means.push_back(1 - bleed->second.mean);
    widest = std::max(widest, bleed->second.ci95);
  }
  const bool is_whole = whole != summary.metrics.end() && bleed == summary.metrics.end();
  score.score = is_whole ? whole->second.mean : means.empty() ? 0 : harmonic_mean(means);
  score.ci95 = is_whole ? whole->second.ci95 : widest;
  return score;
}

std::string reasons(const EvalSummary& summary) {
  std::vector<std::string> parts;
  for (const auto& [reason, count] : summary.skipped) parts.push_back(fmt::format("{} {}", count, reason));
  return join(parts);
}

}  // namespace

std::vector<TrialScore> run_layer_trial(Model& model, const LayerTrial& trial, Progress& progress) {
  EvalSetup setup;
  setup.records = trial.records;
  setup.metrics.push_back(make_rewrite_metric());
  setup.metrics.push_back(make_bleed_metric());
  setup.known_only = trial.known_only;
  setup.token_budget = trial.context.token_budget;
  setup.resume = trial.resume;
  std::vector<Contender> contenders;
  const std::string data = records_fingerprint(trial.records);
  for (const int layer : trial.layers) contenders.push_back(contender_at(trial, layer, data));
  const std::vector<EvalSummary> summaries = run_eval(model, setup, contenders, progress);
  for (const EvalSummary& summary : summaries)
    if (summary.records == 0)
      throw Error(ErrorKind::kConfig,
                  fmt::format("a trial over no facts decides nothing: none of the {} records was edited ({})",
                              trial.records.size(), reasons(summary)));
  std::vector<TrialScore> scores;
  for (std::size_t i = 0; i < summaries.size(); ++i)
    scores.push_back(score_of(summaries[i], trial.layers[i]));
  std::stable_sort(scores.begin(), scores.end(),
                   [](const TrialScore& a, const TrialScore& b) { return a.score > b.score; });
  return scores;
}

std::vector<int> trial_candidates(const std::vector<LayerScore>& ranking, const ModelConfig& config,
                                  std::size_t most) {
  std::set<int> layers;
  for (std::size_t i = 0; i < std::min(most, ranking.size()); ++i) layers.insert(ranking[i].layer);
  constexpr int kAround = 2;
  const int depth = default_layer(config);
  for (int layer = std::max(0, depth - kAround); layer <= std::min(config.layers - 1, depth + kAround);
       ++layer)
    layers.insert(layer);
  return {layers.begin(), layers.end()};
}

}  // namespace emend
