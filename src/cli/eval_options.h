// The command line of emend eval.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/options.h"
#include "emend/eval_run.h"

namespace emend {

struct EvalCommandOptions {
  CommonOptions common;
  std::vector<std::string> methods;       // --method
  std::vector<std::string> method_files;  // --options
  std::int64_t layer = -1;                // --layer; -1: not given, auto
  std::string dataset, data, records, mode = "single", out, shard, form = "raw", snippets, idf, drift_text;
  std::optional<std::vector<std::int64_t>> curve;  // --curve
  std::int64_t other_subjects = 0;                 // of a record, for bleed
  std::int64_t generations = -1;                   // of a record at most; -1: all
  std::int64_t natural = 0;                        // tokens; 0: not asked
  std::int64_t drift_tokens = 256;
  bool reproduce_texts = false;
  std::vector<std::string> arguments;  // as they were given
  bool resume = false, known = false, plus = false, edited_neighbours = false;
};

// Throws Error(kUsage) for what is missing or out of range.
Parsed parse_eval(const std::vector<std::string>& arguments, EvalCommandOptions& options);

// The same as the library takes it. Throws Error(kUsage), and what read_method_file throws.
BenchmarkOptions benchmark_options(const EvalCommandOptions& options);

// "A:B", "A:" or ":B" as {A, B}; what is not given is 0 or -1 (the end). Empty: all. Throws Error(kUsage)
// unless 0 <= A < B.
std::pair<std::int64_t, std::int64_t> parse_range(const std::string& text);

}  // namespace emend
