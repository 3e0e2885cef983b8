#include "pipeline/continue_prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "analysis/prompt_rows.h"
#include "emend/error.h"
#include "pipeline/edit_job.h"
#include "report/numbers.h"
#include "text/end_tokens.h"

namespace emend {
namespace {

constexpr std::int64_t kMostNew = 1'000'000;
constexpr double kHottest = 100;

void require_between(const std::string& option, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least)
    throw Error(ErrorKind::kUsage, fmt::format("{} must be at least {}, found {}", option, least, value));
  if (value > most)
    throw Error(ErrorKind::kUsage, fmt::format("{} must be at most {}, found {}", option, most, value));
}

std::vector<NextToken> likeliest_tokens(const Model& model, const TokenIds& prompt,
                                        const PromptOptions& options) {
  std::vector<NextToken> tokens;
  const std::int64_t count = std::min(options.top, model.config().vocab);
  const auto likeliest = next_tokens(model, {prompt}, count, options.token_budget);
  for (const TokenLogprob& token : likeliest[0])
    tokens.push_back({token.id, token_text(model.tokenizer(), token.id), token.logprob});
  return tokens;
}

}  // namespace

std::string token_text(const Tokenizer& tokenizer, std::int64_t id) {
  return id < tokenizer.size() ? tokenizer.token_bytes(id) : fmt::format("<{}>", id);
}

void check_prompt_options(const PromptOptions& options) {
  require_between("max_new", options.max_new, 1, kMostNew);
  require_between("token_budget", options.token_budget, 1, std::numeric_limits<std::int64_t>::max());
  if (!(options.temperature >= 0 && options.temperature <= kHottest))
    throw Error(ErrorKind::kUsage,
                "temperature must be from 0 to 100, found " + number_text(options.temperature));
}

TokenIds prompt_tokens(const Model& model, const std::string& prompt, const PromptOptions& options) {
  const Tokenizer& tokenizer = model.tokenizer();
  TokenIds ids =
      prompt_ids(tokenizer, prompt, {row_prefix(tokenizer, options.bos, options.form), options.form});
  if (ids.empty())
    throw Error(ErrorKind::kUsage,
                "generate: the prompt is empty, and the model begins with no token of its own");
  return ids;
}

std::int64_t tokens_that_fit(const Model& model, std::size_t prompt, std::int64_t wanted) {
  const std::int64_t room =
      std::max<std::int64_t>(model.config().max_positions - static_cast<std::int64_t>(prompt), 1);
  return std::min(wanted, room);
}

TokenIds continue_prompt(const Model& model, const TokenIds& prompt, const PromptOptions& options) {
  GenerateOptions how;
  how.max_new = tokens_that_fit(model, prompt.size(), options.max_new);
  how.temperature = options.temperature;
  how.seed = options.seed;
  how.token_budget = options.token_budget;
  how.stop = end_tokens(model.tokenizer());
  how.progress = options.progress;
  return generate(model, {prompt}, how)[0];
}

PromptOutcome run_prompt(const Model& model, const std::string& prompt, const PromptOptions& options) {
  check_prompt_options(options);
  PromptOutcome outcome;
  outcome.prompt = prompt_tokens(model, prompt, options);
  for (const std::int64_t id : outcome.prompt) outcome.pieces.push_back(token_text(model.tokenizer(), id));
  outcome.max_new = tokens_that_fit(model, outcome.prompt.size(), options.max_new);
  if (options.top > 0) outcome.top = likeliest_tokens(model, outcome.prompt, options);
  outcome.completion = continue_prompt(model, outcome.prompt, options);
  outcome.ended = static_cast<std::int64_t>(outcome.completion.size()) < outcome.max_new;
  outcome.text = completion_text(model.tokenizer(), outcome.completion);
  return outcome;
}

std::string completion_text(const Tokenizer& tokenizer, const TokenIds& ids) {
  TokenIds known;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(known),
               [&](std::int64_t id) { return id < tokenizer.size(); });
  return tokenizer.decode(known, true, Position::kContinuation);
}

}  // namespace emend
