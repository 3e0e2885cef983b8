// How much memory this process has held.
#pragma once

#include <cstdint>

namespace emend {

// Bytes of the largest resident set so far.
std::int64_t peak_memory_bytes();

}  // namespace emend
