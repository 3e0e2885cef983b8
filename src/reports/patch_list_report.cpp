#include "reports/patch_list_report.h"

#include <set>
#include <vector>

#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/display_text.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/edit_report.h"
#include "reports/fact_report.h"

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

}  // namespace

std::string patch_text(const Patch& patch, std::size_t columns) {
  std::vector<std::string> options;
  for (const auto& [name, value] : patch.edit.options) options.push_back(name + ": " + value);
  std::string text =
      facts_list(patch, columns) + "Layers count from 0.\n\n" + checks_table(patch.checks, columns) + "\n";
  text += "Method:     " + one_line(patch.edit.method) + ", objective " +
          std::string(to_string(patch.edit.objective)) + "\n";
  text += "Options:    " + one_line(join(options)) + "\n";
  text += "Base:       " + one_line(patch.base_name) + ", fingerprint " + patch.edit.base_fingerprint + "\n";
  text += "Statistics: " + one_line(statistics_text(patch)) + "\n";
  text += "Text:       bos " + one_line(patch.bos) + ", form " +
          (patch.form == PromptForm::kChat ? "chat" : "raw") + "\n";
  text += "Made by:    emend " + one_line(patch.emend_version) + "\n";
  for (const std::string& warning : patch.edit.warnings) text += "Warning:    " + one_line(warning) + "\n";
  return text + "Passed:     " + (patch.passed ? "yes" : "NO") + "\n";
}

ResultJson patch_list_json(const Patch& patch, const std::string& file) {
  ResultJson edits = ResultJson::array();
  for (const FactRecord& fact : patch.edit.facts)
    edits.push_back({{"id", fact.request.id},
                     {"prompt", fact.request.prompt},
                     {"subject", fact.request.subject},
                     {"was", fact.request.was},
                     {"target", fact.request.target},
                     {"layer", fact.layer()},
                     {"steps", fact.steps},
                     {"update_norm", fact.update_norm()},
                     {"relative_norm", fact.relative_norm()},
                     {"status", to_string(fact.status)}});
  return {{"emend", patch.emend_version},
          {"path", file},
          {"base", {{"name", patch.base_name}, {"fingerprint", patch.edit.base_fingerprint}}},
          {"method", patch.edit.method},
          {"objective", to_string(patch.edit.objective)},
          {"options", patch.edit.options},
          {"edits", edits},
          {"checks", checks_json(patch.checks)},
          {"warnings", patch.edit.warnings},
          {"passed", patch.passed}};
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

}  // namespace emend
