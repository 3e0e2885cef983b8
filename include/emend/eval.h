// What a benchmark run measures and leaves on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emend/compute.h"

namespace emend {

// single: each record on a fresh base. batch:N: each N consecutive records together on a fresh base.
// sequential:N: N records at a time onto the same model, measured along the way and at the end.
struct EvalMode {
  enum class Kind { kSingle, kBatch, kSequential };
  Kind kind = Kind::kSingle;
  std::int64_t size = 1;

  std::string text() const;
};
// Throws Error(kUsage) unless `text` is "single", "batch:N" or "sequential:N" with N >= 1.
EvalMode parse_eval_mode(const std::string& text);

// Numbers of edits after which a sequential run is measured on its way: 1, 10, 100, 300, 1,000, 3,000,
// 10,000.
std::vector<std::int64_t> default_curve();
// "1,10,100" as these numbers, "none" as no numbers. Throws Error(kUsage) unless they rise from 1 or more.
std::vector<std::int64_t> parse_curve(const std::string& text);

// A mean over records with its 95 % interval: ci95 = 1.96 * population standard deviation / sqrt(n), as the
// field reports it (Meng et al. 2022). Figures made of several means carry the interval of the delta method
// (`score`), or ci95 = 0 if none is defined.
struct MetricSummary {
  double mean = 0;
  double ci95 = 0;
  std::int64_t n = 0;
};

// What the model said to one prompt, before or after. Probabilities are exp(-nll per token).
struct AnswerState {
  double p_target = 0;
  double p_answer = 0;  // of the present or given answer
  bool argmax = false;  // what is wanted is the greedy continuation, token by token: the target at a prompt
                        // or paraphrase, elsewhere the answer
  bool generated = false;  // the free greedy text begins with it, words compared after normalisation
  std::string text;        // free greedy text
};

struct AnswerTrace {
  // "prompt", "paraphrase", "neighbour", "locality <kind>", "portability <kind>", "generation"; with a form
  // in front ("raw prompt", "chat neighbour") in the form that the edit was not made in
  std::string role;
  std::string prompt;
  std::string answer;  // what is expected beside the target; empty for "generation"
  AnswerState before, after;
};

// The result of a record. kAlreadyTrue: its target is the model's answer before the edit. kSkipped: it was
// left out; RecordResult::reason says why.
enum class RecordStatus { kEdited, kAlreadyTrue, kFailed, kSkipped };
std::string_view to_string(RecordStatus status);  // "edited", "already true", "failed", "skipped"
// Returns std::nullopt if `text` is not one of these four names.
std::optional<RecordStatus> parse_record_status(std::string_view text);
// Edited or failed: the means are over these records.
bool is_evaluated(RecordStatus status);

// One line of records.jsonl. No times: the same run gives the same bytes.
struct RecordResult {
  std::int64_t index = 0;  // of the record in the data file's usable records
  std::string id, prompt, subject, target, was;
  RecordStatus status = RecordStatus::kEdited;
  std::string reason;  // of kFailed and kSkipped
  int layer = 0, steps = 0;
  std::vector<int> layers;  // of an edit that wrote several, ascending; `layer` is the first
  double loss = 0, relative_norm = 0;
  std::vector<std::string> warnings;   // of its edit; those of a joint edit are at the first record it edits
  std::map<std::string, double> base;  // metric -> value of this record on the unedited model
  std::map<std::string, double> metrics;  // metric -> value after the edit
  std::vector<AnswerTrace> answers;
};

// summary.json of one method's folder.
struct EvalSummary {
  std::string emend, model_path, model_fingerprint, family, dataset, data_path, data_fingerprint;
  std::string method, label, mode;  // label: distinguishes options files of one method
  std::map<std::string, std::string> options;
  std::string statistics_fingerprint;  // empty: C = I
  std::uint64_t seed = 0;
  std::int64_t token_budget = 0;
  std::optional<ComputeType> dtype;             // std::nullopt: not recorded
  std::vector<DeviceName> devices;              // of the model; empty: not recorded
  std::int64_t records = 0;                     // evaluated: edited, or failed (counted as not succeeded)
  std::optional<std::int64_t> failed;           // of these; std::nullopt: not recorded
  std::map<std::string, std::int64_t> skipped;  // reason -> n; "already true" is among them
  std::map<std::string, double> seconds;  // "total", "load", "statistics", "search", "solve", "evaluation"
  std::map<std::string, MetricSummary> base, metrics;
  struct RetentionPoint {
    std::int64_t edits = 0;                        // edits applied so far
    std::map<std::string, MetricSummary> metrics;  // over the records edited so far
  };
  std::vector<RetentionPoint> retention;  // of sequential runs
  // One point of the curve of a sequential run, measured after so many records (those left out included).
  struct CurvePoint {
    std::int64_t edits = 0;
    // Over all records so far. Beside the metrics of a run `score_generated`: the score of the generated
    // answers.
    std::map<std::string, MetricSummary> metrics;
    std::int64_t first_records = 0;                      // how many of the first records are evaluated
    std::map<std::string, MetricSummary> first_metrics;  // over those alone: how well early edits stay
  };
  std::vector<CurvePoint> curve;   // of sequential runs; the last point is the end of the run
  std::vector<std::string> notes;  // sentences: what was derived, what was not measured and why

  // What the run is called in tables: its label, else its method.
  const std::string& name() const { return label.empty() ? method : label; }
};

// The folder of one method, as a run left it.
struct EvalResults {
  std::filesystem::path folder;  // of summary.json and records.jsonl
  EvalSummary summary;
  std::vector<RecordResult> records;
  // Edits -> all records so far at that point of the curve, without their answers and what the base has.
  std::map<std::int64_t, std::vector<RecordResult>> curve = {};
};

// What a benchmark (emend/eval_run.h) did.
struct BenchmarkOutcome {
  std::filesystem::path out;          // the folder of all results
  std::vector<EvalResults> methods;   // in the order of the options; empty while parts of the run are missing
  std::vector<std::string> left_out;  // up to 10 records of the data that cannot be used, with the reason
};

}  // namespace emend
