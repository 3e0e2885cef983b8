#include "analysis/text_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/own_text.h"
#include "emend/error.h"

namespace emend {

namespace {

std::int64_t default_block(const TextOptions& options, bool may_stop) {
  constexpr std::int64_t kGiven = 8192, kMostGiven = 131072, kMostBlocks = 16;
  if (options.corpus.empty()) return kOwnTextBlock;
  if (may_stop || options.tokens == kAllTokens) return kGiven;
  // Of much text larger ones: a checkpoint takes time to write, and a fast device reads a small block sooner
  // than that.
  const std::int64_t times = (options.tokens / kMostBlocks + kGiven - 1) / kGiven;
  return std::clamp(times * kGiven, kGiven, kMostGiven);
}

}  // namespace

void check_text_values(const TextOptions& options) {
  const auto refuse = [](const std::string& what) { throw Error(ErrorKind::kUsage, what); };
  const auto require_at_least = [&](const char* name, std::int64_t value, std::int64_t least) {
    if (value < least) refuse(fmt::format("{} must be at least {}, found {}", name, least, value));
  };
  require_at_least("the token budget", options.token_budget, 1);
  require_at_least("the option tokens", options.tokens, kAllTokens);
  require_at_least("the option window", options.window, 1);
  require_at_least("the option block", options.block_tokens, 0);
  if (options.shard < 0 || options.shard >= options.shards)
    refuse(fmt::format("there is no shard {} of {} (counted from 0)", options.shard, options.shards));
}

void check_text_options(const Model& model, const TextOptions& options, const std::string& analysis) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorKind::kConfig, fmt::format("{}: {}", analysis, what));
  };
  check_text_values(options);
  if (options.tokens == kAllTokens && options.corpus.empty())
    refuse("text that the model writes itself has no end: give a number of tokens");
  const std::int64_t window = std::min(options.window, model.config().max_positions);
  if (window < static_cast<std::int64_t>(options.prefix.size()) + 8)
    refuse(
        fmt::format("a window of {} tokens is too short for a text of 8 tokens and what begins it", window));
}

void settle_text_options(const Model& model, bool may_stop, TextOptions& options) {
  options.window = std::min(options.window, model.config().max_positions);
  if (options.block_tokens <= 0) options.block_tokens = default_block(options, may_stop);
}

std::string pass_settings(const Model& model) {
  return fmt::format("{} pass, position 0 left out", c10::toString(model.options().dtype().toScalarType()));
}

std::string settings_of(const Model& model, const TextOptions& options) {
  const std::string text = options.corpus.empty() ? "own text" : fmt::format("window {}", options.window);
  return fmt::format("{}, {}", text, pass_settings(model));
}

}  // namespace emend
