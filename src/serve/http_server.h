// A small HTTP server that answers completions of a model and of its patches, as OpenAI's API does. It is for
// checking an edit before it ships: no encryption, no keys, one request at a time in the model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "emend/model.h"
#include "serve/completion_request.h"
#include "serve/served_models.h"

namespace emend {

struct ServeOptions {
  std::string host = "127.0.0.1";  // an address of this machine; the default is reached from it alone
  int port = 8080;                 // 0: any that is free
  RequestDefaults defaults;
  CompletionLimits limits;
  std::int64_t token_budget = 4096;    // tokens of one pass
  std::size_t waiting = 64;            // requests that may wait for the model; more are refused with 503
  std::size_t body_bytes = 2'000'000;  // longer bodies are refused with 413
  std::int64_t seconds = 300;          // from the end of a request's body, waiting included; then 504
  std::int64_t shutdown_seconds = 10;  // to write the last answers once the model has ended its work
};

// Completions by how they ended.
struct ServeOutcome {
  std::int64_t answered = 0;
  std::int64_t refused = 0;   // the request was wrong: 4xx
  std::int64_t failed = 0;    // too many, too slow, or an error of ours: 5xx
  std::int64_t vanished = 0;  // the client went away
};

// Answers until `stop` returns true, which is asked every tenth of a second and before every step of the
// model, and not any more once it did; then refuses new completions, ends those that were accepted and
// returns. The model is worked with by the calling thread alone. `ready` gets the address once requests are
// taken: "http://127.0.0.1:8080". Throws Error(kIo) where the address cannot be listened on, Error(kModel)
// for a model without a tokenizer.
ServeOutcome serve(const Model& model, const ServedModels& models, const ServeOptions& options,
                   const std::function<void(const std::string& address)>& ready,
                   const std::function<bool()>& stop);

}  // namespace emend
