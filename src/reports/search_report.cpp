#include "reports/search_report.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "emend/version.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/page.h"
#include "reports/values_words.h"

namespace emend {
namespace {

std::string matches_text(const SearchHit& hit) {
  std::vector<std::string> parts;
  for (const SearchMatch& match : hit.matches)
    parts.push_back(fmt::format("{} in {} at {}", quote(match.word), to_string(match.place), match.rank));
  return join(parts);
}

std::string search_summary(const SearchOutcome& outcome) {
  return fmt::format("{} of {} cells that have any of the words. Ranks count from 0.",
                     count_text(static_cast<std::int64_t>(outcome.hits.size())), count_text(outcome.found));
}

std::string words_text(const std::vector<ValueToken>& tokens) {
  std::vector<std::string> words;
  for (const ValueToken& token : tokens) words.push_back(token.text);
  return tokens_text(words);
}

std::string best_text(const std::vector<MemoryExample>& examples) {
  return examples.empty() ? "" : ending_text(examples.front().text);
}

}  // namespace

std::string search_text(const SearchOutcome& outcome, std::size_t columns) {
  Table table({{"cell"}, {"score", Align::kRight}, {"where", Align::kLeft, 20}});
  for (const SearchHit& hit : outcome.hits)
    table.add_row({to_string(hit.cell), number_text(hit.score), matches_text(hit)});
  return table.text(columns) + search_summary(outcome) + "\n";
}

ResultJson search_json(const SearchOutcome& outcome, const std::vector<std::string>& words) {
  ResultJson hits = ResultJson::array();
  for (const SearchHit& hit : outcome.hits) {
    ResultJson matches = ResultJson::array();
    for (const SearchMatch& match : hit.matches)
      matches.push_back({{"word", match.word}, {"place", to_string(match.place)}, {"rank", match.rank}});
    hits.push_back({{"cell", to_string(hit.cell)},
                    {"layer", hit.cell.layer},
                    {"index", hit.cell.index},
                    {"score", hit.score},
                    {"matches", matches}});
  }
  return {{"emend", emend_version()},
          {"words", words},
          {"found", outcome.found},
          {"cells", hits},
          {"seconds", outcome.seconds}};
}

std::string search_page(const SearchOutcome& outcome, const std::vector<std::string>& words,
                        const MemoryIndex& index) {
  const MemoryIndexHead& head = index.head();
  PageTable cells{
      "cells", "", {{"cell"}, {"score"}, {"where", true}, {"+v promotes", true}, {"-v", true}}, {}};
  cells.columns.push_back({"best example", true});
  if (!head.one_ended) cells.columns.push_back({"lowest example", true});
  for (const SearchHit& hit : outcome.hits) {
    const MemoryRecord record = index.cell(hit.cell);
    const CellValue value = record.value.value_or(CellValue{});
    std::vector<PageCell> row = {{to_string(hit.cell)},
                                 {number_text(hit.score)},
                                 {matches_text(hit), "model-text"},
                                 {words_text(value.top), "model-text"},
                                 {words_text(value.bottom), "model-text"},
                                 {best_text(record.high), "model-text"}};
    if (!head.one_ended) row.push_back({best_text(record.low), "model-text"});
    cells.rows.push_back(std::move(row));
  }
  Page page;
  page.title = "Cells found by " + join(words, " ");
  page.summary = search_summary(outcome);
  page.body =
      "<section>\n<h2>Cells</h2>\n<p class=\"note\">Cells with more of the words come first. A match at rank "
      "r "
      "of a list counts 1 / (1 + r). An example ends with the token at which the cell has its largest, or "
      "its smallest, coefficient.</p>\n" +
      table_html(cells) + "</section>\n<section>\n<h2>How this was made</h2>\n" +
      settings_html({{"model", head.model},
                     {"fingerprint of the model", head.model_fingerprint},
                     {"text", head.corpus},
                     {"tokens", count_text(head.tokens)},
                     {"words", join(words, " ")}}) +
      "</section>\n";
  return page_html(page);
}

}  // namespace emend
