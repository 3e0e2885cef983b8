#include "eval/results/curve.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/strings.h"
#include "emend/error.h"
#include "eval/results/interval.h"

namespace emend {
namespace {

// The first records that were evaluated.
std::vector<RecordResult> first_evaluated(const std::vector<RecordResult>& records) {
  std::vector<RecordResult> first;
  for (const RecordResult& record : records)
    if (is_evaluated(record.status) && first.size() < kFirstRecords) first.push_back(record);
  return first;
}

// One number from 1 on at the front of `text`, and what follows it; 0 if there is none.
std::int64_t take_number(std::string_view& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

std::vector<std::int64_t> default_curve() {
  return {1, 10, 100, 300, 1000, 3000, 10000};
}

std::vector<std::int64_t> parse_curve(const std::string& text) {
  if (text == "none") return {};
  std::vector<std::int64_t> points;
  std::string_view rest = text;
  while (true) {
    const std::int64_t point = take_number(rest);
    const bool rises = point > (points.empty() ? 0 : points.back());
    if (!rises || (!rest.empty() && rest.front() != ','))
      throw Error(
          ErrorKind::kUsage,
          "the option curve must be none, or rising numbers of edits such as 1,10,100, found " + quote(text));
    points.push_back(point);
    if (rest.empty()) return points;
    rest.remove_prefix(1);
  }
}

std::set<std::int64_t> curve_ends(const std::vector<std::int64_t>& ends,
                                  const std::vector<std::int64_t>& points) {
  if (ends.empty() || points.empty()) return {};
  std::set<std::int64_t> chosen = {ends.back()};
  for (const std::int64_t point : points) {
    const auto end = std::lower_bound(ends.begin(), ends.end(), point);
    if (end != ends.end()) chosen.insert(*end);
  }
  return chosen;
}

std::vector<std::int64_t> points_beyond(std::int64_t records, const std::vector<std::int64_t>& points) {
  std::vector<std::int64_t> beyond;
  for (const std::int64_t point : points)
    if (point > records) beyond.push_back(point);
  return beyond;
}

EvalSummary::CurvePoint curve_point(std::int64_t edits, const std::vector<RecordResult>& records) {
  EvalSummary::CurvePoint point;
  point.edits = edits;
  point.metrics = summarize_records(records, Moment::kAfter);
  const std::vector<RecordResult> first = first_evaluated(records);
  point.first_records = static_cast<std::int64_t>(first.size());
  point.first_metrics = summarize_records(first, Moment::kAfter);
  std::erase_if(point.first_metrics, [](const auto& named) { return named.first.starts_with("drift_"); });
  const auto add_generated = [](const std::vector<RecordResult>& some, auto& metrics) {
    if (const auto score = score_of_parts(some, Moment::kAfter, generated_score_parts()))
      metrics["score_generated"] = *score;
  };
  add_generated(records, point.metrics);
  add_generated(first, point.first_metrics);
  return point;
}

}  // namespace emend
