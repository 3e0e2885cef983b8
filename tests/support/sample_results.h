// Results as a run would leave them, small.
#pragma once

#include "emend/eval.h"

namespace emend {

inline AnswerTrace sample_trace(const std::string& role, double p_target, double p_answer) {
  AnswerTrace trace;
  trace.role = role;
  trace.prompt = "The tower <b> is in";
  trace.answer = "Paris";
  trace.before = {0.01, 0.9, role == "neighbour", role == "neighbour", " Paris & more"};
  trace.after = {p_target, p_answer, p_target > p_answer, p_target > p_answer, " Rome, \"Italy\" </script>"};
  return trace;
}

inline RecordResult sample_record(const std::string& id, double p_target) {
  RecordResult record;
  record.index = 3;
  record.id = id;
  record.prompt = "The tower <b> is in";
  record.subject = "tower <b>";
  record.target = "Rome";
  record.was = "Paris";
  record.status = RecordStatus::kEdited;
  record.layer = 5;
  record.steps = 20;
  record.loss = 0.1;
  record.relative_norm = 1.0 / 3;
  const double success = p_target > 0.5 ? 1 : 0;
  record.base = {{"efficacy_success", 0}, {"paraphrase_success", 0}, {"neighbourhood_success", 1}};
  record.metrics = {{"efficacy_success", success},
                    {"efficacy_argmax", success},
                    {"efficacy_generated", 0},
                    {"efficacy_magnitude", 0.4},
                    {"paraphrase_success", success},
                    {"neighbourhood_success", 1},
                    {"fluency", 6.1}};
  record.answers = {sample_trace("prompt", p_target, 1 - p_target), sample_trace("paraphrase", p_target, 0.3),
                    sample_trace("neighbour", 0.2, 0.7), sample_trace("generation", 0, 0)};
  return record;
}

inline EvalSummary sample_summary(const std::string& label) {
  EvalSummary summary;
  summary.emend = "0.1.0";
  summary.model_path = "models/small.gguf";
  summary.model_fingerprint = std::string(64, 'a');
  summary.family = "llama";
  summary.dataset = "counterfact";
  summary.data_path = "counterfact.json";
  summary.data_fingerprint = std::string(64, 'b');
  summary.method = "rome";
  summary.label = label;
  summary.mode = "single";
  summary.options = {{"objective", "written"}, {"layer", "5"}};
  summary.statistics_fingerprint = std::string(64, 'c');
  summary.seed = 18446744073709551615u;
  summary.token_budget = 4096;
  summary.dtype = ComputeType::kFloat32;
  summary.devices = {DeviceName()};
  summary.records = 2;
  summary.skipped = {{"already true", 1}, {"subject not in its prompt", 4}};
  summary.seconds = {{"total", 12.5}, {"search", 10}};
  summary.base = {{"efficacy_success", {0.0, 0.0, 2}}, {"efficacy_magnitude", {-0.89, 0.01, 2}}};
  summary.metrics = {{"efficacy_success", {0.975, 0.012, 2}},
                     {"efficacy_generated", {0.5, 0.1, 2}},
                     {"score", {0.8, 0, 2}},
                     {"fluency", {6.125, 0.25, 2}},
                     {"rewrite_acc", {0.75, 0.5, 2}}};
  summary.notes = {"text was generated greedily"};
  return summary;
}

inline EvalResults sample_results(const std::string& label) {
  return {"out/" + label, sample_summary(label), {sample_record("r1", 0.9), sample_record("r2", 0.2)}};
}

}  // namespace emend
