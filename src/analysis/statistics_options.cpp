#include "analysis/statistics_options.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kConfig, "statistics: " + message);
}

}  // namespace

void check_statistics_options(const Model& model, const StatisticsOptions& options) {
  const int layers = model.config().layers;
  if (options.layers.empty()) refuse("no layer is asked for");
  for (const int layer : options.layers)
    if (layer < 0 || layer >= layers)
      refuse("layer " + std::to_string(layer) + " is out of range; the model has layers 0 to " +
             std::to_string(layers - 1));
  if (options.tokens < kAllTokens) refuse("the number of tokens must be positive");
  if (options.tokens == kAllTokens && options.corpus.empty())
    refuse("text that the model writes itself has no end: give a number of tokens");
  if (options.shards < 1 || options.shard < 0 || options.shard >= options.shards)
    refuse("shard " + std::to_string(options.shard) + " of " + std::to_string(options.shards) +
           " does not exist; they count from 0");
  if (options.until && options.shards > 1)
    refuse("one shard cannot know when all of them have enough text: leave out either --until or the shards");
  if (options.until && (!std::isfinite(*options.until) || *options.until <= 0))
    refuse("--until must be above 0");
  const std::int64_t window = std::min(options.window, model.config().max_positions);
  if (window < static_cast<std::int64_t>(options.prefix.size()) + 8)
    refuse("a window of " + std::to_string(window) +
           " tokens is too short for a text of 8 tokens and what begins it");
}

std::int64_t tokens_wanted(const Model& model, const StatisticsOptions& options) {
  constexpr std::int64_t kDefault = 10, kUntilDefault = 100;  // keys a dimension
  if (options.tokens != 0) return options.tokens;
  return (options.until ? kUntilDefault : kDefault) * model.config().d_ff;
}

std::int64_t block_tokens(const Model& model, const StatisticsOptions& options) {
  constexpr std::int64_t kGivenDefault = 8192, kMostGiven = 131072, kMostBlocks = 16, kOwnDefault = 16384;
  if (options.block_tokens > 0) return options.block_tokens;
  if (options.corpus.empty()) return kOwnDefault;
  const std::int64_t wanted = tokens_wanted(model, options);
  if (options.until || wanted == kAllTokens) return kGivenDefault;
  // Of much text larger ones: a checkpoint takes time to write, and a fast device sums a small block sooner
  // than that.
  const std::int64_t defaults = (wanted / kMostBlocks + kGivenDefault - 1) / kGivenDefault;
  return std::clamp(defaults * kGivenDefault, kGivenDefault, kMostGiven);
}

std::string settings_of(const Model& model, const StatisticsOptions& options) {
  const std::string text = options.corpus.empty() ? "own text" : "window " + std::to_string(options.window);
  return text + ", " + c10::toString(model.options().dtype().toScalarType()) + " pass, position 0 left out";
}

std::vector<int> sorted_layers(std::vector<int> layers) {
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  return layers;
}

}  // namespace emend
