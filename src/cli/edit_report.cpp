#include "cli/edit_report.h"

#include <algorithm>

#include "base/strings.h"
#include "cli/load_model.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/fact_report.h"

namespace emend {
namespace {

std::string solution_table(const Edit& edit, std::size_t columns) {
  Table table({{"id"},
               {"layer", Align::kRight},
               {"steps", Align::kRight},
               {"loss", Align::kRight},
               {"update norm", Align::kRight},
               {"relative", Align::kRight},
               {"reason", Align::kLeft, 10}});
  for (const EditedFact& fact : edit.facts) {
    if (fact.status == "already true") continue;
    table.add_row({fact.request.id, std::to_string(fact.layer), std::to_string(fact.steps),
                   number_text(fact.loss), number_text(fact.update_norm), number_text(fact.relative_norm),
                   fact.reason});
  }
  return table.text(columns);
}

std::string costs_line(const EditOutcome& outcome) {
  const EditSeconds& seconds = outcome.seconds;
  return "Time: load " + human_seconds(seconds.load) + ", statistics " + human_seconds(seconds.statistics) +
         ", search " + human_seconds(seconds.search) + ", solve " + human_seconds(seconds.solve) +
         ", checks " + human_seconds(seconds.check) +
         ". Peak memory: " + human_bytes(static_cast<std::uint64_t>(peak_memory_bytes())) + ".\n";
}

ResultJson statistics_json(const EditOutcome& outcome) {
  const auto or_null = [](const auto& value) { return value ? ResultJson(*value) : ResultJson(nullptr); };
  const bool used = !outcome.statistics_source.empty();
  return {{"source", used ? ResultJson(outcome.statistics_source) : ResultJson(nullptr)},
          {"tokens", used ? ResultJson(outcome.statistics_tokens) : ResultJson(nullptr)},
          {"condition", or_null(outcome.condition)},
          {"relative_ridge", or_null(outcome.relative_ridge)},
          {"ridge", or_null(outcome.ridge)},
          {"condition_with_ridge", or_null(outcome.condition_with_ridge)}};
}

ResultJson seconds_json(const EditSeconds& seconds, double total) {
  return {{"total", total},           {"load", seconds.load},   {"statistics", seconds.statistics},
          {"search", seconds.search}, {"solve", seconds.solve}, {"check", seconds.check}};
}

bool uses_covariance(const std::map<std::string, std::string>& options) {
  const auto found = options.find("covariance");
  return found == options.end() || found->second != "false";
}

}  // namespace

std::string method_line(const std::string& method, const std::string& objective,
                        const std::map<std::string, std::string>& options) {
  return "Method " + method + ", objective " + objective +
         (uses_covariance(options) ? "" : ", C = I (covariance: false)") + ".";
}

std::string edit_report(const EditOutcome& outcome, std::size_t columns) {
  const Patch& patch = outcome.patch;
  const auto facts = pair_up(patch.edit.facts, patch.before, patch.after);
  std::string text = facts_table(facts, columns);
  if (outcome.nothing_to_do)
    return text + "\nEvery target is the model's answer already: there is nothing to do.\n";
  for (const std::string& table :
       {lost_table(facts, columns), checks_table(patch.checks, columns), solution_table(patch.edit, columns)})
    text.append("\n").append(table);
  text.append("Layers count from 0. ")
      .append(method_line(patch.edit.method, patch.edit.objective, patch.edit.options));
  return text.append("\n").append(costs_line(outcome));
}

std::string try_it_line(const EditOutcome& outcome, const std::filesystem::path& model,
                        const std::filesystem::path& patch) {
  const auto& facts = outcome.patch.edit.facts;
  const auto edited = std::find_if(facts.begin(), facts.end(),
                                   [](const EditedFact& fact) { return fact.status == "edited"; });
  if (edited == facts.end()) return "";
  std::string line = "emend generate " + shell_word(edited->request.prompt) + " --model " +
                     shell_word(model.string()) + " --patch " + shell_word(patch.string());
  if (outcome.patch.form == PromptForm::kChat) line += " --form chat";
  if (outcome.patch.bos != "auto") line += " --bos " + shell_word(outcome.patch.bos);
  return line;
}

ResultJson edit_json(const EditOutcome& outcome, const Model& model, double total_seconds,
                     const std::vector<std::filesystem::path>& outputs) {
  const Patch& patch = outcome.patch;
  ResultJson paths = ResultJson::array();
  for (const auto& output : outputs) paths.push_back(output.string());
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"method", patch.edit.method},
          {"covariance", uses_covariance(patch.edit.options)},
          {"objective", patch.edit.objective},
          {"options", patch.edit.options},
          {"statistics", statistics_json(outcome)},
          {"device", patch.conditions.device},
          {"dtype", patch.conditions.dtype},
          {"seed", patch.conditions.seed},
          {"token_budget", patch.conditions.token_budget},
          {"seconds", seconds_json(outcome.seconds, total_seconds)},
          {"peak_memory_bytes", peak_memory_bytes()},
          {"edits", edits_json(pair_up(patch.edit.facts, patch.before, patch.after))},
          {"checks", checks_json(patch.checks)},
          {"warnings", patch.edit.warnings},
          {"outputs", paths},
          {"passed", patch.passed}};
}

std::string plan_report(const EditPlan& plan, std::size_t columns) {
  Table table({{"id"},
               {"layer", Align::kRight},
               {"rows", Align::kRight},
               {"target tokens", Align::kRight},
               {"norm per unit", Align::kRight},
               {"neighbours moved", Align::kRight},
               {"shares its key with", Align::kLeft, 10}});
  for (const EditPlan::Entry& entry : plan.entries)
    table.add_row({entry.id, std::to_string(entry.layer), count_text(entry.rows),
                   count_text(entry.target_tokens), number_text(entry.predicted_norm),
                   number_text(entry.largest_neighbour_alpha), join(entry.merged_with)});
  return table.text(columns);
}

ResultJson plan_json(const EditPlan& plan, const Editor& editor, const Model& model) {
  ResultJson entries = ResultJson::array();
  for (const EditPlan::Entry& entry : plan.entries)
    entries.push_back({{"id", entry.id},
                       {"layer", entry.layer},
                       {"target_tokens", entry.target_tokens},
                       {"rows", entry.rows},
                       {"merged_with", entry.merged_with},
                       {"predicted_norm", entry.predicted_norm},
                       {"largest_neighbour_alpha", entry.largest_neighbour_alpha}});
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"method", editor.name()},
          {"covariance", uses_covariance(editor.options())},
          {"objective", editor.objective()},
          {"options", editor.options()},
          {"plan", entries},
          {"warnings", plan.warnings}};
}

}  // namespace emend
