#include "reports/survive_report.h"

#include <algorithm>

#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/html.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/page.h"

namespace emend {
namespace {

const std::vector<std::string> kChecks = {"efficacy", "paraphrase", "neighbourhood", "drift"};

constexpr const char* kNote =
    "stored: the edited weights rounded to nearest; by the keys: a base of that type, rounded so that the\n"
    "edit arrives; everywhere: every matrix of every block. Share: how much of the update arrives at the\n"
    "edit's keys. Drift: edited against unedited under the same rounding, or with the same adapter.";

std::string kind_text(SurvivalKind kind) {
  switch (kind) {
    case SurvivalKind::kEdited:
      return "as edited";
    case SurvivalKind::kStored:
      return "stored";
    case SurvivalKind::kByTheKeys:
      return "by the keys";
    case SurvivalKind::kEverywhere:
      return "everywhere";
    case SurvivalKind::kLater:
      return "later edits";
    case SurvivalKind::kAdapter:
      return "adapter merged";
  }
  return "";
}

std::string condition_text(const SurvivalRow& row) {
  return row.replaced_by.empty() ? row.condition : row.condition + " (" + row.replaced_by + ")";
}

const CheckResult* check_of(const SurvivalRow& row, const std::string& name) {
  const auto found = std::find_if(row.checks.begin(), row.checks.end(),
                                  [&](const CheckResult& c) { return c.name == name; });
  return found == row.checks.end() ? nullptr : &*found;
}

std::string verdict(const SurvivalRow& row) {
  return row.passed ? "passed" : "FAILED";
}

// The cells of a row; the patch is named where there are several.
std::vector<std::string> cells_of(const SurviveOutcome& outcome, const SurvivalRow& row) {
  std::vector<std::string> cells = {condition_text(row), kind_text(row.kind)};
  if (outcome.patches.size() > 1) cells.push_back(outcome.patches[row.patch]);
  cells.push_back(number_text(row.mean_share));
  cells.push_back(number_text(row.worst_share));
  for (const std::string& name : kChecks) {
    const CheckResult* const check = check_of(row, name);
    cells.push_back(check == nullptr ? "-" : number_text(check->value, 4));
  }
  cells.push_back(verdict(row));
  return cells;
}

std::vector<std::string> heads(const SurviveOutcome& outcome) {
  std::vector<std::string> names = {"condition", "weights"};
  if (outcome.patches.size() > 1) names.emplace_back("patch");
  names.insert(names.end(), {"share", "worst"});
  names.insert(names.end(), kChecks.begin(), kChecks.end());
  names.emplace_back("result");
  return names;
}

bool is_text(const std::string& head) {
  return head == "condition" || head == "weights" || head == "patch" || head == "result";
}

}  // namespace

std::string survive_text(const SurviveOutcome& outcome, std::size_t columns) {
  std::vector<TableColumn> wanted;
  for (const std::string& head : heads(outcome))
    wanted.push_back({head, is_text(head) ? Align::kLeft : Align::kRight, head == "condition" ? 16u : 0u});
  Table table(wanted);
  for (const SurvivalRow& row : outcome.rows) table.add_row(cells_of(outcome, row));
  return table.text(columns) + kNote + "\n";
}

ResultJson survive_json(const SurviveOutcome& outcome, const Model& model) {
  ResultJson rows = ResultJson::array();
  for (const SurvivalRow& row : outcome.rows)
    rows.push_back(
        {{"condition", row.condition},
         {"weights", kind_text(row.kind)},
         {"replaced_by", row.replaced_by.empty() ? ResultJson(nullptr) : ResultJson(row.replaced_by)},
         {"patch", outcome.patches[row.patch]},
         {"share", or_null(row.mean_share)},
         {"worst_share", or_null(row.worst_share)},
         {"checks", checks_json(row.checks)},
         {"passed", row.passed}});
  return {{"emend", emend_version()}, {"model", model_json(model)},   {"patches", outcome.patches},
          {"rows", std::move(rows)},  {"warnings", outcome.warnings}, {"passed", outcome.passed()}};
}

std::string survive_page(const SurviveOutcome& outcome, const Model& model) {
  PageTable table;
  table.label = "Checks of the edit under each condition";
  for (const std::string& head : heads(outcome)) table.columns.push_back({head, is_text(head)});
  for (const SurvivalRow& row : outcome.rows) {
    std::vector<PageCell>& cells = table.rows.emplace_back();
    for (const std::string& cell : cells_of(outcome, row)) cells.push_back({cell});
    cells.back().style = row.passed ? "good" : "bad";
  }
  Page page;
  page.title = "What is left of the edit";
  page.subtitle = model.path().string();
  page.body = "<section>\n<h2>Conditions</h2>\n<p class=\"note\">" + escape_html(kNote) + "</p>\n" +
              table_html(table) + "</section>\n";
  return page_html(page);
}

}  // namespace emend
