// What a model makes of a request: the prompts read, tokens drawn after them, and how likely each was.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"
#include "model/batches.h"
#include "serve/completion_request.h"

namespace emend {

// A token, and what the model said of it in its place.
struct ReadToken {
  std::int64_t id = 0;
  std::optional<double> logprob;  // natural logarithm; none for the first token of a row
  // The likeliest tokens in its place, likeliest first; the value of the token itself, where it is among
  // them, is `logprob` to the bit.
  std::vector<TokenLogprob> top;
};

struct Completion {
  std::size_t prompt = 0;         // index
  std::vector<ReadToken> before;  // the prompt's tokens, with echo and logprobs; else empty
  // What was drawn, also an ending token; logprobs only if they were asked for.
  std::vector<ReadToken> drawn;
  std::string text;    // of what was drawn, without special tokens and without the stop
  bool ended = false;  // by a token of the model's or by a stop; false: max_tokens were drawn
};

// Rows that go through the model together, consecutive ones. The cache of a group has room for its longest
// row in every row: rows times the longest are at most `budget`, but for a row that is longer by itself.
std::vector<RowRange> cache_groups(const std::vector<std::int64_t>& lengths, std::int64_t budget);

// Rows in the order of the prompts, those of one prompt (n) side by side. Row i draws from the random stream
// i of the request's seed. The result does not depend on the token budget, up to rounding. `poll` is called
// before every pass and may throw to stop. Throws Error(kNumeric) for a log-probability that is not finite.
std::vector<Completion> complete(
    const Model& model, const CompletionRequest& request, const std::vector<Overlay>& overlays,
    std::int64_t token_budget, const std::function<void()>& poll = [] {});

}  // namespace emend
