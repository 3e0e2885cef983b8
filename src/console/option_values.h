// Values of options that have a form of their own.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/layer_number.h"

namespace emend {

// "all", or numbers and ranges with both ends: "0,3,5-7". Sorted, each once. Throws Error(kUsage) for other
// forms, and Error(kConfig) for a layer that a model of `layers` layers does not have; both name the option.
std::vector<int> parse_layers(const std::string& text, int layers, const std::string& option = "--layers");

// --records "A:B", "A:" or ":B" as {A, B}; what is not given is 0 or -1 (the end). Empty: all. Throws
// Error(kUsage) unless 0 <= A < B.
std::pair<std::int64_t, std::int64_t> parse_range(const std::string& text);

// --shard i/N, a part of work that several processes share. "2/8" as {2, 8}; empty: {0, 1}, the only part.
// Throws Error(kUsage) unless 0 <= i < N.
std::pair<int, int> parse_shard(const std::string& text);

// "4G", "500M", "1.5GiB", "1000000": bytes; K, M, G, T count in thousands, with i in 1024s. Error(kUsage)
// naming the option.
std::int64_t parse_bytes(const std::string& option, const std::string& text);

}  // namespace emend
