#include "editors/common/context_rows.h"

#include "emend/generate.h"
#include "emend/statistics.h"

namespace emend {

std::vector<TokenIds> sample_contexts(const Model& model, const TokenIds& prefix, std::int64_t count, std::uint64_t seed) {
  std::vector<TokenIds> contexts;
  TokenIds opening = prefix;
  if (opening.empty()) opening.push_back(start_token(model, prefix));
  for (const std::int64_t length : {4, 9}) {
    GenerateOptions sampling;
    sampling.max_new = length;
    sampling.temperature = 1;
    sampling.top_k = 5;
    sampling.seed = seed;
    sampling.stream = (std::uint64_t{1} << 33) + static_cast<std::uint64_t>(contexts.size());
    for (TokenIds& context : generate(model, std::vector<TokenIds>(static_cast<std::size_t>(count), opening), sampling))
      contexts.push_back(std::move(context));
  }
  return contexts;
}

}  // namespace emend
