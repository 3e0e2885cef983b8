// The figures of one or several runs as tables, once, for the terminal, Markdown and HTML.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "emend/eval.h"

namespace emend {

// What a run is called in a table: its label, else its method.
std::string run_name(const EvalSummary& summary);

// A figure with its half-width, "97.5 ± 1.2": shares and differences of probabilities (`*_success`,
// `*_argmax`, `*_generated`, `*_magnitude`, `score`) in percent, all else as it is.
std::string figure_text(const std::string& metric, const MetricSummary& figure);

struct SummarySection {
  std::string title;
  std::string note;                  // what the numbers are, in a sentence
  std::vector<std::string> columns;  // the first one holds names, the others numbers
  std::vector<std::vector<std::string>> rows;
};

// Successes by question (efficacy, paraphrase, neighbourhood; unedited, then each run) with teacher-forced
// and generated ones side by side; all other metrics, one a row; records counted and left out by reason. The
// runs should share model and data: "unedited" is taken from the first one that has the figure.
std::vector<SummarySection> summary_sections(const std::vector<EvalSummary>& runs);

// `columns` of the terminal; 0: no limit.
std::string summary_text(const std::vector<EvalSummary>& runs, std::size_t columns);

}  // namespace emend
