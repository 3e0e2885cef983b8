#include "sample_patch.h"

#include <ATen/ATen.h>
#include <stdlib.h>

#include <stdexcept>

namespace emend {
namespace {

at::Tensor ramp(const std::vector<std::int64_t>& shape, double first) {
  std::int64_t size = 1;
  for (const std::int64_t dimension : shape) size *= dimension;
  return (at::arange(size, at::kFloat) * 0.25 + first).reshape(shape);
}

FactState sample_state(const std::string& id, double p) {
  const PromptState prompt = {p, 1 - p, p > 0.5, " Spain\n\"and\" more"};
  return {id, prompt, {prompt, prompt}, {{"Europe", 0.75, p, " Europe"}}};
}

// `row` of A carries it.
FactRecord sample_fact(const std::string& id, int layer, FactStatus status, std::int64_t row = 0) {
  FactRecord fact;
  fact.request = {id,      "Zürich lies in " + id, id,           16,
                  "Spain", "Switzerland",          {"p1", "p2"}, {{"Bern lies in", "Europe"}}};
  fact.status = status;
  fact.parts.resize(1);
  fact.parts.front().weight = {layer, Role::kMlpDown};
  fact.before = sample_state(id, 0.1);
  fact.after = sample_state(id, 0.9);
  if (status != FactStatus::kEdited) return fact;
  FactPart& part = fact.parts.front();
  part.keys = ramp({2, 6}, layer);
  part.answers = ramp({2}, 0.5);
  part.residual = ramp({4}, -1);
  part.rows = {row};
  part.update_norm = 1.0 / 3;
  part.relative_norm = 0.017;
  fact.steps = 17;
  fact.loss = 0.1;
  return fact;
}

WeightSolve sample_solve(int layer) {
  WeightSolve solve;
  solve.weight = {layer, Role::kMlpDown};
  solve.statistics_fingerprint = "fedc";
  solve.relative_ridge = 1e-5;
  return solve;
}

}  // namespace

Patch sample_patch() {
  Patch patch;
  patch.edit.method = "rome";
  patch.edit.objective = Objective::kWritten;
  patch.edit.options = {{"keys", "context+bare"}, {"decay", "0"}};
  patch.edit.base_fingerprint = "0123456789abcdef";
  patch.edit.context_ids = {{5, 6, 7}, {}, {8}};
  patch.edit.changes = {WeightChange::low_rank({3, Role::kMlpDown}, ramp({2, 6}, 1), ramp({4, 2}, 2)),
                        WeightChange::low_rank({11, Role::kMlpDown}, ramp({1, 6}, 3), ramp({4, 1}, 4))};
  patch.edit.solves = {sample_solve(3), sample_solve(11)};
  patch.edit.facts = {sample_fact("a", 3, FactStatus::kEdited, 1), sample_fact("b", 11, FactStatus::kEdited),
                      sample_fact("c", 3, FactStatus::kAlreadyTrue)};
  patch.edit.warnings = {"\"a\" and \"b\" lie close"};
  patch.conditions = {{DeviceName{DeviceKind::kCuda, 1}}, ComputeType::kBfloat16, 18446744073709551615u, 512};
  patch.emend_version = "0.1.0";
  patch.base_name = "sample";
  patch.edit_text = "edits:\n  - {id: a}\n";
  patch.bos = "<|begin|>";
  patch.prefix = {1};
  patch.form = PromptForm::kChat;
  patch.thresholds = {0.5, 0.25, 0.125, 1.5};
  patch.checks = {{"efficacy", 1.0, 0.5, true, 2}, {"drift", std::nullopt, 1.5, false, 0}};
  patch.held_text = {{9, 10}, {11}};
  patch.passed = true;
  return patch;
}

ScratchFolder::ScratchFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "emend_test.XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder at " + name);
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace emend
