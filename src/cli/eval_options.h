// The command line of emend eval.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cli/eval_contenders.h"
#include "cli/options.h"

namespace emend {

struct EvalCommandOptions {
  ContenderOptions contenders;
  std::string dataset, data, records, mode = "single", out, shard, form = "raw", snippets, idf, drift_text;
  std::int64_t generations = -1;  // of a record at most; -1: all
  std::int64_t drift_tokens = 256;
  bool resume = false, known = false, plus = false, edited_neighbours = false;
};

// Throws Error(kUsage) for what is missing or out of range.
Parsed parse_eval(const std::vector<std::string>& arguments, EvalCommandOptions& options);

// "A:B", "A:" or ":B" of `size` records; empty: all. Throws Error(kUsage).
std::pair<std::int64_t, std::int64_t> parse_range(const std::string& text, std::int64_t size);

}  // namespace emend
