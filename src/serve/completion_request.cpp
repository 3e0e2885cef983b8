#include "serve/completion_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "analysis/prompt_rows.h"
#include "base/json.h"
#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"
#include "pipeline/continue_prompt.h"
#include "serve/api_error.h"

namespace emend {
namespace {

constexpr double kHottest = 100;
constexpr std::size_t kMostStops = 4;
const std::vector<std::string> kFields = {"model", "prompt",   "max_tokens", "temperature", "seed",
                                          "echo",  "logprobs", "stop",       "n",           "user"};

// Fields of OpenAI's that are not supported, with the values of theirs that ask for nothing.
struct UnsupportedField {
  std::string_view name;
  Json neutral;
};
const std::vector<UnsupportedField>& unsupported_fields() {
  static const std::vector<UnsupportedField> fields = {{"stream", false},
                                                       {"stream_options", Json::object()},
                                                       {"suffix", ""},
                                                       {"top_p", 1},
                                                       {"presence_penalty", 0},
                                                       {"frequency_penalty", 0},
                                                       {"logit_bias", Json::object()},
                                                       {"best_of", 1}};
  return fields;
}

// What a getter of JsonView refuses, as a refusal of the request.
template <typename Read>
auto read_field(const JsonView& body, const char* name, Read read) -> decltype(read(*body.find(name))) {
  try {
    return read(body.at(name));
  } catch (const Error& error) {
    throw ApiError(400, error.what(), name);
  }
}

std::int64_t read_whole(const JsonView& body, const char* name, std::int64_t standard, std::int64_t least,
                        std::int64_t most) {
  if (!body.has(name)) return standard;
  const std::int64_t value = read_field(body, name, [](const JsonView& at) { return at.as_integer(); });
  if (value < least || value > most)
    throw ApiError(400, fmt::format("\"{}\" must be from {} to {}, found {}", name, least, most, value),
                   name);
  return value;
}

void require_known_fields(const JsonView& body) {
  for (const std::string& key : body.keys()) {
    if (std::find(kFields.begin(), kFields.end(), key) != kFields.end() || !body.has(key)) continue;
    const auto& unsupported = unsupported_fields();
    const auto field = std::find_if(unsupported.begin(), unsupported.end(),
                                    [&](const UnsupportedField& f) { return f.name == key; });
    if (field == unsupported.end())
      throw ApiError(400, fmt::format("unknown field {}{}", quote(key), did_you_mean(key, kFields)), key);
    if (body.at(key).json() != field->neutral)
      throw ApiError(400, fmt::format("the field {} is not supported here: leave it out", quote(key)), key);
  }
}

// ---- prompts

bool is_number_list(const JsonView& prompt) {
  return prompt.is_array() && !prompt.json().empty() && prompt.json().front().is_number();
}

CompletionPrompt text_prompt(const Model& model, const JsonView& prompt, const TokenIds& front) {
  CompletionPrompt read;
  read.text = prompt.as_string();
  read.ids = prompt_ids(model.tokenizer(), read.text, {front, PromptForm::kRaw});
  read.front = front.size();
  return read;
}

CompletionPrompt ids_prompt(const Model& model, const JsonView& prompt) {
  CompletionPrompt read;
  read.ids = prompt.as_integers();
  const std::int64_t vocab = model.config().vocab;
  for (std::size_t i = 0; i < read.ids.size(); ++i)
    if (read.ids[i] < 0 || read.ids[i] >= vocab)
      throw ApiError(400,
                     fmt::format("\"{}[{}]\" is the token id {}: those of this model are 0 to {}",
                                 prompt.path(), i, read.ids[i], vocab - 1),
                     "prompt");
  TokenIds known;
  std::copy_if(read.ids.begin(), read.ids.end(), std::back_inserter(known),
               [&](std::int64_t id) { return id < model.tokenizer().size(); });
  read.text = model.tokenizer().decode(known, false, Position::kStart);
  return read;
}

// A text, a list of texts, a list of ids, or a list of such lists.
std::vector<CompletionPrompt> read_prompts(const JsonView& field, const Model& model, const TokenIds& front) {
  const auto read = [&](const JsonView& prompt) {
    return prompt.is_array() ? ids_prompt(model, prompt) : text_prompt(model, prompt, front);
  };
  if (!field.is_array() || is_number_list(field)) return {read(field)};
  std::vector<CompletionPrompt> prompts;
  for (const JsonView& prompt : field.elements()) prompts.push_back(read(prompt));
  return prompts;
}

void require_room(const CompletionRequest& request, const Model& model, const CompletionLimits& limits) {
  if (request.prompts.empty()) throw ApiError(400, "\"prompt\" is an empty list", "prompt");
  const auto rows = static_cast<std::int64_t>(request.prompts.size()) * request.n;
  if (rows > limits.rows)
    throw ApiError(400, fmt::format("a request may have {} completions, found {}", limits.rows, rows),
                   "prompt");
  std::int64_t tokens = 0;
  for (std::size_t p = 0; p < request.prompts.size(); ++p) {
    const auto length = static_cast<std::int64_t>(request.prompts[p].ids.size());
    if (length == 0)
      throw ApiError(400, fmt::format("prompt {} (from 0) has no tokens, and no BOS begins it", p), "prompt");
    // The last token that is generated is never read.
    const std::int64_t read = length + std::max<std::int64_t>(request.max_tokens - 1, 0);
    if (read > model.config().max_positions)
      throw ApiError(400,
                     fmt::format("prompt {} (from 0) has {} tokens, and max_tokens is {}: the model has {} "
                                 "positions",
                                 p, length, request.max_tokens, model.config().max_positions),
                     "prompt", "context_length_exceeded");
    tokens += (length + request.max_tokens) * request.n;
  }
  if (tokens > limits.tokens)
    throw ApiError(
        400,
        fmt::format("the prompts and what may follow them are {} tokens, and a request may have {}: send "
                    "fewer prompts at once",
                    tokens, limits.tokens),
        "prompt");
}

// ---- the other fields

double read_temperature(const JsonView& body) {
  if (!body.has("temperature")) return CompletionRequest().temperature;
  const double value = read_field(body, "temperature", [](const JsonView& at) { return at.as_number(); });
  if (!(value >= 0 && value <= kHottest))
    throw ApiError(400, fmt::format("\"temperature\" must be from 0 to {}, found {}", kHottest, value),
                   "temperature");
  return value;
}

std::vector<std::string> read_stops(const JsonView& body) {
  if (!body.has("stop")) return {};
  std::vector<std::string> stops = read_field(body, "stop", [](const JsonView& at) {
    return at.is_string() ? std::vector<std::string>{at.as_string()} : at.as_strings();
  });
  if (stops.size() > kMostStops)
    throw ApiError(400, fmt::format("\"stop\" may have {} texts, found {}", kMostStops, stops.size()),
                   "stop");
  if (std::find(stops.begin(), stops.end(), "") != stops.end())
    throw ApiError(400, "\"stop\" holds an empty text", "stop");
  return stops;
}

Json parse_body(const std::string& body) {
  try {
    return parse_json(body, "request");
  } catch (const Error& error) {
    throw ApiError(400, error.what());
  }
}

}  // namespace

CompletionRequest read_completion_request(const std::string& body, const Model& model,
                                          const RequestDefaults& defaults, const CompletionLimits& limits) {
  const Json json = parse_body(body);
  if (!json.is_object()) throw ApiError(400, "the body must be a JSON object");
  const JsonView view(json, "request");
  require_known_fields(view);
  CompletionRequest request;
  if (view.has("model"))
    request.model = read_field(view, "model", [](const JsonView& at) { return at.as_string(); });
  request.n = read_whole(view, "n", 1, 1, limits.rows);
  if (view.has("echo"))
    request.echo = read_field(view, "echo", [](const JsonView& at) { return at.as_bool(); });
  request.max_tokens = read_whole(view, "max_tokens", 16, request.echo ? 0 : 1, limits.tokens);
  request.temperature = read_temperature(view);
  request.seed = defaults.seed;
  if (view.has("seed"))
    request.seed = static_cast<std::uint64_t>(
        read_field(view, "seed", [](const JsonView& at) { return at.as_integer(); }));
  if (view.has("logprobs")) request.logprobs = read_whole(view, "logprobs", 0, 0, limits.logprobs);
  request.stop = read_stops(view);
  if (!view.has("prompt")) throw ApiError(400, "the field \"prompt\" is missing", "prompt");
  request.prompts =
      read_field(view, "prompt", [&](const JsonView& at) { return read_prompts(at, model, defaults.front); });
  require_room(request, model, limits);
  return request;
}

}  // namespace emend
