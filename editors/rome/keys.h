// Which keys a request's response is held to, and at which it answers 1.
#pragma once

#include <string>
#include <vector>

#include "editors/common/key_groups.h"
#include "editors/rome/options.h"

namespace emend {

// K and y of one group, without the protected key: [context mean, bare] and [1, 1], or one key and [1]. The
// two are merged into their mean when they can hardly be told apart, and without contexts. A subject that is
// one token at position 0 with nothing in front has the sink's key there: the mean over its context rows
// stands for it (a sentence for the user in `warnings`). Throws Error(kConfig)
// when it has no context rows either.
KeyConstraint choose_keys(const KeyGroup& group, const CallRows& rows, const KeyMetric& metric, RomeKeys kind,
                          const std::string& ids, std::vector<std::string>& warnings);

}  // namespace emend
