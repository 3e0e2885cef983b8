// The curve of a sequential run: where it is measured, and what a point holds.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "emend/eval.h"

namespace emend {

// How many of the first evaluated records tell how well early edits stay.
inline constexpr std::size_t kFirstRecords = 10;

// Steps end after `ends` records, rising. For each of `points` the first end at or beyond it, and the last
// end; points that the run does not reach have none. Without points there is no curve, and the set is empty.
std::set<std::int64_t> curve_ends(const std::vector<std::int64_t>& ends,
                                  const std::vector<std::int64_t>& points);

// The points that a run of `records` records does not reach.
std::vector<std::int64_t> points_beyond(std::int64_t records, const std::vector<std::int64_t>& points);

// What was measured after so many edits, `records` being all records so far. Drift belongs to the whole model
// and is no metric of the first records.
EvalSummary::CurvePoint curve_point(std::int64_t edits, const std::vector<RecordResult>& records);

}  // namespace emend
