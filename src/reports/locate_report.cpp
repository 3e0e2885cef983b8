#include "reports/locate_report.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/causal_trace/trace_json.h"
#include "analysis/layer_choice.h"
#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/display_text.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

constexpr std::size_t kLevels = 6;
// From nothing to all, in letters and in colours 16 to 255 of a terminal.
constexpr std::array<const char*, kLevels> kShades = {"·", "░", "▒", "▓", "█", "█"};
constexpr std::array<int, kLevels> kColours = {236, 24, 31, 38, 220, 208};

std::size_t level_of(double share) {
  if (!(share > 0.05)) return 0;
  return std::min<std::size_t>(1 + static_cast<std::size_t>(share * (kLevels - 1)), kLevels - 1);
}

std::string cell(double share, TextColour colour, bool wide) {
  const std::size_t level = level_of(share);
  if (colour == TextColour::kAnsi256)
    return "\x1b[48;5;" + std::to_string(kColours[level]) + "m" + (wide ? "  " : " ") + "\x1b[0m";
  return std::string(kShades[level]) + (wide ? kShades[level] : "");
}

struct NamedGrid {
  const char* name;
  const Grid* grid;
};

std::string layer_scale(std::size_t layers, std::size_t each) {
  std::string scale;
  for (std::size_t l = 0; l < layers; l += 5) {
    scale.resize(std::max(scale.size(), l * each), ' ');
    scale += std::to_string(l);
  }
  return scale;
}

std::string heat_map(const FactTrace& trace, const NamedGrid& named, TextColour colour, std::size_t columns) {
  const std::size_t layers = named.grid->at(static_cast<std::size_t>(trace.lookup())).size();
  constexpr std::size_t kLabel = 18, kBest = 26;
  const bool wide = columns == 0 || kLabel + 2 * layers + kBest <= columns;
  const double whole = trace.high - trace.low;
  std::string text = "\n";
  text.append(named.name)
      .append("\n")
      .append(std::string(kLabel, ' '))
      .append(layer_scale(layers, wide ? 2 : 1))
      .append("\n");
  for (std::size_t t = 0; t < named.grid->size(); ++t) {
    const std::vector<double>& row = (*named.grid)[t];
    if (row.empty()) continue;
    const bool subject = static_cast<std::int64_t>(t) >= trace.subject_begin &&
                         static_cast<std::int64_t>(t) < trace.subject_end;
    const std::string label = one_line(trace.tokens[t]) + (subject ? " *" : "");
    text += pad_to_width(cut_to_width(label, kLabel - 2), kLabel - 1, Align::kRight) + " ";
    for (const double score : row) text += cell(whole > 0 ? (score - trace.low) / whole : 0, colour, wide);
    const auto best = std::max_element(row.begin(), row.end());
    if (*best > trace.low + 0.05 * whole)
      text += "  " + probability_text(*best) + " at layer " + std::to_string(best - row.begin());
    text += "\n";
  }
  return text;
}

std::string best_of(const LayerCurve& curve) {
  if (curve.mean.empty()) return "-";
  const auto best = std::max_element(curve.mean.begin(), curve.mean.end());
  const auto layer = static_cast<std::size_t>(best - curve.mean.begin());
  const double ci95 = curve.ci95[layer];
  return number_text(*best) + (std::isfinite(ci95) ? " ± " + number_text(ci95, 2) : "") + " (" +
         std::to_string(layer) + ")";
}

std::string trace_text(const FactTrace& trace, TextColour colour, std::size_t columns) {
  std::string text = "Prompt:  " + one_line(trace.prompt) + "\nSubject: " + one_line(trace.subject) +
                     "\nAnswer:  " + one_line(trace.answer) +
                     (trace.correct ? "" : " (the model says " + quote(trace.said) + ")") + "\nProbability " +
                     probability_text(trace.high) + " clean, " + probability_text(trace.low) +
                     " with the subject corrupted\n";
  if (trace.is_void())
    text +=
        "The corruption hardly changes the answer: there is nothing to restore, and the maps below mean "
        "nothing. Try stronger noise.\n";
  const std::array<NamedGrid, 3> grids = {
      {{"Residual stream after one block, restored at token and layer", &trace.block},
       {"MLP outputs of a window of layers", &trace.mlp},
       {"Attention outputs of a window of layers", &trace.attention}}};
  for (const NamedGrid& named : grids)
    if (!named.grid->empty()) text += heat_map(trace, named, colour, columns);
  text += "\n* token of the subject. From nothing to all of the answer's lost probability brought back: ";
  for (std::size_t i = 0; i + (colour == TextColour::kNone ? 1 : 0) < kLevels; ++i)
    text += cell(i == 0 ? 0 : (static_cast<double>(i) - 0.5) / (kLevels - 1), colour, true);
  return text + "\n";
}

std::string average_text(const TraceAverage& average, std::size_t columns) {
  if (average.facts == 0) return "No fact was traced.\n";
  std::string text = count_text(average.facts) + (average.facts == 1 ? " fact" : " facts") +
                     ". Probability of the answer: " + probability_text(average.high) + " clean, " +
                     probability_text(average.low) + " corrupted; total effect " +
                     number_text(average.total_effect) +
                     (average.facts > 1 ? " ± " + number_text(average.total_effect_ci95, 2) : "") +
                     "\nIndirect effects at their best layer (in brackets), with 95 % intervals:\n";
  Table table({{"token", Align::kLeft},
               {"block", Align::kRight},
               {"MLP window", Align::kRight},
               {"attention window", Align::kRight},
               {"facts", Align::kRight}});
  for (const RoleAverage& role : average.roles)
    table.add_row({role.role, best_of(role.block), best_of(role.mlp), best_of(role.attention),
                   std::to_string(std::max({role.block.facts, role.mlp.facts, role.attention.facts}))});
  text += table.text(columns);
  for (const auto& [name, curve] : average.rank_agreement)
    text += "Ranks of the " + name +
            " grid, one backward pass against exact runs: " + number_text(curve.mean.at(0)) + "\n";
  return text;
}

std::string ranking_text(const std::vector<LayerScore>& ranking, std::size_t count, std::size_t columns) {
  Table table(
      {{"layer", Align::kRight}, {"effect of the MLP window", Align::kRight}, {"95 %", Align::kRight}});
  for (std::size_t i = 0; i < std::min(count, ranking.size()); ++i)
    table.add_row({std::to_string(ranking[i].layer), number_text(ranking[i].score),
                   std::isfinite(ranking[i].ci95) ? "± " + number_text(ranking[i].ci95, 2) : "-"});
  return table.text(columns);
}

std::string trial_text(const std::vector<TrialScore>& trial, std::size_t columns) {
  const auto has_bleed = [](const TrialScore& score) { return score.parts.contains("bleed_worst"); };
  const bool bleed = std::any_of(trial.begin(), trial.end(), has_bleed);
  std::vector<TableColumn> columns_of = {{"layer", Align::kRight},      {"score", Align::kRight},
                                         {"95 %", Align::kRight},       {"efficacy", Align::kRight},
                                         {"paraphrase", Align::kRight}, {"neighbourhood", Align::kRight}};
  if (bleed) columns_of.push_back({"bleed, worst", Align::kRight});
  columns_of.push_back({"facts", Align::kRight});
  Table table(columns_of);
  const auto part = [](const TrialScore& score, const char* name) {
    const auto found = score.parts.find(name);
    return found == score.parts.end() ? std::string("-") : percent_text(found->second);
  };
  for (const TrialScore& score : trial) {
    std::vector<std::string> row = {std::to_string(score.layer),
                                    number_text(score.score),
                                    interval_text(score),
                                    part(score, "efficacy_success"),
                                    part(score, "paraphrase_success"),
                                    part(score, "neighbourhood_success")};
    if (bleed) row.push_back(part(score, "bleed_worst"));
    row.push_back(std::to_string(score.facts));
    table.add_row(row);
  }
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
  if (result.missing > 0) return count_text(result.missing) + " facts of other parts have no results yet.\n";
  if (result.traces.size() == 1) text += trace_text(result.traces[0], colour, columns);
  if (result.traces.size() > 1 || !result.skipped.empty()) text += average_text(found.average, columns);
  if (!result.skipped.empty())
    text += count_text(static_cast<std::int64_t>(result.skipped.size())) +
            (result.skipped.size() == 1 ? " fact was" : " facts were") +
            " left out: the model does not give the expected answer.\n";
  if (!found.ranking.empty())
    text += "\nLayers by the effect of MLP windows at the subject's last token:\n" +
            ranking_text(found.ranking, kShown, columns);
  if (!found.decision.trial.empty())
    text += "\nLayers by the score of edits:\n" + trial_text(found.decision.trial, columns);
  if (!found.check.empty())
    text += "\nThe same layers on other facts:\n" + trial_text(found.check, columns) +
            check_text(found.check, found.decision.layer);
  return text.append("\n").append(decision_text(found.decision)).append("\nLayers count from 0.\n");
}

ResultJson locate_json(const LocateOutcome& found, const Model& model) {
  if (found.result.missing > 0)
    return {{"emend", emend_version()},
            {"model", model_json(model)},
            {"missing", found.result.missing},
            {"notes", found.notes}};
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
          {"evidence", to_string(found.decision.evidence)},
          {"trial", trial_json(found.decision.trial)},
          {"check", found.check.empty()
                        ? ResultJson(nullptr)
                        : ResultJson{{"scores", trial_json(found.check)},
                                     {"holds", holds_on_other_facts(found.check, found.decision.layer)}}},
          {"peak_memory_bytes", peak_memory_bytes()},
          {"notes", found.notes}};
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
