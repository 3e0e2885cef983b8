#include "editors/common/context_rows.h"

#include "analysis/own_text.h"
#include "emend/generate.h"

namespace emend {

namespace {
constexpr std::int64_t kShort = 4, kLong = 9;
}

std::vector<TokenIds> sample_contexts(const Model& model, const TokenIds& prefix, std::int64_t count,
                                      std::uint64_t seed) {
  const TokenIds opening = opening_of_text(model, prefix);
  GenerateOptions sampling;
  sampling.max_new = kLong;
  sampling.temperature = 1;
  sampling.top_k = 5;
  sampling.seed = seed;
  sampling.stream = std::uint64_t{1} << 33;  // away from the texts of statistics
  std::vector<TokenIds> contexts =
      generate(model, std::vector<TokenIds>(static_cast<std::size_t>(2 * count), opening), sampling);
  for (std::int64_t i = 0; i < count; ++i)
    contexts[static_cast<std::size_t>(i)].resize(kShort);  // one run serves both lengths
  return contexts;
}

}  // namespace emend
