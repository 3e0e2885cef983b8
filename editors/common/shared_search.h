// A search whose batches several processes share: that all of them come to the same one, and the exchange of
// what each has found.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <span>
#include <vector>

#include "editors/common/layer_trace.h"
#include "editors/common/search_unit.h"
#include "emend/shard_group.h"

namespace emend::editors {

// All processes come to the same search, or none searches: values of other rows would be taken for these.
// Throws Error(kConfig) in every process if they do not: what was found before stays for the option resume.
// `most_tokens`: the size of a batch.
void require_same_search(const std::vector<SearchUnit>& units, const LayerTrace& trace,
                         std::int64_t most_tokens, ShardGroup& group);

// The results of all processes, those of the first one in front, but for their lists of losses. Every process
// calls it.
std::vector<SearchResult> shared_with_all(std::span<const SearchResult> own, ShardGroup& group,
                                          const at::Device& device);

}  // namespace emend::editors
