// Keys of other subjects that a response is kept small at (emend/protection.h): those that can be protected,
// and of these those that have to be held for the response to stay within a bound at each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "editors/common/key_groups.h"
#include "emend/edit.h"
#include "emend/editor.h"
#include "emend/protection.h"
#include "linalg/key_constraints.h"
#include "linalg/response_solver.h"

namespace emend::editors {

// A text of one request, whose target must not get likelier there.
struct TextOf {
  std::size_t request;
  const ProtectedText* text;
};

// The keys that can be protected from the edit of one group.
struct ProtectableKeys {
  at::Tensor K;                    // [F, p] float64; undefined: none
  at::Tensor gram;                 // [n + p, n + p] float64 under C^-1: of the n keys of `own`, then K
  at::Tensor y;                    // [n] float64: the answers at the keys of `own`
  std::vector<ProtectedKey> told;  // one for each column of K
  std::vector<std::vector<TextOf>> texts;  // those that have the key, for each column
  std::vector<std::string> warnings;       // of texts that cannot be protected
};

// Those of them that are held.
struct ProtectedKeys {
  at::Tensor K;                    // [F, q] float64; undefined: none
  at::Tensor slack;                // [q] float64, of each column (KeyConstraint::slack)
  std::vector<ProtectedKey> told;  // one for each column
};

// What the choice rests on. All of it outlives the call.
struct ProtectionInput {
  const Model& model;
  const std::vector<EditRequest>& requests;
  const CallRows& rows;
  const LayerTrace& trace;
  const KeyMetric& metric;
  const Protection& protection;
};

// The keys of all texts that are given for the requests of each group, and of those candidates that the
// group's own response (constraint `own[g]`, which holds the sink's key too) answers most. Left out are texts
// with the key of one of these groups (`grouping` kShared: it is edited itself), and what lies within 1e-4 of
// a cosine of 1 to a key that is there already. With Protection::strict throws Error(kConfig) with the
// numbers if a given key cannot be told apart from the edit's own, or if there are more keys than elements;
// else what is given is left out with a warning, and what was found without one. One pass over the texts up
// to the layer's key, and about 4 F^2 operations a key.
std::vector<ProtectableKeys> protectable_keys(const ProtectionInput& input,
                                              const std::vector<KeyGroup>& groups,
                                              const std::vector<KeyConstraint>& own, Grouping grouping);

// Those that have to be held for |a^T k| to stay within `bounds` [p] at all of them, each as softly as its
// bound allows (linalg/bounded_answers.h).
ProtectedKeys hold_within(const ProtectableKeys& keys, const std::vector<double>& bounds);

// What a system of so many keys of F elements may miss the protected answers by (KeyConstraint::slack):
// nothing while the keys are few beside the elements.
double protected_slack(std::int64_t keys, std::int64_t F);

}  // namespace emend::editors
