#include "reports/patch_report.h"

#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/fact_report.h"
#include "reports/junit_report.h"

namespace emend {
namespace {

std::string difference_text(const std::optional<double>& difference) {
  return difference ? number_text(*difference) : "not compared (the patch stores none)";
}

ResultJson difference_json(const std::optional<double>& difference) {
  return difference ? ResultJson(*difference) : ResultJson(nullptr);
}

std::string facts_and_checks(const std::vector<FactRecord>& facts, const std::vector<CheckResult>& checks,
                             std::size_t columns) {
  return facts_table(facts, columns) + "\n" + lost_table(facts, columns) + "\n" +
         checks_table(checks, columns);
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

std::string verified_text(const VerifiedPatch& patch, std::size_t columns) {
  return patch.name + "\n\n" + facts_and_checks(patch.facts, patch.checks, columns) +
         "\nLargest difference of p(target) from what the patch stored: before " +
         difference_text(patch.difference_before) + ", after " + difference_text(patch.difference_after) +
         (patch.reproduced ? "" : ", TOO MUCH") + "\nVerified: " + (patch.passed ? "yes" : "NO") + "\n";
}

ResultJson verify_json(const VerifyOutcome& outcome, const Model& model) {
  ResultJson list = ResultJson::array();
  for (const VerifiedPatch& patch : outcome.patches)
    list.push_back({{"path", patch.name},
                    {"edits", edits_json(patch.facts)},
                    {"checks", checks_json(patch.checks)},
                    {"difference_before", difference_json(patch.difference_before)},
                    {"difference", difference_json(patch.difference_after)},
                    {"compared", patch.difference_before && patch.difference_after},
                    {"passed", patch.passed}});
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"patches", list},
          {"passed", outcome.passed}};
}

std::vector<JunitSuite> verify_suites(const VerifyOutcome& outcome) {
  std::vector<JunitSuite> suites;
  for (const VerifiedPatch& patch : outcome.patches) {
    suites.push_back(junit_suite(patch.name, patch.facts, patch.checks));
    suites.back().cases.push_back(junit_case("same as stored", patch.reproduced,
                                             "p(target) differs from what the patch stored: before " +
                                                 difference_text(patch.difference_before) + ", after " +
                                                 difference_text(patch.difference_after)));
  }
  return suites;
}

std::string written_text(const ApplyOutcome& outcome, std::size_t columns) {
  return written_table(outcome.plan, columns) + "\n" + realised_table(outcome.plan, columns) +
         "Share: how much of the update arrived in the stored type; rounding: what else did, relative to "
         "the update, and to the value at the key. Layers count from 0.\n";
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

ResultJson apply_json(const ApplyOutcome& outcome, const std::string& base) {
  ResultJson list = ResultJson::array();
  for (std::size_t i = 0; i < outcome.patches.size(); ++i) {
    const AppliedPatch& patch = outcome.patches[i];
    list.push_back({{"path", patch.name},
                    {"stored", realised_json(outcome.plan, i)},
                    {"edits", edits_json(patch.facts)},
                    {"checks", checks_json(patch.checks)},
                    {"difference", difference_json(patch.difference)},
                    {"passed", patch.passed}});
  }
  ResultJson json = {{"emend", emend_version()},
                     {"base", base},
                     {"model", model_json(outcome.written.string(), outcome.config, outcome.fingerprint)},
                     {"tensors", written_tensors_json(outcome.plan)},
                     {"patches", list},
                     {"passed", outcome.passed ? ResultJson(*outcome.passed) : ResultJson(nullptr)}};
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

std::string composed_text(const ComposeOutcome& outcome, const std::string& file, std::size_t columns) {
  return facts_and_checks(outcome.patch.edit.facts, outcome.checks, columns) + "\nPatch: " + file +
         (outcome.patch.passed ? "" : " (marked as failed)") + "\n";
}

ResultJson compose_json(const ComposeOutcome& outcome, const Model& model, const std::string& file) {
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"method", outcome.patch.edit.method},
          {"edits", edits_json(outcome.patch.edit.facts)},
          {"checks", checks_json(outcome.checks)},
          {"outputs", {file}},
          {"passed", outcome.passed}};
}

}  // namespace emend
