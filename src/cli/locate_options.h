// What `emend locate` is asked.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"
#include "emend/locate.h"

namespace emend {

struct LocateOptions {
  CommonOptions common;
  // one prompt
  std::string prompt, subject, answer;
  int occurrence = 0;
  // or a file
  std::string facts;
  std::int64_t limit = 0;  // of facts that the model answers; 0: all
  std::string out;         // results folder
  bool resume = false;
  std::int64_t shard = 0, shards = 1;
  // how
  TraceOptions trace;  // prefix, seed and token budget are filled once the model is there
  // the decision
  std::int64_t trial = 0;      // facts to edit at each layer; 0: no trial
  std::string trial_layers;    // empty: chosen
  std::int64_t check = 0;        // further facts on which the trial's decision is checked
  std::string trial_data, trial_dataset;  // empty: the facts file
  std::string method;  // "rome" where none is given
  // pictures
  std::string report, svg;
};

Parsed parse_locate(const std::vector<std::string>& arguments, LocateOptions& options);

}  // namespace emend
