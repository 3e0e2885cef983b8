// The figures of one or several runs as tables, made once for the terminal, Markdown and HTML.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "emend/eval.h"

namespace emend {

// "score, %", "fluency": what a row of figures is called.
std::string metric_label(const std::string& metric);

// A figure with the half-width of its interval, "97.5 ± 1.2": shares in percent, all else as it is. Where
// that would leave the range of a proportion, its ends: "50.0 (9.5 to 90.5)". "± ?" for a share of one
// record, whose interval is not known; "-" when the figure was not measured.
std::string figure_text(const std::string& metric, const MetricSummary& figure);

struct SummarySection {
  std::string title;
  std::string note;                            // what the numbers are, in a sentence
  std::vector<std::string> columns;            // the first one holds names, the others numbers
  std::vector<std::vector<std::string>> rows;  // a row of one cell heads a group
};

// Successes by question (efficacy, paraphrase, neighbourhood; unedited, then each run) with teacher-forced
// and generated ones side by side; what was asked in both forms, chat beside raw; all other metrics, one a
// row; records counted, those left out by reason. Sections without rows are left out.
std::vector<SummarySection> summary_sections(const std::vector<EvalSummary>& runs);

// `columns` of the terminal; 0: no limit. Notes of the runs come last.
std::string summary_text(const std::vector<EvalSummary>& runs, std::size_t columns);

// What a run was made with, so that it can be repeated.
// Name and value, in the order of reading: data set, model, method with its options, mode, statistics, seed,
// types, version, times. What is empty reads "none".
std::vector<std::pair<std::string, std::string>> provenance(const EvalSummary& summary);

}  // namespace emend
