// An edit of four facts with all that its reports show, made by hand: one that holds, one that loses a
// paraphrase and a neighbour, one that was true already, one whose search failed.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "emend/edit_run.h"

namespace emend::test {

inline FactRecord sample_fact(const std::string& id, const std::string& prompt, FactStatus status) {
  FactRecord fact;
  fact.request.id = id;
  fact.request.prompt = prompt;
  fact.request.target = "Rome";
  fact.request.was = "Paris";
  fact.status = status;
  fact.parts.emplace_back();
  fact.parts[0].weight.block = 4;
  fact.before = fact.after = FactState{};
  fact.before->prompt = {0.0123, 0.812, false, " Paris"};
  fact.after->prompt = {0.934, 0.0271, true, " Rome"};
  return fact;
}

inline void add_paraphrase(FactRecord& fact, const std::string& prompt, double p_target, double p_was) {
  fact.request.paraphrases.push_back(prompt);
  fact.before->paraphrases.push_back({0.0456, 0.7, false, " Paris"});
  fact.after->paraphrases.push_back({p_target, p_was, p_target > p_was, " Rome"});
}

inline void add_neighbour(FactRecord& fact, const std::string& prompt, double p_answer, double p_target) {
  fact.request.neighbours.push_back({prompt, "London"});
  fact.before->neighbours.push_back({"London", 0.678, 0.0011, " London"});
  fact.after->neighbours.push_back({"London", p_answer, p_target, " London"});
}

inline EditOutcome sample_edit() {
  FactRecord held = sample_fact("tower", "the <i>tower</i> stands in", FactStatus::kEdited);
  add_paraphrase(held, "see the tower in", 0.788, 0.101);
  add_neighbour(held, "the clock stands in", 0.655, 0.0022);
  held.steps = 14;
  held.loss = 0.0314;
  held.parts[0].update_norm = 1.59;
  held.parts[0].relative_norm = 0.0265;
  FactRecord lost = sample_fact("arch", "the arch stands in", FactStatus::kEdited);
  add_paraphrase(lost, "see the arch in", 0.2, 0.3);
  add_neighbour(lost, "the bridge stands in", 0.25, 0.35);
  lost.steps = 20;
  lost.loss = 0.0718;
  lost.parts[0].update_norm = 2.71;
  lost.parts[0].relative_norm = 0.0577;
  FactRecord known = sample_fact("forum", "the forum stands in", FactStatus::kAlreadyTrue);
  FactRecord failed = sample_fact("gate", "the gate stands in", FactStatus::kFailed);
  failed.reason = "the loss stayed at <nan>";
  failed.loss = NAN;
  failed.after->prompt = {NAN, 0.8, false, " Paris"};

  EditOutcome outcome;
  Patch& patch = outcome.patch;
  patch.emend_version = "0.0.7";
  patch.base_name = "world<2>";
  patch.bos = "auto";
  patch.prefix = {50256};
  patch.conditions = {{DeviceName()}, ComputeType::kFloat32, 5, 4096};
  patch.edit.method = "rome";
  patch.edit.objective = Objective::kWritten;
  patch.edit.base_fingerprint = "abcdef";
  patch.edit.options = {{"steps", "25"}, {"<name>", "<value>"}};
  patch.edit.facts = {held, lost, known, failed};
  patch.edit.warnings = {"keys of <tower> and arch are close"};
  const WeightRef weight{4, Role::kMlpDown};
  patch.edit.changes = {WeightChange::low_rank(weight, at::zeros({2, 3}), at::zeros({4, 2}))};
  patch.edit.solves = {{weight, SolveRule::kEquality, "c0ffee", 1e-5, 0, 0, 0.00123, 4321.0, 98765.0}};
  patch.checks = {{"efficacy", 0.5, 1.0, false, 2},
                  {"paraphrase", 0.5, 0.25, true, 2},
                  {"drift", std::nullopt, 1.02, false, 0}};
  outcome.statistics = {{4, 15360, "self, seed 0", "c0ffee"}};
  outcome.condition = 98765.0;
  return outcome;
}

}  // namespace emend::test
