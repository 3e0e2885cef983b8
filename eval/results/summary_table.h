// The figures of one or several runs as tables, made once for the terminal, Markdown and HTML.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "emend/eval.h"

namespace emend {

// What a run is called in a table: its label, else its method.
std::string run_name(const EvalSummary& summary);

// Whether a metric is a share or a difference of probabilities, printed in percent: `*_success`, `*_argmax`,
// `*_generated`, `*_magnitude`, `*_unchanged`, `*_acc`, `locality_*`, `specificity_*`, `portability_*`,
// `score`.
bool is_share(const std::string& metric);

// "score, %", "fluency": what a row of figures is called.
std::string metric_label(const std::string& metric);

// A figure with the half-width of its interval, "97.5 ± 1.2": shares in percent, all else as it is. "-" when
// it was not measured.
std::string figure_text(const std::string& metric, const MetricSummary& figure);

// One of EvalSummary::base and ::metrics; nullptr when it is not there or has no records.
const MetricSummary* find_figure(const std::map<std::string, MetricSummary>& figures,
                                 const std::string& metric);

// What the unedited model has, from the first run that measured it: the runs share model and data.
const MetricSummary* find_base_figure(const std::vector<EvalSummary>& runs, const std::string& metric);

// Every metric of any run, before or after: the twelve of efficacy, paraphrase and neighbourhood, then score,
// fluency, consistency and drift, then the others by name.
std::vector<std::string> metric_names(const std::vector<EvalSummary>& runs);

struct SummarySection {
  std::string title;
  std::string note;                            // what the numbers are, in a sentence
  std::vector<std::string> columns;            // the first one holds names, the others numbers
  std::vector<std::vector<std::string>> rows;  // a row of one cell heads a group
};

// Successes by question (efficacy, paraphrase, neighbourhood; unedited, then each run) with teacher-forced
// and generated ones side by side; all other metrics, one a row; records counted, those left out by reason.
// Sections without rows are left out.
std::vector<SummarySection> summary_sections(const std::vector<EvalSummary>& runs);

// `columns` of the terminal; 0: no limit. Notes of the runs come last.
std::string summary_text(const std::vector<EvalSummary>& runs, std::size_t columns);

}  // namespace emend
