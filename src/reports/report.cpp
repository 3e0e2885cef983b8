// The public reports (emend/report.h) from those of the folder: texts and JSON are made there.
#include "emend/report.h"

#include "pipeline/result_json.h"
#include "reports/abilities_report.h"
#include "reports/adapter_report.h"
#include "reports/check_report.h"
#include "reports/convert_report.h"
#include "reports/edit_report.h"
#include "reports/eval_comparison.h"
#include "reports/eval_report.h"
#include "reports/generate_report.h"
#include "reports/locate_report.h"
#include "reports/model_report.h"
#include "reports/patch_report.h"
#include "reports/statistics_report.h"

namespace emend {

std::string full_report(const PlanOutcome& outcome, const ReportStyle& style) {
  return plan_report(outcome, style.columns);
}
std::string to_json(const PlanOutcome& outcome, const Model& model) {
  return dump_json(plan_json(outcome, model));
}

std::string full_report(const EditOutcome& outcome, const ReportStyle& style) {
  return edit_report(outcome, style.columns);
}
std::string to_json(const EditOutcome& outcome, const Model& model, const OutputFiles& outputs) {
  return dump_json(edit_json(outcome, model, outputs));
}

std::string full_report(const LocateOutcome& outcome, const ReportStyle& style) {
  return locate_text(outcome, style.colour ? TextColour::kAnsi256 : TextColour::kNone, style.columns);
}
std::string to_json(const LocateOutcome& outcome, const Model& model) {
  return dump_json(locate_json(outcome, model));
}

std::string full_report(const BenchmarkOutcome& outcome, const ReportStyle& style) {
  return eval_report(outcome, style.columns);
}
std::string to_json(const BenchmarkOutcome& outcome) {
  return dump_json(eval_json(outcome));
}

std::string full_report(const Comparison& comparison, const ReportStyle& style) {
  return comparison_report(comparison, style.columns);
}
std::string to_json(const Comparison& comparison) {
  return dump_json(comparison_json(comparison));
}

std::string full_report(const Patch& patch, const ReportStyle& style) {
  return patch_text(patch, style.columns);
}
std::string to_json(const Patch& patch, const std::filesystem::path& file) {
  return dump_json(patch_json(patch, file));
}

std::string full_report(const PatchDifference& difference, const ReportStyle& style) {
  return difference_text(difference, style.columns);
}
std::string to_json(const PatchDifference& difference) {
  return dump_json(difference_json(difference));
}

std::string full_report(const VerifyOutcome& outcome, const ReportStyle& style) {
  std::string text;
  for (const VerifiedPatch& patch : outcome.patches) text += verified_text(patch, style.columns);
  return text;
}
std::string to_json(const VerifyOutcome& outcome, const Model& model) {
  return dump_json(verify_json(outcome, model));
}

std::string full_report(const ApplyOutcome& outcome, const ReportStyle& style) {
  return written_text(outcome, style.columns) + checked_text(outcome, style.columns);
}
std::string to_json(const ApplyOutcome& outcome) {
  return dump_json(apply_json(outcome));
}

std::string full_report(const RevertOutcome& outcome, const ReportStyle& /*style*/) {
  return reverted_text(outcome.restored);
}
std::string to_json(const RevertOutcome& outcome) {
  return dump_json(revert_json(outcome.model.string(), outcome.undo, outcome.restored));
}

std::string full_report(const ComposeOutcome& outcome, const ReportStyle& style) {
  return composed_text(outcome, style.columns);
}
std::string to_json(const ComposeOutcome& outcome, const Model& model, const OutputFiles& outputs) {
  return dump_json(compose_json(outcome, model, outputs));
}

std::string full_report(const InspectOutcome& outcome, const ReportStyle& style) {
  return inspect_text(outcome, style.columns);
}
std::string to_json(const InspectOutcome& outcome, const Model& model) {
  return dump_json(inspect_json(outcome, model));
}

std::string full_report(const AdapterOutcome& outcome, const ReportStyle& style) {
  return adapter_text(outcome, style.columns);
}
std::string to_json(const AdapterOutcome& outcome, const Model& model) {
  return dump_json(adapter_json(outcome, model));
}

std::string full_report(const StatisticsOutcome& outcome, const ReportStyle& style) {
  if (outcome.planned_only) return statistics_plan_text(outcome.plan) + "\n";
  return collected_text(outcome, style.columns);
}
std::string to_json(const StatisticsOutcome& outcome, const Model& model) {
  return dump_json(collected_json(outcome, model));
}

std::string full_report(const StatisticsSummary& summary, const ReportStyle& style) {
  return statistics_text(summary, style.columns);
}
std::string to_json(const StatisticsSummary& summary, const Model* model) {
  return dump_json(statistics_json(summary, model));
}

std::string full_report(const ImatrixOutcome& outcome, const ReportStyle& /*style*/) {
  return exported_statistics_text(outcome.layers, outcome.file);
}
std::string to_json(const ImatrixOutcome& outcome) {
  return dump_json(exported_statistics_json(outcome.layers, outcome.file));
}

std::string full_report(const AbilityOutcome& outcome, const ReportStyle& style) {
  return abilities_text(outcome, style.columns);
}
std::string to_json(const AbilityOutcome& outcome, const std::vector<std::string>& patches,
                    const Model& model) {
  return dump_json(abilities_json(outcome, patches, model));
}

std::string full_report(const ConvertOutcome& outcome, const ReportStyle& style) {
  return convert_text(outcome, style.columns);
}
std::string to_json(const ConvertOutcome& outcome) {
  return dump_json(convert_json(outcome));
}

std::string to_json(const Model& model) {
  return dump_json(model_json(model));
}

std::string full_report(const ModelSummary& summary, const Model& model) {
  return model_text(summary, model);
}
std::string to_json(const ModelSummary& summary, const Model& model) {
  return dump_json(model_info_json(summary, model));
}

std::string full_report(const ModelCheck& check, const ReportStyle& style) {
  return check_text(check, style.columns);
}
std::string to_json(const ModelCheck& check) {
  return dump_json(model_check_json(check));
}
std::string to_json(const ModelCheck& check, const Model& model) {
  return dump_json(model_check_json(check, model));
}

std::string full_report(const PromptOutcome& outcome, const std::string& prompt, PromptForm form,
                        const ReportStyle& style) {
  return generated_text(outcome, prompt, form, style.columns);
}
std::string to_json(const PromptOutcome& outcome, const std::string& prompt) {
  return dump_json(generated_json(outcome, prompt));
}

}  // namespace emend
