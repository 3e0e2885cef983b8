// An importance matrix of llama.cpp: what is read is sound.
#include <cmath>

#include "io/imatrix.h"
#include "memory_file.h"
#include "read_input.h"

namespace emend::fuzz {

void read_input(std::string_view input) {
  const MemoryFile bytes(input);
  const bool looked_like_one = may_be_imatrix(bytes.path());
  const Imatrix imatrix = read_imatrix(bytes.path());
  abort_unless(looked_like_one, "what is read looked like an imatrix");
  for (const auto& [name, entry] : imatrix.entries) {
    abort_unless(entry.width() * entry.counts.size() == entry.sums.size(), "sums and counts go together");
    if (entry.counts.size() > 1) continue;
    for (const double square : imatrix_diagonal(imatrix, name, static_cast<std::int64_t>(entry.width())))
      abort_unless(std::isfinite(square) && square >= 0, "a diagonal is finite and not negative");
  }
  require_imatrix_of(imatrix, 1 << 30);
}

}  // namespace emend::fuzz
