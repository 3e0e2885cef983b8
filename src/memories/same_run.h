// Processes of a group that share one run.
#pragma once

#include <string>

#include "emend/shard_group.h"

namespace emend {

// Compares `run`, all that the results depend on, over the processes before they begin: what they find later
// is put together by places in the text. Throws Error(kConfig) in process 0, which names the first one that
// has another text, model or option. `command` begins the message.
void require_same_run(ShardGroup& group, const std::string& run, const std::string& command);

}  // namespace emend
