#include "base/peak_memory.h"

#include <sys/resource.h>

namespace emend {

std::int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  constexpr std::int64_t kUnit = 1024;  // Linux counts kilobytes
  return usage.ru_maxrss * kUnit;
}

}  // namespace emend
