// What a benchmark asks about: the records of its data file, reference texts, text on which drift is
// measured.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emend/dataset.h"
#include "emend/eval_run.h"
#include "emend/model.h"
#include "eval/metrics/consistency.h"
#include "measure/drift.h"

namespace emend {

// The data file with the records that the options choose, each with as many free texts as they want. Throws
// Error(kUsage) if no record is chosen, and what read_dataset and read_edit_file throw.
DatasetFile read_benchmark_data(const BenchmarkOptions& options);

// For hold_out: the records as methods that protect keys see them, with every second other subject and
// without neighbours about the rest; `records` keep the rest, at which bleed is measured. Of a record with
// one other subject, that one is measured.
std::vector<EvalRecord> hold_out_subjects(std::vector<EvalRecord>& records);

// Reference texts for consistency.
struct References {
  std::optional<Snippets> snippets;
  std::string idf;  // fingerprint of the words' weights, or "of the snippets"
};
References read_references(const BenchmarkOptions& options);

// Why consistency will not be measured, in a sentence; empty if it will.
std::string why_no_consistency(const BenchmarkOptions& options, const std::vector<EvalRecord>& records,
                               const References& references);

// The first `drift_tokens` tokens of the options' text, or of `held_text` if they name none.
TextRows benchmark_drift_rows(const BenchmarkOptions& options, const Model& model, const TokenIds& prefix,
                              const TextRows& held_text);

}  // namespace emend
