// What a benchmark run measures and leaves on disk.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace emend {

// A mean over records with its 95 % interval: ci95 = 1.96 * population standard deviation / sqrt(n), as the
// field reports it (Meng et al. 2022). `score` and other figures made of means carry ci95 = 0 when none is
// defined.
struct MetricSummary {
  double mean = 0;
  double ci95 = 0;
  std::int64_t n = 0;
};

// What the model said to one prompt, before or after. Probabilities are exp(-nll per token).
struct AnswerState {
  double p_target = 0;
  double p_answer = 0;  // of the present or given answer
  bool argmax = false;  // role prompt and paraphrase: the target is the greedy continuation token by token;
                        // else the answer
  bool generated = false;  // the free greedy text begins with it, words compared after normalisation
  std::string text;        // free greedy text
};

struct AnswerTrace {
  // "prompt", "paraphrase", "neighbour", "locality <kind>", "portability <kind>", "generation"
  std::string role;
  std::string prompt;
  std::string answer;  // what is expected beside the target; empty for "generation"
  AnswerState before, after;
};

// One line of records.jsonl. No times: the same run gives the same bytes.
struct RecordResult {
  std::int64_t index = 0;  // of the record in the data file's usable records
  std::string id, prompt, subject, target, was;
  std::string status;  // "edited", "already true", "failed", "skipped"
  std::string reason;  // for "failed" and "skipped"
  int layer = 0, steps = 0;
  double loss = 0, relative_norm = 0;
  std::vector<std::string> warnings;   // of its edit; a joint edit's stand at the first record that it edits
  std::map<std::string, double> base;  // metric -> value of this record on the unedited model
  std::map<std::string, double> metrics;  // metric -> value after the edit
  std::vector<AnswerTrace> answers;
};

// summary.json of one method's folder.
struct EvalSummary {
  std::string emend, model_path, model_fingerprint, family, dataset, data_path, data_fingerprint;
  std::string method, label, mode;  // label: what tells two option files of one method apart
  std::map<std::string, std::string> options;
  std::string statistics_fingerprint;  // empty: C = I
  std::uint64_t seed = 0;
  std::int64_t token_budget = 0;
  std::string dtype, device;
  std::int64_t records = 0;                     // evaluated: edited, failed (counted as not succeeded)
  std::map<std::string, std::int64_t> skipped;  // reason -> n; "already true" among them
  std::map<std::string, double> seconds;  // "total", "load", "statistics", "search", "solve", "evaluation"
  std::map<std::string, MetricSummary> base, metrics;
  struct RetentionPoint {
    std::int64_t edits = 0;                        // edits applied so far
    std::map<std::string, MetricSummary> metrics;  // over the records edited so far
  };
  std::vector<RetentionPoint> retention;  // sequential mode
  std::vector<std::string> notes;         // what was derived, what could not be measured and why
};

}  // namespace emend
