// Patches made from patches: one without one of its edits, several as one, and how two differ. Nothing is
// searched: residuals and keys are those that the patches hold, and only the responses are solved again
// (docs/formats.md, Patch).
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/patch.h"

namespace emend {

// C [F, F] float64, or its diagonal [F] if the rest is not known, of each layer that is to be solved again.
using LayerMoments = std::map<int, at::Tensor>;

// The layers whose C drop_fact() or merge_patches() needs. No layer is needed if the patches were solved with
// C = I or edit by edit, and no merged layer that only one patch changes.
std::vector<int> layers_to_solve(const Patch& patch, const std::string& id);
std::vector<int> layers_to_solve(const std::vector<Patch>& patches);

// The patch without the fact `id`: the other facts keep their residuals, and their responses are solved
// jointly, as if `id` had never been edited:  A^T = C^-1 K (K^T C^-1 K)^-1 Y.  What was measured after the
// edit (checks, states) is emptied and has to be measured again. Throws Error(kConfig): there is no such id
// (the nearest one is offered), it is the last edited fact, or it shares its key, and so its residual, with
// another fact; Error(kModel): the patch does not hold what the rule of a weight needs; Error(kNumeric): C is
// not positive definite.
Patch drop_fact(const Patch& patch, const std::string& id, const LayerMoments& moments);

// Two facts whose keys are so close that they cannot both be written.
struct KeyConflict {
  int layer = 0;
  std::size_t first_patch = 0, second_patch = 0;
  std::string first_id, second_id;
  double cosine = 0;       // of their keys
  bool same_edit = false;  // both patches hold the edit word for word
};

// Pairs of facts of different patches, at one layer, the cosine of whose keys is at least `least`.
std::vector<KeyConflict> key_conflicts(const std::vector<Patch>& patches, double least);

// Keys with at least this cosine count as the same key: of one subject, for example.
inline constexpr double kSameKey = 0.999;

// All facts of several patches of one base as one patch. A layer that several of them change is solved
// jointly; facts that two patches hold word for word are taken from the first. The thresholds are the
// strictest. An option that is not the same in all patches becomes "mixed"; bos and conditions that differ
// are emptied, and if the dtypes do, what was measured before the edits, too. What was measured after the
// edits is emptied. `names` stand for the patches in messages. Throws Error(kModel): patches of different
// bases, prefixes, forms, statistics or ways to solve; Error(kConfig): two facts of one id, key conflicts
// from kSameKey on, all named.
Patch merge_patches(const std::vector<Patch>& patches, const std::vector<std::string>& names,
                    const LayerMoments& moments);

// What two patches do to one layer.
struct LayerDifference {
  int layer = 0;
  double first = 0, second = 0;  // ||B A|| of each; 0 for a patch that does not change the layer
  double difference = 0;         // ||B A - B' A'||
  double cosine = 0;             // of the two changes; 0 if one of them is missing
};

struct FactDifference {
  std::string id;
  std::vector<std::string> what;  // "only in the first", "target: Rome / Oslo", "residual by 3.2 %"
};

struct PatchDifference {
  // "base: a / b", "rule: equality / least squares", "ridge of layer 4: 0.01 / 0.1", "option steps: 25 / 50"
  std::vector<std::string> settings;
  std::vector<FactDifference> facts;  // those that differ, by id
  std::vector<LayerDifference> layers;
  bool same = false;  // no settings, facts or changes differ
};

PatchDifference diff_patches(const Patch& first, const Patch& second);

}  // namespace emend
