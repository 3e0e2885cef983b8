// Means over records and how sure they are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/eval.h"
#include "emend/records.h"

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

// The interval of 95 % around a figure.
struct Interval {
  double low = 0, high = 0;
};
// mean -+ ci95. A proportion stays between 0 and 1: where the normal interval leaves that range, it is
// Wilson's score interval of n trials instead (Wilson 1927), which holds for all values from 0 to 1, as their
// spread is at most that of trials; a `score`, which is a mean of such means, is cut to the range. n of n
// successes, or none, show no spread and are not sure for that: they have Wilson's interval, too.
// std::nullopt if the figure tells no interval: none was given, or there is one record only, whose spread is
// not known.
std::optional<Interval> interval_of(const std::string& metric, const MetricSummary& figure);
// Whether interval_of() is not mean -+ ci95.
bool leaves_its_range(const std::string& metric, const MetricSummary& figure);

enum class Moment { kBefore, kAfter };  // RecordResult::base or RecordResult::metrics
const std::map<std::string, double>& values_of(const RecordResult& record, Moment moment);

// The metrics whose means make up `score`: efficacy_success, paraphrase_success, neighbourhood_success.
std::vector<std::string> score_parts();
// Those of `score_generated`: the same three questions, judged by the generated answers.
std::vector<std::string> generated_score_parts();
// Those of `raw_score` or `chat_score`: the same three as `score`, asked in that form.
std::vector<std::string> score_parts_in(PromptForm form);

// The harmonic mean of the metrics `parts` over the records that were evaluated. Returns std::nullopt if no
// record has one of them.
std::optional<MetricSummary> score_of_parts(const std::vector<RecordResult>& records, Moment moment,
                                            const std::vector<std::string>& parts);

// Every metric that a record has, over the records that were evaluated, and `score` where the three successes
// (efficacy, paraphrase, neighbourhood) exist; so for the other form.
std::map<std::string, MetricSummary> summarize_records(const std::vector<RecordResult>& records,
                                                       Moment moment);

}  // namespace emend
