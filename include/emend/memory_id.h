// The address of one feed-forward memory.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace emend {

struct ModelConfig;

// Cell `index` of the feed-forward layer of block `layer`, both counted from 0: unit i of the key, and column
// i of the down projection as its value (Geva et al. 2021, arXiv 2012.14913, eq. 2).
struct MemoryId {
  int layer = 0;
  int index = 0;
  auto operator<=>(const MemoryId&) const = default;  // NOLINT(modernize-use-nullptr): a false alarm
};

std::string to_string(MemoryId memory);  // "L12D771"

// The reverse. Throws Error(kUsage), which shows the form of an address, if the text is not an address.
MemoryId parse_memory_id(std::string_view text);

// Throws Error(kConfig), which names the valid range, if the model has no such cell.
void require_memory(const ModelConfig& config, MemoryId memory);

}  // namespace emend
