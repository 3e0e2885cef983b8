#include "reports/coactive_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/page.h"
#include "reports/values_words.h"

namespace emend {
namespace {

constexpr std::size_t kGroupsShown = 30, kMembersShown = 6;

std::string members_text(const CoactiveGroup& group) {
  std::vector<std::string> names;
  for (const CoactiveCell& one : group.cells)
    if (names.size() < kMembersShown) names.push_back(to_string(one.cell));
  if (group.cells.size() > kMembersShown) names.push_back("...");
  return join(names, " ");
}

std::string coactive_summary(const CoactiveOutcome& outcome) {
  if (outcome.is_part)
    return fmt::format("{} tokens of this shard, {} cells.", count_text(outcome.tokens),
                       count_text(outcome.cells));
  return fmt::format(
      "{} cells over {} tokens: {} with a phi above {}, which chance alone reaches in one of a hundred "
      "such texts; {} {} of the cells.{}",
      count_text(outcome.cells), count_text(outcome.tokens),
      count_text(outcome.above_chance) + (outcome.above_chance == 1 ? " pair" : " pairs"),
      number_text(outcome.chance),
      count_text(static_cast<std::int64_t>(outcome.groups.size())) +
          (outcome.groups.size() == 1 ? " group holds" : " groups hold"),
      count_text(outcome.grouped),
      outcome.silent > 0 ? fmt::format(" {} cells are active nowhere, or everywhere: they have no phi.",
                                       count_text(outcome.silent))
                         : "");
}

// "Groups", or how many of them are shown; the JSON has all.
std::string groups_title(const CoactiveOutcome& outcome) {
  if (outcome.groups.size() <= kGroupsShown) return "Groups";
  return fmt::format("Groups, the first {} of {} (the JSON has all)", kGroupsShown,
                     count_text(static_cast<std::int64_t>(outcome.groups.size())));
}

std::vector<std::string> pair_row(const CoactivePair& pair) {
  return {to_string(pair.a),     to_string(pair.b),     count_text(pair.a_tokens), count_text(pair.b_tokens),
          count_text(pair.both), number_text(pair.phi), number_text(pair.pmi)};
}

const std::vector<std::string> kPairColumns = {"a", "b", "tokens of a", "of b", "both", "phi", "PMI"};

}  // namespace

std::string coactive_text(const CoactiveOutcome& outcome, std::size_t columns) {
  if (outcome.is_part) return coactive_summary(outcome) + "\n";
  Table groups(
      {{"cells", Align::kRight}, {"phi", Align::kRight}, {"members"}, {"promote", Align::kLeft, 16}});
  for (std::size_t g = 0; g < std::min(kGroupsShown, outcome.groups.size()); ++g) {
    const CoactiveGroup& group = outcome.groups[g];
    groups.add_row({count_text(static_cast<std::int64_t>(group.cells.size())), number_text(group.phi),
                    members_text(group), tokens_text(group.promotes)});
  }
  std::vector<TableColumn> names;
  for (std::size_t c = 0; c < kPairColumns.size(); ++c)
    names.push_back({kPairColumns[c], c < 2 ? Align::kLeft : Align::kRight});
  Table pairs(std::move(names));
  for (const CoactivePair& pair : outcome.pairs) pairs.add_row(pair_row(pair));
  std::string text;
  if (!groups.empty()) text += groups_title(outcome) + ":\n" + groups.text(columns) + "\n";
  if (!pairs.empty()) text += "Pairs:\n" + pairs.text(columns) + "\n";
  return text + coactive_summary(outcome) + "\n";
}

ResultJson coactive_json(const CoactiveOutcome& outcome, const CoactiveOptions& options, const Model& model) {
  ResultJson pairs = ResultJson::array(), groups = ResultJson::array(), outputs = ResultJson::array();
  for (const CoactivePair& pair : outcome.pairs)
    pairs.push_back({{"a", to_string(pair.a)},
                     {"b", to_string(pair.b)},
                     {"a_tokens", pair.a_tokens},
                     {"b_tokens", pair.b_tokens},
                     {"both", pair.both},
                     {"phi", pair.phi},
                     {"pmi", pair.pmi}});
  for (const CoactiveGroup& group : outcome.groups) {
    ResultJson cells = ResultJson::array();
    for (const CoactiveCell& one : group.cells)
      cells.push_back({{"cell", to_string(one.cell)}, {"tokens", one.tokens}, {"phi", one.phi}});
    groups.push_back({{"phi", group.phi}, {"cells", cells}, {"promotes", group.promotes}});
  }
  for (const auto& path : outcome.outputs) outputs.push_back(path.string());
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"corpus", outcome.corpus},
          {"corpus_fingerprint", outcome.corpus_fingerprint},
          {"tokens", outcome.tokens},
          {"cells", outcome.cells},
          {"beyond", options.beyond > 0 ? ResultJson(options.beyond) : ResultJson(nullptr)},
          {"threshold", options.threshold},
          {"least", options.least},
          {"silent", outcome.silent},
          {"chance", outcome.chance},
          {"above_chance", outcome.above_chance},
          {"pairs", pairs},
          {"groups", groups},
          {"grouped", outcome.grouped},
          {"state_bytes", outcome.state_bytes},
          {"resumed_blocks", outcome.resumed_blocks},
          {"is_part", outcome.is_part},
          {"outputs", outputs},
          {"seconds", outcome.seconds}};
}

std::string coactive_page(const CoactiveOutcome& outcome, const CoactiveOptions& options,
                          const Model& model) {
  PageTable groups{"groups", "", {{"group"}, {"cells"}, {"phi"}, {"members", true}, {"promote", true}}, {}};
  for (std::size_t g = 0; g < std::min(kGroupsShown, outcome.groups.size()); ++g) {
    const CoactiveGroup& group = outcome.groups[g];
    groups.rows.push_back({{std::to_string(g + 1)},
                           {count_text(static_cast<std::int64_t>(group.cells.size()))},
                           {number_text(group.phi)},
                           {members_text(group)},
                           {tokens_text(group.promotes), "model-text"}});
  }
  PageTable pairs{"pairs", "", {}, {}};
  for (const std::string& name : kPairColumns) pairs.columns.push_back({name});
  for (const CoactivePair& pair : outcome.pairs) {
    std::vector<PageCell> row;
    for (const std::string& text : pair_row(pair)) row.push_back({text});
    pairs.rows.push_back(std::move(row));
  }
  Page page;
  page.title = "Cells that fire together";
  page.summary = coactive_summary(outcome);
  page.body =
      "<section>\n<h2>" + groups_title(outcome) +
      "</h2>\n<p class=\"note\">By average linkage: two groups become one as long as "
      "the "
      "mean phi between their cells is at least the threshold. Phi is the correlation of being active; "
      "promote: "
      "first tokens of the sum of the cells' values.</p>\n" +
      table_html(groups) +
      "</section>\n<section>\n<h2>Pairs</h2>\n<p class=\"note\">PMI: the log of how much more often both are "
      "active than if they were independent.</p>\n" +
      table_html(pairs) + "</section>\n<section>\n<h2>How this was made</h2>\n" +
      settings_html(
          {{"model", model.path().string()},
           {"fingerprint of the model", model.fingerprint()},
           {"text", outcome.corpus},
           {"tokens", count_text(outcome.tokens)},
           {"cells", count_text(outcome.cells)},
           {"active", options.beyond > 0 ? "beyond a cell's quantile of " + number_text(options.beyond)
                                         : std::string("score above 0")},
           {"threshold", number_text(options.threshold)},
           {"fewest common tokens", std::to_string(options.least)}}) +
      "</section>\n";
  return page_html(page);
}

}  // namespace emend
