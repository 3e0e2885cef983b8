#include "reports/locate_report.h"

#include "analysis/causal_trace/trace_json.h"
#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/auto_layer.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

std::string trial_text(const std::vector<TrialScore>& trial, std::size_t columns) {
  Table table({{"layer", Align::kRight},
               {"score", Align::kRight},
               {"95 %", Align::kRight},
               {"efficacy", Align::kRight},
               {"paraphrase", Align::kRight},
               {"neighbourhood", Align::kRight},
               {"facts", Align::kRight}});
  const auto part = [](const TrialScore& score, const char* name) {
    const auto found = score.parts.find(name);
    return found == score.parts.end() ? std::string("-") : percent_text(found->second);
  };
  for (const TrialScore& score : trial)
    table.add_row({std::to_string(score.layer), number_text(score.score), "± " + number_text(score.ci95, 2),
                   part(score, "efficacy_success"), part(score, "paraphrase_success"),
                   part(score, "neighbourhood_success"), std::to_string(score.facts)});
  return table.text(columns);
}

std::string check_text(const std::vector<TrialScore>& check, int chosen) {
  return std::string("On facts that the trial did not use, layer ") + std::to_string(chosen) +
         (holds_on_other_facts(check, chosen) ? " is within" : " is below") +
         " the 95 % interval of the best layer there, " + std::to_string(check.front().layer) + ".\n";
}

std::vector<std::pair<std::string, std::string>> settings_of(const LocateOptions& options, const Model& model,
                                                             double sigma,
                                                             const std::vector<std::int64_t>& prefix) {
  const TraceOptions& trace = options.trace;
  const int layers = model.config().layers;
  const int window = trace.window > 0 ? trace.window : default_window(layers);
  std::vector<std::string> ids;
  for (const std::int64_t id : prefix) ids.push_back(std::to_string(id));
  return {{"model", model.path().string()},
          {"fingerprint", model.fingerprint()},
          {"layers", std::to_string(layers)},
          {"type of the weights", to_string(model.compute_type())},
          {"text begins with", ids.empty() ? "nothing" : "token " + join(ids)},
          {"facts", options.facts.empty() ? "one prompt" : options.facts.string()},
          {"noise",
           number_text(trace.noise.level * (trace.noise.relative ? sigma : 1), 4) +
               (trace.noise.relative ? ", that is " + number_text(trace.noise.level) + " standard deviations"
                                     : "") +
               (trace.noise.kind == TraceNoise::Kind::kTokens ? " (not used: tokens are replaced)" : "")},
          {"corrupted runs a fact", std::to_string(trace.samples)},
          {"window", std::to_string(window) + " layers"},
          {"exact cells", trace.exact_share < 1 ? percent_text(trace.exact_share) +
                                                      " chosen by gradients, and the last tokens' rows"
                                                : "all"},
          {"seed", std::to_string(trace.seed)}};
}

}  // namespace

std::string locate_text(const LocateOutcome& found, TextColour colour, std::size_t columns) {
  constexpr std::size_t kShown = 5;
  std::string text;
  const TraceResult& result = found.result;
  if (result.traces.size() == 1) text += trace_text(result.traces[0], colour, columns);
  if (result.traces.size() > 1 || !result.skipped.empty()) text += average_text(found.average, columns);
  if (!result.skipped.empty())
    text += count_text(static_cast<std::int64_t>(result.skipped.size())) +
            " facts were left out: the model does not give their answers.\n";
  if (!found.ranking.empty())
    text += "\nLayers by the effect of MLP windows at the subject's last token:\n" +
            ranking_text(found.ranking, kShown, columns);
  if (!found.decision.trial.empty())
    text += "\nLayers by the score of edits:\n" + trial_text(found.decision.trial, columns);
  if (!found.check.empty())
    text += "\nThe same layers on other facts:\n" + trial_text(found.check, columns) +
            check_text(found.check, found.decision.layer);
  text += "\n" + decision_text(found.decision) + "\nLayers count from 0.\n";
  return text;
}

ResultJson locate_json(const LocateOutcome& found, const Model& model) {
  ResultJson facts = ResultJson::array(), skipped = ResultJson::array();
  for (const FactTrace& fact : found.result.traces) facts.push_back(trace_json(fact));
  for (const SkippedFact& fact : found.result.skipped)
    skipped.push_back({{"id", fact.id},
                       {"prompt", fact.prompt},
                       {"subject", fact.subject},
                       {"answer", fact.answer},
                       {"said", fact.said}});
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"facts", std::move(facts)},
          {"skipped", std::move(skipped)},
          {"average", average_json(found.average)},
          {"ranking", ranking_json(found.ranking)},
          {"layer", found.decision.layer},
          {"evidence", found.decision.evidence},
          {"trial", trial_json(found.decision.trial)},
          {"check", found.check.empty()
                        ? ResultJson(nullptr)
                        : ResultJson{{"scores", trial_json(found.check)},
                                     {"holds", holds_on_other_facts(found.check, found.decision.layer)}}},
          {"peak_memory_bytes", peak_memory_bytes()}};
}

LocateReport locate_report(const LocateOutcome& outcome, const LocateOptions& options, const Model& model) {
  LocateReport report;
  report.model = model.path().filename().string();
  if (report.model.empty()) report.model = model.path().parent_path().filename().string();
  report.result = &outcome.result;
  report.average = &outcome.average;
  report.ranking = &outcome.ranking;
  report.decision = &outcome.decision;
  report.decision_text = decision_text(outcome.decision);
  report.settings = settings_of(options, model, outcome.noise_sigma, outcome.decision.prefix);
  return report;
}

}  // namespace emend
