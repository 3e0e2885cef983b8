// The invented world with patches that were not solved for anything: what counts is that they change answers.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "emend/patch_run.h"
#include "support/world.h"

namespace emend::test {

// A patch of rank one at a layer, for the key of number `key`: patches of one key do not stack.
inline NamedPatch random_patch(const Model& model, const std::string& file, int layer, std::int64_t key) {
  at::manual_seed(100 + key);
  const ModelConfig& config = model.config();
  const WeightRef weight{layer, Role::kMlpDown, -1};
  const at::Tensor a = at::randn({1, config.d_ff}) / 4;
  const at::Tensor b = at::randn({config.d_model, 1});
  NamedPatch named{file, {}};
  Edit& edit = named.patch.edit;
  edit.base_fingerprint = model.fingerprint();
  edit.changes = {WeightChange::low_rank(weight, a, b)};
  edit.solves.emplace_back().weight = weight;
  FactRecord fact;
  fact.request.id = "edit-" + file;
  FactPart& part = fact.parts.emplace_back();
  part.weight = weight;
  part.keys = a.clone();
  part.answers = at::ones({1});
  part.residual = b.squeeze(1);
  part.rows = {0};
  edit.facts = {fact};
  named.patch.passed = true;
  return named;
}

}  // namespace emend::test
