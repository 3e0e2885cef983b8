#include "reports/abilities_report.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/atomic_file.h"
#include "base/strings.h"
#include "emend/version.h"
#include "eval/results/interval.h"
#include "pipeline/result_json.h"
#include "report/html.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/page.h"

namespace emend {
namespace {

// The harness' standard error of a share: sample standard deviation / sqrt(n).
double standard_error(const MetricSummary& share) {
  return share.n > 1 ? std::sqrt(share.mean * (1 - share.mean) / static_cast<double>(share.n - 1))
                     : std::numeric_limits<double>::quiet_NaN();
}

std::string points(double share) {
  return fmt::format("{:+.1f}", 100 * share);
}

// Of a share, in percent; "-" of one item, whose spread is not known.
std::string interval_text(const AbilityFigure& figure) {
  const std::optional<Interval> interval = interval_of(figure.metric, figure.before);
  return interval ? fmt::format("{:.1f} to {:.1f}", 100 * interval->low, 100 * interval->high) : "-";
}

std::vector<std::string> figure_cells(const std::string& name, const std::string& form,
                                      const AbilityFigure& figure) {
  std::vector<std::string> cells = {name, form, count_text(figure.before.n), figure.metric,
                                    percent_text(figure.before.mean)};
  if (!figure.paired) {
    cells.push_back(interval_text(figure));
  } else {
    const PairedDifference& paired = *figure.paired;
    cells.insert(cells.end(), {percent_text(figure.after->mean), points(paired.difference),
                               fmt::format("[{}, {}]", points(paired.low), points(paired.high)),
                               count_text(figure.lost), count_text(figure.gained), number_text(figure.p, 2)});
  }
  return cells;
}

// A row for each figure of each task, and that of all tasks.
std::vector<std::vector<std::string>> ability_rows(const AbilityOutcome& outcome) {
  std::vector<std::vector<std::string>> rows;
  for (const AbilityResult& task : outcome.tasks)
    for (const AbilityFigure& figure : task.figures)
      rows.push_back(figure_cells(task.name, task.form, figure));
  if (outcome.all) rows.push_back(figure_cells("all", "", *outcome.all));
  return rows;
}

// What stands below the table.
std::string ability_notes(const AbilityOutcome& outcome) {
  std::string text =
      "95 % interval: 1.96 standard errors, or Wilson's where that would leave 0 to 100 or all items "
      "agree.\n";
  if (outcome.edited)
    text = fmt::format(
        "lost: items right before and wrong after; gained: the other way round. p: McNemar's exact test of "
        "the "
        "two,\nnot corrected for the number of rows. Difference in points, its interval by paired bootstrap "
        "over items, {} draws, seed {}.\n",
        count_text(outcome.bootstrap.draws), outcome.bootstrap.seed);
  for (const AbilityResult& task : outcome.tasks)
    if (task.cut > 0)
      text += fmt::format("{}: {} {} too long for the model's positions and lost the beginning.\n", task.name,
                          count_text(task.cut), task.cut == 1 ? "item was" : "items were");
  return text;
}

std::vector<TableColumn> heads(bool edited) {
  std::vector<TableColumn> columns = {{"task", Align::kLeft, 12},
                                      {"form"},
                                      {"items", Align::kRight},
                                      {"metric"},
                                      {edited ? "before" : "right", Align::kRight}};
  const std::vector<std::string> more =
      edited ? std::vector<std::string>{"after", "difference", "95 % interval", "lost", "gained", "p"}
             : std::vector<std::string>{"95 % interval"};
  for (const std::string& name : more) columns.push_back({name, Align::kRight});
  return columns;
}

ResultJson figure_json(const AbilityFigure& figure) {
  const auto side = [](const MetricSummary& share) {
    return ResultJson{{"mean", share.mean}, {"ci95", share.ci95}, {"stderr", standard_error(share)}};
  };
  ResultJson json = {{"n", figure.before.n}, {"before", side(figure.before)}};
  if (!figure.paired) return json;
  json["after"] = side(*figure.after);
  json["difference"] = figure.paired->difference;
  json["low"] = figure.paired->low;
  json["high"] = figure.paired->high;
  json["lost"] = figure.lost;
  json["gained"] = figure.gained;
  json["mcnemar_p"] = figure.p;
  return json;
}

ResultJson answer_json(const ItemAnswer& answer) {
  return {{"loglikelihoods", answer.loglikelihoods},
          {"chosen", answer.chosen},
          {"chosen_normalised", answer.chosen_normalised}};
}

std::string item_line(const AbilityResult& task, const ItemOutcome& item, const ChoiceItem& asked) {
  ResultJson json = {{"task", task.name},
                     {"item", item.where},
                     {"context", asked.context},
                     {"choices", asked.choices},
                     {"right", item.right},
                     {"cut", item.cut},
                     {"before", answer_json(item.before)}};
  if (item.after) json["after"] = answer_json(*item.after);
  return json.dump(-1, ' ', false, ResultJson::error_handler_t::replace) + "\n";
}

}  // namespace

std::string abilities_text(const AbilityOutcome& outcome, std::size_t columns) {
  Table table(heads(outcome.edited));
  for (const std::vector<std::string>& cells : ability_rows(outcome)) table.add_row(cells);
  return table.text(columns) + "\n" + ability_notes(outcome);
}

std::string abilities_page(const AbilityOutcome& outcome, const std::filesystem::path& model) {
  PageTable table;
  table.label = "Right answers of each task";
  for (const TableColumn& column : heads(outcome.edited))
    table.columns.push_back({column.header, column.align == Align::kLeft});
  for (const std::vector<std::string>& cells : ability_rows(outcome)) {
    std::vector<PageCell>& row = table.rows.emplace_back();
    for (const std::string& cell : cells) row.push_back({cell});
  }
  Page page;
  page.title = outcome.edited ? "Abilities before and after the edit" : "Abilities of the model";
  page.subtitle = model.string();
  page.body = "<section>\n<h2>Tasks</h2>\n<p class=\"note\">" + escape_html(ability_notes(outcome)) +
              "</p>\n" + table_html(table) + "</section>\n";
  return page_html(page);
}

ResultJson abilities_json(const AbilityOutcome& outcome, const std::vector<std::string>& patches,
                          const Model& model) {
  ResultJson tasks = ResultJson::array();
  for (const AbilityResult& task : outcome.tasks) {
    ResultJson metrics = ResultJson::object();
    for (const AbilityFigure& figure : task.figures) metrics[figure.metric] = figure_json(figure);
    tasks.push_back({{"name", task.name},
                     {"form", task.form},
                     {"file", task.file.string()},
                     {"items", task.items.size()},
                     {"cut", task.cut},
                     {"metrics", metrics}});
  }
  ResultJson json = {
      {"emend", emend_version()}, {"model", model_json(model)}, {"patches", patches}, {"tasks", tasks}};
  if (outcome.all) json["all"] = {{"acc", figure_json(*outcome.all)}};
  json["draws"] = outcome.bootstrap.draws;
  json["seed"] = outcome.bootstrap.seed;
  json["seconds"] = outcome.seconds;
  return json;
}

std::vector<std::filesystem::path> write_abilities(const std::filesystem::path& folder,
                                                   const AbilityOutcome& outcome,
                                                   const std::vector<AbilityTask>& asked,
                                                   const std::vector<std::string>& patches,
                                                   const Model& model) {
  std::string lines;
  for (std::size_t t = 0; t < outcome.tasks.size(); ++t)
    for (std::size_t i = 0; i < outcome.tasks[t].items.size(); ++i)
      lines += item_line(outcome.tasks[t], outcome.tasks[t].items[i], asked.at(t).items.at(i));
  const std::vector<std::filesystem::path> files = {folder / kAbilitiesFile, folder / kItemsFile};
  write_file_atomically(files[0], dump_json(abilities_json(outcome, patches, model)) + "\n");
  write_file_atomically(files[1], lines);
  return files;
}

}  // namespace emend
