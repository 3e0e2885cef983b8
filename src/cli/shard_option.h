// --shard i/N: a part of work that several processes share.
#pragma once

#include <string>
#include <utility>

namespace emend {

// "2/8" as {2, 8}; empty: {0, 1}, the only part. Throws Error(kUsage) unless 0 <= i < N.
std::pair<int, int> parse_shard(const std::string& text);

}  // namespace emend
