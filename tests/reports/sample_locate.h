// A trace of two facts over three layers, made by hand, with averages, ranking and a decision by edits.
#pragma once

#include <string>

#include "emend/locate_run.h"

namespace emend::test {

inline FactTrace sample_fact_trace(const std::string& prompt) {
  FactTrace trace;
  trace.prompt = prompt;
  trace.subject = "<i>tower";
  trace.answer = "<Paris>";
  trace.said = "Paris";
  trace.tokens = {"The", " <i>tower", " is in"};
  trace.subject_begin = 1;
  trace.subject_end = 2;
  trace.high = 0.875;
  trace.low = 0.0625;
  trace.block = {{0.1, 0.1, 0.1}, {0.7, 0.5, 0.2}, {0.1, 0.4, 0.8}};
  trace.mlp = trace.attention = trace.block;
  trace.severed_mlp = {0.2, 0.1, 0.1};
  trace.severed_attention = {0.6, 0.4, 0.2};
  return trace;
}

inline LocateOutcome sample_locate() {
  LocateOutcome outcome;
  outcome.result.traces = {sample_fact_trace("The <i>tower is in"), sample_fact_trace("The arch is in")};
  outcome.result.skipped = {{"3", "The <gate> is in", "gate", "Lyon", "<Nice>"}};
  outcome.average = average_traces(outcome.result.traces);
  outcome.ranking = rank_layers(outcome.result.traces);
  outcome.decision.layer = 1;
  outcome.decision.evidence = LayerEvidence::kTrial;
  outcome.decision.trace = outcome.ranking;
  outcome.decision.trial = {{1, 0.95, 0.02, 20, {}}, {0, 0.75, 0.04, 20, {}}};
  return outcome;
}

}  // namespace emend::test
