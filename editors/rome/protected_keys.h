// Keys of other subjects that a response is kept small at (emend/protection.h): each gets at most a share of
// the residual, and is held only if it would not stay within that by itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "editors/common/key_groups.h"
#include "emend/edit.h"
#include "emend/editor.h"
#include "linalg/key_constraints.h"
#include "linalg/response_solver.h"

namespace emend::editors {

// Of one group.
struct ProtectedKeys {
  at::Tensor K;                       // [F, p] float64; undefined: none
  at::Tensor slack;                   // [p] float64, of each column (KeyConstraint::slack)
  std::vector<ProtectedKey> told;     // one for each column
  std::vector<std::string> warnings;  // of texts that cannot be protected
};

// What the choice rests on. All of it outlives the call.
struct ProtectionInput {
  const Model& model;
  const std::vector<EditRequest>& requests;
  const CallRows& rows;
  const LayerTrace& trace;
  const KeyMetric& metric;
  const Protection& protection;
  double share = 0;    // |a^T k| of a protected key may be this much (RomeOptions::protected_share)
  double rise = 1;     // of a target's probability at a protected subject (RomeOptions::protected_rise)
  double stop = 0.99;  // the probability at which the search stops
  std::int64_t token_budget = 4096;  // of a pass over prompts
};

// The keys of all texts that are given for the requests of each group, and of those candidates that the
// group's own response (constraint `own[g]`, which holds the sink's key too) answers most; of these, the keys
// that have to be held for all to stay within the share. Left out are texts with the key of one of these
// groups (`grouping` kShared: it is edited itself), and what lies within 1e-4 of a cosine of 1 to a key that
// is protected already. Throws Error(kConfig) with the numbers if a given key cannot be told apart from the
// edit's own (Protection::strict; else a warning), or if there are more keys than elements. One pass over the
// texts up to the layer's key, and with a share above 0 and a rise below 1 another through all blocks over
// their prompts; about 4 F^2 operations a key.
std::vector<ProtectedKeys> choose_protected_keys(const ProtectionInput& input,
                                                 const std::vector<KeyGroup>& groups,
                                                 const std::vector<KeyConstraint>& own, Grouping grouping);

// What a system of so many keys of F elements may miss the protected answers by (KeyConstraint::slack):
// nothing while the keys are few beside the elements.
double protected_slack(std::int64_t keys, std::int64_t F);

}  // namespace emend::editors
