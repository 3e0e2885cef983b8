// Means over records and how sure they are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/eval.h"

namespace emend {

// Mean and 1.96 * population standard deviation / sqrt(n), as the field reports it (Meng et al. 2022). Values
// that are not finite stand for "not measured" and are left out of n. n = 0: mean and ci95 are NaN.
MetricSummary mean_with_interval(const std::vector<double>& values);

// n / sum(1 / x): 0 when one of them is 0; NaN for an empty list, a negative value or NaN.
double harmonic_mean(const std::vector<double>& values);

// Harmonic mean of the columns' means (the score S of the papers). Each column holds one value a record, in
// the same order; a value that is not finite is left out of its column's mean. The interval is that of the
// delta method: 1.96 * standard deviation of the records' linear influence on the figure / sqrt(n), which
// counts the correlation of the columns. n: records with a value in any column.
MetricSummary harmonic_mean_with_interval(const std::vector<std::vector<double>>& columns);

enum class Moment { kBefore, kAfter };  // RecordResult::base or RecordResult::metrics
const std::map<std::string, double>& values_of(const RecordResult& record, Moment moment);

// The metrics whose means make up `score`: efficacy_success, paraphrase_success, neighbourhood_success.
std::vector<std::string> score_parts();
// Those of `score_generated`: the same three questions, judged by the generated answers.
std::vector<std::string> generated_score_parts();

// The harmonic mean of the metrics `parts` over the records that were evaluated. Returns std::nullopt if no
// record has one of them.
std::optional<MetricSummary> score_of_parts(const std::vector<RecordResult>& records, Moment moment,
                                            const std::vector<std::string>& parts);

// Every metric that a record has, over the records that were evaluated, and `score` where the three successes
// (efficacy, paraphrase, neighbourhood) exist.
std::map<std::string, MetricSummary> summarize_records(const std::vector<RecordResult>& records,
                                                       Moment moment);

}  // namespace emend
