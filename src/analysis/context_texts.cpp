#include "analysis/context_texts.h"

#include <fmt/format.h>

#include "analysis/own_text.h"
#include "analysis/statistics_texts.h"

namespace emend {

namespace {

constexpr std::int64_t kShortContext = 4, kLongContext = 9, kContextTopK = 5;
constexpr double kContextTemperature = 1;

}  // namespace

std::vector<TokenIds> sample_contexts(const Model& model, const TokenIds& prefix, std::int64_t count,
                                      std::uint64_t seed) {
  const TokenIds opening = opening_of_text(model, prefix);
  GenerateOptions sampling;
  sampling.max_new = kLongContext;
  sampling.temperature = kContextTemperature;
  sampling.top_k = kContextTopK;
  sampling.seed = seed;
  sampling.stream = std::uint64_t{1} << 33;  // away from the texts of statistics
  std::vector<TokenIds> contexts =
      generate(model, std::vector<TokenIds>(static_cast<std::size_t>(2 * count), opening), sampling);
  for (std::int64_t i = 0; i < count; ++i)
    contexts[static_cast<std::size_t>(i)].resize(kShortContext);  // one run serves both lengths
  return contexts;
}

std::string contexts_identity(const Model& model, const TokenIds& prefix, std::int64_t count,
                              std::uint64_t seed) {
  return fmt::format("contexts_{} {} {} {} {} {} {}", count, text_identity(model, {prefix}, 0), seed,
                     kShortContext, kLongContext, kContextTemperature, kContextTopK);
}

}  // namespace emend
