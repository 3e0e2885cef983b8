// The body of POST /v1/completions, read and checked before any work.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"

namespace emend {

// How much one request may ask for.
struct CompletionLimits {
  std::int64_t rows = 256;      // prompts times n
  std::int64_t tokens = 65536;  // of all rows: their prompts, and what may follow them
  std::int64_t logprobs = 20;   // likeliest tokens listed at each place
};

struct CompletionPrompt {
  TokenIds ids;           // with the BOS that a text begins with; ids that were sent stand as they are
  std::size_t front = 0;  // how many of them are that BOS
  std::string text;       // as it was sent, or what the ids say
};

struct CompletionRequest {
  std::string model;  // empty: the base
  std::vector<CompletionPrompt> prompts;
  std::int64_t n = 1;            // completions of each prompt
  std::int64_t max_tokens = 16;  // 0 only with echo
  double temperature = 1;        // 0 to 100; 0: the likeliest token each time
  std::uint64_t seed = 0;
  bool echo = false;                     // the prompt before the completion, in text and tokens
  std::optional<std::int64_t> logprobs;  // how many of the likeliest tokens to list; none: no logprobs
  std::vector<std::string> stop;         // texts that end a completion, at most 4
};

struct RequestDefaults {
  TokenIds front;          // the BOS ids that begin prompts that are texts: resolve_bos(); empty: none
  std::uint64_t seed = 0;  // where the request names none
};

// Throws ApiError(400), naming the field: what is not JSON, a field that is unknown or not supported (unless
// its value asks for nothing), values of a wrong type or out of range, ids that the model does not have, and
// a prompt that leaves no room for max_tokens in the model's positions. Any thread.
CompletionRequest read_completion_request(const std::string& body, const Model& model,
                                          const RequestDefaults& defaults,
                                          const CompletionLimits& limits = {});

}  // namespace emend
