// Which keys a request's response is held to, and at which it answers 1; and the response of the published
// program.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "editors/common/key_groups.h"
#include "editors/rome/options.h"
#include "linalg/key_constraints.h"
#include "linalg/response_solver.h"

namespace emend::editors {

// K and y of one group, without the protected key: [context mean, bare] and [1, 1], or one key and [1]. The
// two are merged into their mean if they can hardly be told apart, and without contexts. A subject that is
// one token at position 0 with nothing in front has the sink's key there: the mean over its context rows
// stands for it, and a sentence in `warnings` says so. Throws Error(kConfig) if it has no context rows
// either.
KeyConstraint choose_keys(const KeyGroup& group, const CallRows& rows, const KeyMetric& metric, RomeKeys kind,
                          const std::string& ids, std::vector<std::string>& warnings);

// As the published program of ROME has it: the direction C^-1 k of one key [F], and the length that makes it
// answer 1 at another. Returns std::nullopt if the two are orthogonal under C^-1.
std::optional<at::Tensor> published_response(const KeyMetric& metric, const at::Tensor& direction_key,
                                             const at::Tensor& answer_key);

}  // namespace emend::editors
