// One line for each outcome (emend/report.h).
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>

#include "base/strings.h"
#include "emend/report.h"
#include "pipeline/role_lines.h"
#include "report/display_text.h"
#include "report/numbers.h"
#include "reports/eval_tables.h"

namespace emend {
namespace {

constexpr double kNoInterval = std::numeric_limits<double>::quiet_NaN();

std::string count_of(std::size_t count, std::string_view what) {
  return counted(static_cast<std::int64_t>(count), what);
}

std::string_view passed_text(bool passed) {
  return passed ? "passed" : "FAILED";
}

// "efficacy 1.00, drift not measured".
std::string values_text(const std::vector<CheckResult>& checks) {
  std::vector<std::string> values;
  for (const CheckResult& check : checks)
    values.push_back(check.name + " " + (check.value ? number_text(*check.value) : "not measured"));
  return join(values);
}

// "2 of 4 facts edited", and what became of the others.
std::string facts_text(const std::vector<FactRecord>& facts) {
  const auto count = [&](FactStatus status) {
    return std::count_if(facts.begin(), facts.end(),
                         [&](const FactRecord& fact) { return fact.status == status; });
  };
  const auto already_true = count(FactStatus::kAlreadyTrue), failed = count(FactStatus::kFailed);
  std::string text = fmt::format("{} of {} edited",
                                 count_text(static_cast<std::int64_t>(facts.size()) - already_true - failed),
                                 count_of(facts.size(), "fact"));
  if (already_true > 0) text += fmt::format(", {} already true", count_text(already_true));
  if (failed > 0) text += fmt::format(", {} failed", count_text(failed));
  return text;
}

std::string layers_text(const std::vector<LayerSummary>& layers) {
  std::vector<int> numbers;
  for (const LayerSummary& layer : layers) numbers.push_back(layer.layer);
  std::sort(numbers.begin(), numbers.end());
  return (numbers.size() == 1 ? "layer " : "layers ") + ranges_text(numbers);
}

// "score 97.5 ± 1.2 %"; a run that has no score tells its efficacy.
std::string score_text(const EvalSummary& summary) {
  const auto& metrics = summary.metrics;
  if (const auto score = metrics.find("score"); score != metrics.end())
    return "score " + figure_text("score", score->second) + " %";
  const auto efficacy = metrics.find("efficacy_success");
  return efficacy == metrics.end() ? "not measured"
                                   : "efficacy " + figure_text("efficacy_success", efficacy->second) + " %";
}

}  // namespace

std::string brief_report(const PlanOutcome& outcome) {
  return one_line(fmt::format(
      "{}: {} planned at {} {}{}{}", outcome.method, count_of(outcome.plan.entries.size(), "edit"),
      outcome.layers.size() == 1 ? "layer" : "layers", ranges_text(outcome.layers),
      outcome.has_statistics ? "" : ", without statistics",
      outcome.plan.warnings.empty() ? "" : ", " + count_of(outcome.plan.warnings.size(), "warning")));
}

std::string brief_report(const EditOutcome& outcome) {
  const Patch& patch = outcome.patch;
  if (outcome.nothing_to_do)
    return one_line(patch.edit.method + ": nothing to do, " + facts_text(patch.edit.facts));
  return brief_report(patch);
}

std::string brief_report(const LocateOutcome& outcome) {
  const TraceResult& result = outcome.result;
  const std::string facts = count_of(result.traces.size(), "fact") + " traced";
  if (result.missing > 0)
    return fmt::format("{}, {} of other parts are not there yet", facts, count_text(result.missing));
  return fmt::format("{}{}: layer {}, decided by {}", facts,
                     result.skipped.empty()
                         ? ""
                         : ", " + count_text(static_cast<std::int64_t>(result.skipped.size())) + " left out",
                     outcome.decision.layer,
                     outcome.decision.evidence == LayerEvidence::kTrial ? "edits" : "depth alone");
}

std::string brief_report(const BenchmarkOutcome& outcome) {
  if (outcome.methods.empty()) return "other parts of the run are not there yet";
  std::vector<std::string> runs;
  for (const EvalResults& method : outcome.methods)
    runs.push_back(fmt::format("{}: {}, {}", method.summary.name(), counted(method.summary.records, "record"),
                               score_text(method.summary)));
  return one_line(join(runs, "; "));
}

std::string brief_report(const Comparison& comparison) {
  std::string text = fmt::format("{} and {} over {} in both", comparison.name_a, comparison.name_b,
                                 counted(comparison.shared, "record"));
  for (const ComparedMetric& compared : comparison.metrics)
    if (compared.metric == "score")
      text += fmt::format(": score {} and {} %, p {}",
                          figure_text("score", {compared.values.a, kNoInterval, compared.values.n}),
                          figure_text("score", {compared.values.b, kNoInterval, compared.values.n}),
                          number_text(compared.values.p, 2));
  return one_line(text);
}

std::string brief_report(const Patch& patch) {
  const std::string checks = values_text(patch.checks);
  return one_line(fmt::format("{}: {}{}{}: {}", patch.edit.method, facts_text(patch.edit.facts),
                              checks.empty() ? "" : "; ", checks, passed_text(patch.passed)));
}

std::string brief_report(const PatchDifference& difference) {
  if (difference.same) return "the same edits and changes";
  return fmt::format("{}, {} and {} differ", count_of(difference.settings.size(), "setting"),
                     count_of(difference.facts.size(), "edit"),
                     counted(static_cast<std::int64_t>(std::count_if(
                                 difference.layers.begin(), difference.layers.end(),
                                 [](const LayerDifference& layer) { return layer.difference > 0; })),
                             "layer"));
}

std::string brief_report(const VerifyOutcome& outcome) {
  const auto held = std::count_if(outcome.patches.begin(), outcome.patches.end(),
                                  [](const VerifiedPatch& patch) { return patch.passed; });
  return fmt::format(
      "{} of {} verified: {}", held,
      outcome.patches.size() == 1 ? "1 patch" : fmt::format("{} patches", outcome.patches.size()),
      passed_text(outcome.passed));
}

std::string brief_report(const ApplyOutcome& outcome) {
  return one_line(fmt::format("{} written to {}: {}", count_of(outcome.plan.tensors.size(), "tensor"),
                              outcome.written.string(),
                              outcome.passed ? passed_text(*outcome.passed) : "not checked"));
}

std::string brief_report(const RevertOutcome& outcome) {
  return one_line(
      fmt::format("{} of {} restored", count_of(outcome.restored.size(), "file"), outcome.model.string()));
}

std::string brief_report(const ComposeOutcome& outcome) {
  return one_line(fmt::format("{}: {}; {}: {}", outcome.patch.edit.method,
                              facts_text(outcome.patch.edit.facts), values_text(outcome.checks),
                              passed_text(outcome.passed)));
}

std::string brief_report(const InspectOutcome& outcome) {
  const auto contained = std::count_if(
      outcome.patches.begin(), outcome.patches.end(),
      [](const PatchVerdict& verdict) { return verdict.presence == PatchPresence::kContained; });
  const std::string weights =
      outcome.base_fingerprint ? count_of(outcome.weights.weights.size(), "weight") + " of the base changed"
                               : "not compared with a base";
  return fmt::format("{}; {} of {} patches contained", weights, contained, outcome.patches.size());
}

std::string brief_report(const AdapterOutcome& outcome) {
  return one_line(fmt::format("{} written to {}: {}", count_of(outcome.modules.size(), "weight"),
                              outcome.written.string(), passed_text(outcome.exact)));
}

std::string brief_report(const StatisticsOutcome& outcome) {
  if (outcome.planned_only)
    return one_line(fmt::format(
        "{} over {} tokens of {} planned",
        outcome.plan.passes.size() == 1 ? "1 pass" : fmt::format("{} passes", outcome.plan.passes.size()),
        count_text(outcome.plan.tokens), outcome.plan.source));
  if (outcome.layers.empty()) return one_line("sums over " + outcome.report.source + ", to be merged");
  return one_line(fmt::format("{} over {} tokens of {}", layers_text(outcome.layers),
                              count_text(outcome.layers.front().tokens), outcome.report.source));
}

std::string brief_report(const StatisticsSummary& summary) {
  return one_line(fmt::format("{} over {}", layers_text(summary.layers), summary.source));
}

std::string brief_report(const ImatrixOutcome& outcome) {
  return one_line(fmt::format("importance matrix of {} in {}", count_of(outcome.layers.size(), "layer"),
                              outcome.file.string()));
}

std::string brief_report(const AbilityOutcome& outcome) {
  std::vector<std::string> tasks;
  for (const AbilityResult& task : outcome.tasks) {
    const AbilityFigure& acc = task.figures.front();
    const std::string after = acc.after ? " -> " + percent_text(acc.after->mean) : "";
    tasks.push_back(fmt::format("{} {}{} of {}", task.name, percent_text(acc.before.mean), after,
                                count_of(task.items.size(), "item")));
  }
  return one_line(join(tasks));
}

std::string brief_report(const ConvertOutcome& outcome) {
  return one_line(fmt::format("{} of {} records written to {}", count_text(outcome.written),
                              count_text(outcome.read), outcome.asked.out.string()));
}

std::string brief_report(const ModelSummary& summary, const Model& model) {
  return one_line(fmt::format("{}: {}, {} layers, {} parameters", model.path().string(),
                              model.config().family, model.config().layers, count_text(summary.parameters)));
}

std::string brief_report(const ModelCheck& check) {
  if (check.refusal) return one_line(std::string("refused: ") + check.refusal->what());
  const std::string missing =
      check.unsupported.empty() ? "" : fmt::format(", {} not supported", check.unsupported.size());
  return one_line(fmt::format("{}: {} in {}, can be loaded{}", check.path.string(),
                              check.config ? check.config->family : check.architecture,
                              check.format.empty() ? "memory" : check.format, missing));
}

std::string brief_report(const PromptOutcome& outcome) {
  return one_line(outcome.text);
}

}  // namespace emend
