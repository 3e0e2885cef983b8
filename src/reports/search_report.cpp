#include "reports/search_report.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "emend/version.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

std::string matches_text(const SearchHit& hit) {
  std::vector<std::string> parts;
  for (const SearchMatch& match : hit.matches)
    parts.push_back(fmt::format("{} in {} at {}", quote(match.word), to_string(match.place), match.rank));
  return join(parts);
}

}  // namespace

std::string search_text(const SearchOutcome& outcome, std::size_t columns) {
  Table table({{"cell"}, {"score", Align::kRight}, {"where", Align::kLeft, 20}});
  for (const SearchHit& hit : outcome.hits)
    table.add_row({to_string(hit.cell), number_text(hit.score), matches_text(hit)});
  return table.text(columns) + fmt::format("{} of {} cells that have any of the words. Ranks count from 0.\n",
                                           count_text(static_cast<std::int64_t>(outcome.hits.size())),
                                           count_text(outcome.found));
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

}  // namespace emend
