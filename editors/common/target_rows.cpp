#include "editors/common/target_rows.h"

namespace emend::editors {

namespace {

// Whether the early steps run context row c of n: `early` of them, spread evenly.
bool is_early_context(std::size_t c, std::size_t n, std::size_t early) {
  return c * early % n < early;
}

}  // namespace

SearchRow target_row(const CallRows& all, std::size_t i, std::size_t prompt) {
  const RequestRows& rows = all[i];
  SearchRow row;
  row.row = all.trace_row(i, prompt, {rows.target.begin(), rows.target.end() - 1});
  row.lookup = rows.prompts[prompt].lookup;
  row.labels = rows.target;
  const auto last = static_cast<std::int64_t>(rows.prompts[prompt].ids.size()) - 1;
  for (std::size_t j = 0; j < rows.target.size(); ++j)
    row.label_at.push_back(last + static_cast<std::int64_t>(j));
  return row;
}

SearchRow drift_row(const CallRows& all, std::size_t i) {
  SearchRow row;
  row.row = all.behind_prefix(all[i].subject.ids);
  row.lookup = all[i].subject.ids.size() - 1;
  row.drift = true;
  return row;
}

void read_end_of_text(SearchRow& row) {
  row.row.own.push_back(row.labels.back());
  row.end_at = row.label_at.back() + 1;
}

void add_target_rows(SearchUnit& unit, const CallRows& all, std::size_t i, double weight,
                     const RowShares& shares, bool ends) {
  const std::size_t contexts = all[i].prompts.size() - 1;
  const auto early = static_cast<std::size_t>(shares.early);
  const std::size_t first = all.lies_at_sink(i) ? 1 : 0;
  double bare_share = shares.uniform ? 1 / static_cast<double>(contexts + 1) : shares.bare;
  if (contexts == 0) bare_share = 1;
  if (first == 1) bare_share = 0;
  const double contexts_weight = weight * (1 - bare_share);
  for (std::size_t p = first; p <= contexts; ++p) {
    SearchRow row = target_row(all, i, p);
    if (ends) read_end_of_text(row);
    row.bare = p == first;
    row.weight = p == 0 ? weight * bare_share : contexts_weight / static_cast<double>(contexts);
    if (early > 0 && early < contexts) {
      if (p == 0)
        row.early_weight = row.weight;
      else if (is_early_context(p - 1, contexts, early))
        row.early_weight = contexts_weight / static_cast<double>(early);
    }
    unit.rows.push_back(std::move(row));
  }
}

}  // namespace emend::editors
