#include "reports/patch_report.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "base/strings.h"
#include "emend/adapter.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/display_text.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/adapter_report.h"
#include "reports/bleed_report.h"
#include "reports/edit_report.h"
#include "reports/fact_report.h"
#include "reports/junit_report.h"

namespace emend {
namespace {

std::string facts_list(const Patch& patch, std::size_t columns) {
  Table table({{"id"},
               {"prompt", Align::kLeft, 12},
               {"was -> target", Align::kLeft, 12},
               {"layer", Align::kRight},
               {"steps", Align::kRight},
               {"update norm", Align::kRight},
               {"relative", Align::kRight},
               {"status"}});
  for (const FactRecord& fact : patch.edit.facts)
    table.add_row({fact.request.id, fact.request.prompt, fact.request.was + " -> " + fact.request.target,
                   layers_text(fact), std::to_string(fact.steps), number_text(fact.update_norm()),
                   number_text(fact.relative_norm()), std::string(to_string(fact.status))});
  return table.text(columns);
}

// The fingerprint, or one for each layer of a patch that was merged from several.
std::string statistics_text(const Patch& patch) {
  std::set<std::string> different;
  for (const WeightSolve& solve : patch.edit.solves) different.insert(solve.statistics_fingerprint);
  if (different.size() < 2)
    return patch.edit.statistics_fingerprint().empty() ? "none" : patch.edit.statistics_fingerprint();
  std::vector<std::string> layers;
  for (const WeightSolve& solve : patch.edit.solves)
    layers.push_back("layer " + std::to_string(solve.weight.block) + " " + solve.statistics_fingerprint);
  return join(layers);
}

std::string differing_facts(const PatchDifference& difference, std::size_t columns) {
  Table table({{"id"}, {"differs", Align::kLeft, 20}});
  for (const FactDifference& fact : difference.facts) table.add_row({fact.id, join(fact.what, "; ")});
  return table.text(columns);
}

std::string differing_layers(const PatchDifference& difference, std::size_t columns) {
  Table table({{"layer", Align::kRight},
               {"norm of the first", Align::kRight},
               {"of the second", Align::kRight},
               {"of the difference", Align::kRight},
               {"cosine", Align::kRight}});
  for (const LayerDifference& layer : difference.layers)
    table.add_row({std::to_string(layer.layer), number_text(layer.first), number_text(layer.second),
                   number_text(layer.difference), number_text(layer.cosine, 4)});
  return table.text(columns);
}

// What the check "update" does not look at; "" if it looks at all.
std::string unchecked_text(const std::vector<WeightSolve>& solves) {
  if (solves.empty()) return "";
  std::vector<std::string> weights;
  for (const WeightSolve& solve : solves)
    weights.push_back(fmt::format("the {} ({})", weight_name(solve.weight), to_string(solve.rule)));
  return fmt::format(
      "The update was not checked at {}: such a change is not exact at the keys of its facts, so that keys "
      "and "
      "residuals alone do not tell it. What it does to the facts was measured.\n",
      join(weights));
}

ResultJson unchecked_json(const std::vector<WeightSolve>& solves) {
  ResultJson list = ResultJson::array();
  for (const WeightSolve& solve : solves)
    list.push_back({{"layer", solve.weight.block},
                    {"role", role_name(solve.weight.role)},
                    {"rule", to_string(solve.rule)}});
  return list;
}

std::string deviation_text(const std::optional<double>& difference) {
  return difference ? number_text(*difference) : "not compared (the patch stores none)";
}

std::string facts_and_checks(const std::vector<FactRecord>& facts, const std::vector<CheckResult>& checks,
                             std::size_t columns) {
  const std::string bleed = bleed_text(facts, columns);
  return facts_table(facts, columns) + "\n" + lost_table(facts, columns) + "\n" +
         (bleed.empty() ? "" : bleed + "\n") + checks_table(checks, columns);
}

std::string written_table(const WritePlan& plan, std::size_t columns) {
  Table table({{"tensor", Align::kLeft, 20},
               {"layer", Align::kRight},
               {"was"},
               {"is"},
               {"share", Align::kRight},
               {"rounding", Align::kRight}});
  for (const PlannedTensor& tensor : plan.tensors)
    table.add_row({tensor.name, std::to_string(tensor.weight.block), tensor.old_type, tensor.new_type,
                   percent_text(tensor.share), percent_text(tensor.error)});
  return table.text(columns);
}

// What the stray change was weighted by.
std::string metric_text(const RoundingReport& report) {
  if (!report.with_statistics) return "identity";
  return report.diagonal ? "diagonal" : "statistics";
}

// What rounding with error feedback did; "" if no quantised type was kept.
std::string feedback_text(const WritePlan& plan, std::size_t columns) {
  Table table({{"tensor", Align::kLeft, 20},
               {"share, mean", Align::kRight},
               {"worst", Align::kRight},
               {"stray", Align::kRight},
               {"blocks changed", Align::kRight},
               {"under"}});
  bool any = false, identity = false;
  for (const PlannedTensor& tensor : plan.tensors) {
    if (!tensor.rounding) continue;
    const RoundingReport& report = *tensor.rounding;
    table.add_row({tensor.name, percent_text(report.mean_share), percent_text(report.worst_share),
                   percent_text(report.stray),
                   std::to_string(report.blocks_changed) + " of " + std::to_string(report.blocks),
                   metric_text(report)});
    any = true;
    identity = identity || !report.with_statistics;
  }
  if (!any) return "";
  return "\nRounded to the base's own type with error feedback\n\n" + table.text(columns) +
         "Share: over the keys of the edits; stray: other change, relative to what rounding "
         "full-precision weights to this type costs.\n" +
         (identity ? "Stray change was weighted by the identity: it can be weighted by second moments (a "
                     "folder of statistics) or by an importance matrix.\n"
                   : "");
}

std::string realised_table(const WritePlan& plan, std::size_t columns) {
  Table table({{"id"},
               {"layer", Align::kRight},
               {"wanted", Align::kRight},
               {"arrived", Align::kRight},
               {"share", Align::kRight},
               {"rounding", Align::kRight},
               {"of the value", Align::kRight}});
  for (const RealisedFact& fact : plan.facts)
    table.add_row({fact.id, std::to_string(fact.weight.block), number_text(fact.wanted),
                   number_text(fact.arrived), percent_text(fact.share), percent_text(fact.error),
                   percent_text(fact.value_error)});
  return table.text(columns);
}

}  // namespace

std::string patch_text(const Patch& patch, std::size_t columns) {
  std::vector<std::string> options;
  for (const auto& [name, value] : patch.edit.options) options.push_back(name + ": " + value);
  std::string text =
      facts_list(patch, columns) + "Layers count from 0.\n\n" + checks_table(patch.checks, columns) + "\n";
  text += subjects_line("Subjects:   ", subjects_of({patch}));
  text += "Method:     " + one_line(patch.edit.method) + ", objective " +
          std::string(to_string(patch.edit.objective)) + "\n";
  text += "Options:    " + one_line(join(options)) + "\n";
  text += "Base:       " + one_line(patch.base_name) + ", fingerprint " + patch.edit.base_fingerprint + "\n";
  text += "Statistics: " + one_line(statistics_text(patch)) + "\n";
  text += "Text:       bos " + one_line(patch.bos) + ", form " + std::string(to_string(patch.form)) + "\n";
  text += "Made by:    emend " + one_line(patch.emend_version) + "\n";
  for (const std::string& warning : patch.edit.warnings) text += "Warning:    " + one_line(warning) + "\n";
  return text + "Passed:     " + (patch.passed ? "yes" : "NO") + "\n";
}

ResultJson patch_json(const Patch& patch, const std::filesystem::path& file) {
  const Edit& edit = patch.edit;
  ResultJson json = {{"emend", patch.emend_version}};
  if (!file.empty()) json["path"] = file.string();
  json["base"] = {{"name", patch.base_name}, {"fingerprint", edit.base_fingerprint}};
  json["method"] = edit.method;
  json["objective"] = to_string(edit.objective);
  json["options"] = edit.options;
  json["edits"] = edits_json(edit.facts);
  json["checks"] = checks_json(patch.checks);
  json["warnings"] = edit.warnings;
  json["passed"] = patch.passed;
  return json;
}

std::string difference_text(const PatchDifference& difference, std::size_t columns) {
  std::string text = difference.same ? "The patches make the same edits and changes.\n" : "";
  for (const std::string& setting : difference.settings) text += one_line(setting) + "\n";
  if (!difference.settings.empty()) text += "\n";
  if (!difference.facts.empty()) text += differing_facts(difference, columns) + "\n";
  return text + differing_layers(difference, columns) + "Layers count from 0.\n";
}

ResultJson difference_json(const PatchDifference& difference) {
  ResultJson facts = ResultJson::array(), layers = ResultJson::array();
  for (const FactDifference& fact : difference.facts)
    facts.push_back({{"id", fact.id}, {"differs", fact.what}});
  for (const LayerDifference& layer : difference.layers)
    layers.push_back({{"layer", layer.layer},
                      {"first", layer.first},
                      {"second", layer.second},
                      {"difference", layer.difference},
                      {"cosine", layer.cosine}});
  return {{"emend", emend_version()},
          {"settings", difference.settings},
          {"edits", facts},
          {"layers", layers},
          {"same", difference.same}};
}

std::string verified_text(const VerifiedPatch& patch, std::size_t columns) {
  return patch.name + "\n\n" + facts_and_checks(patch.facts, patch.checks, columns) +
         unchecked_text(patch.update_not_checked) +
         "\nLargest difference of p(target) from what the patch stored: before " +
         deviation_text(patch.difference_before) + ", after " + deviation_text(patch.difference_after) +
         (patch.reproduced ? "" : ", TOO MUCH") + "\nVerified: " + (patch.passed ? "yes" : "NO") + "\n";
}

ResultJson verify_json(const VerifyOutcome& outcome, const Model& model) {
  ResultJson list = ResultJson::array();
  for (const VerifiedPatch& patch : outcome.patches)
    list.push_back({{"path", patch.name},
                    {"edits", edits_json(patch.facts)},
                    {"checks", checks_json(patch.checks)},
                    {"update_not_checked", unchecked_json(patch.update_not_checked)},
                    {"difference_before", or_null(patch.difference_before)},
                    {"difference", or_null(patch.difference_after)},
                    {"compared", patch.difference_before && patch.difference_after},
                    {"passed", patch.passed}});
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"patches", list},
          {"warnings", outcome.warnings},
          {"passed", outcome.passed}};
}

std::vector<JunitSuite> verify_suites(const VerifyOutcome& outcome) {
  std::vector<JunitSuite> suites;
  for (const VerifiedPatch& patch : outcome.patches) {
    suites.push_back(junit_suite(patch.name, patch.facts, patch.checks));
    suites.back().cases.push_back(junit_case("same as stored", patch.reproduced,
                                             "p(target) differs from what the patch stored: before " +
                                                 deviation_text(patch.difference_before) + ", after " +
                                                 deviation_text(patch.difference_after)));
  }
  return suites;
}

std::string written_text(const ApplyOutcome& outcome, std::size_t columns) {
  return written_table(outcome.plan, columns) + "\n" + realised_table(outcome.plan, columns) +
         "Share: how much of the update arrived in the stored type; rounding: what else did, relative to "
         "the update, and to the value at the key. Layers count from 0.\n" +
         feedback_text(outcome.plan, columns) + subjects_line("Subjects: ", outcome.subjects);
}

std::string checked_text(const ApplyOutcome& outcome, std::size_t columns) {
  std::string text;
  for (const AppliedPatch& patch : outcome.patches)
    text += "\n" + patch.name + ", on the written file\n\n" +
            facts_and_checks(patch.facts, patch.checks, columns);
  return text + "\nChecks on the written file: " +
         (!outcome.passed   ? "not asked for"
          : *outcome.passed ? "passed"
                            : "FAILED") +
         "\n";
}

ResultJson apply_json(const ApplyOutcome& outcome) {
  ResultJson list = ResultJson::array();
  for (std::size_t i = 0; i < outcome.names.size(); ++i) {
    const AppliedPatch* const checked = i < outcome.patches.size() ? &outcome.patches[i] : nullptr;
    list.push_back({{"path", outcome.names[i]},
                    {"stored", realised_json(outcome.plan, i)},
                    {"edits", checked ? edits_json(checked->facts) : ResultJson(nullptr)},
                    {"checks", checked ? checks_json(checked->checks) : ResultJson(nullptr)},
                    {"difference", checked ? or_null(checked->difference) : ResultJson(nullptr)},
                    {"passed", checked ? ResultJson(checked->passed) : ResultJson(nullptr)}});
  }
  ResultJson json = {{"emend", emend_version()},
                     {"base", outcome.plan.base.string()},
                     {"model", nullptr},
                     {"written", outcome.written.string()},
                     {"tensors", written_tensors_json(outcome.plan)},
                     {"patches", list},
                     {"subjects", outcome.subjects},
                     {"warnings", outcome.warnings},
                     {"passed", or_null(outcome.passed)}};
  if (outcome.passed)
    json["model"] = model_json(outcome.written.string(), outcome.config, outcome.fingerprint);
  if (!outcome.undo.empty()) json["undo"] = outcome.undo.string();
  return json;
}

std::vector<JunitSuite> apply_suites(const ApplyOutcome& outcome) {
  std::vector<JunitSuite> suites;
  for (std::size_t i = 0; i < outcome.patches.size(); ++i) {
    const AppliedPatch& patch = outcome.patches[i];
    suites.push_back(junit_suite(patch.name, patch.facts, patch.checks));
    for (const RealisedFact& fact : outcome.plan.facts)
      if (fact.patch == i)
        suites.back().cases.push_back(
            junit_case("stored " + fact.id, fact.share >= kLeastShare && fact.error <= kMostError,
                       percent_text(fact.share) + " of the update arrived, with rounding of " +
                           percent_text(fact.error)));
  }
  return suites;
}

std::string reverted_text(const std::vector<std::filesystem::path>& restored) {
  if (restored.empty()) return "All files were as before already.\n";
  std::string text;
  for (const std::filesystem::path& file : restored) text += "Restored: " + file.string() + "\n";
  return text;
}

std::string composed_text(const ComposeOutcome& outcome, std::size_t columns) {
  return facts_and_checks(outcome.patch.edit.facts, outcome.checks, columns);
}

ResultJson compose_json(const ComposeOutcome& outcome, const Model& model,
                        const std::vector<std::filesystem::path>& outputs) {
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"method", outcome.patch.edit.method},
          {"edits", edits_json(outcome.patch.edit.facts)},
          {"checks", checks_json(outcome.checks)},
          {"outputs", paths_json(outputs)},
          {"warnings", outcome.warnings},
          {"passed", outcome.passed}};
}

}  // namespace emend
