#include "editors/common/context_rows.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <string>

#include "analysis/own_text.h"
#include "analysis/statistics_texts.h"

namespace emend::editors {

namespace {

constexpr std::int64_t kShort = 4, kLong = 9, kTopK = 5;
constexpr double kTemperature = 1;

// Everything that the sampled texts depend on.
std::string identity_of(const Model& model, const EditorContext& context, std::int64_t count) {
  return fmt::format("{} {} {} {} {} {} {}", text_identity(model, {context.prefix}, 0), count, context.seed,
                     kShort, kLong, kTemperature, kTopK);
}

}  // namespace

std::vector<TokenIds> sample_contexts(const Model& model, const TokenIds& prefix, std::int64_t count,
                                      std::uint64_t seed) {
  const TokenIds opening = opening_of_text(model, prefix);
  GenerateOptions sampling;
  sampling.max_new = kLong;
  sampling.temperature = kTemperature;
  sampling.top_k = kTopK;
  sampling.seed = seed;
  sampling.stream = std::uint64_t{1} << 33;  // away from the texts of statistics
  std::vector<TokenIds> contexts =
      generate(model, std::vector<TokenIds>(static_cast<std::size_t>(2 * count), opening), sampling);
  for (std::int64_t i = 0; i < count; ++i)
    contexts[static_cast<std::size_t>(i)].resize(kShort);  // one run serves both lengths
  return contexts;
}

std::vector<TokenIds> contexts_of(const Model& model, const EditorContext& context, std::int64_t count) {
  if (count == 0) return {};
  const auto sample = [&] { return sample_contexts(model, context.prefix, count, context.seed); };
  if (!context.cache) return sample();
  return context.cache->contexts(identity_of(model, context, count), sample);
}

}  // namespace emend::editors
