#include "editors/common/search_batches.h"

namespace emend::editors {

std::int64_t most_search_tokens(const SearchOptions& options, const Model& model) {
  constexpr std::int64_t kCpu = 768, kGpu = 6144;
  if (options.gradient_tokens > 0) return options.gradient_tokens;
  return model.options().device().is_cuda() ? kGpu : kCpu;
}

std::size_t search_batch_end(const std::vector<std::int64_t>& tokens, std::size_t begin, std::int64_t most) {
  std::size_t end = begin;
  for (std::int64_t together = 0; end < tokens.size(); ++end) {
    together += tokens[end];
    if (end > begin && together > most) break;
  }
  return end;
}

}  // namespace emend::editors
