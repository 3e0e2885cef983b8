// The token rows of all requests of one call: each prompt bare, and behind each of a few sampled texts.
#pragma once

#include <string>
#include <vector>

#include "analysis/prompt_rows.h"
#include "editors/common/layer_trace.h"
#include "emend/model.h"
#include "emend/records.h"

namespace emend::editors {

// All rows of one request.
struct RequestRows {
  std::vector<PromptRow> prompts;    // first the bare row, then one a context; without the target
  std::vector<std::int64_t> fronts;  // the shared front that each begins with
  PromptRow subject;                 // the subject alone, for the drift term
  TokenIds target;
  std::vector<std::string> warnings;  // with the id: the subject's last token also covers other text
};

// The rows of one call and the fronts that they share.
class CallRows {
 public:
  // `contexts` stand in front of the prompts, without BOS (sample_contexts); in chat form inside the user's
  // message. Throws Error(kConfig) for a target without tokens, and as bare_row does.
  CallRows(const Tokenizer& tokenizer, const std::vector<EditRequest>& requests, const RowForm& form,
           std::vector<TokenIds> contexts);

  const RowForm& form() const { return form_; }
  const std::vector<TokenIds>& contexts() const { return contexts_; }
  // For LayerTrace: the BOS alone, then BOS and each context.
  const std::vector<TokenIds>& fronts() const { return fronts_; }
  std::size_t size() const { return requests_.size(); }
  const RequestRows& operator[](std::size_t request) const { return requests_[request]; }

  // The bare prompt's lookup token stands at position 0 with nothing in front: its key is the sink's.
  bool lies_at_sink(std::size_t request) const {
    return form_.prefix.empty() && requests_[request].prompts.front().lookup == 0;
  }

  // One prompt of a request as a front and the tokens behind it, followed by `more`.
  TraceRow trace_row(std::size_t request, std::size_t prompt, const TokenIds& more = {}) const;
  // The same up to its lookup token: what follows cannot change the key there.
  TraceRow trace_row_to_lookup(std::size_t request, std::size_t prompt) const;
  // Any row that begins with the BOS ids, as the first front and the tokens behind it.
  TraceRow behind_prefix(const TokenIds& ids) const;

 private:
  RequestRows make_rows(const Tokenizer& tokenizer, const EditRequest& request) const;

  RowForm form_;
  std::vector<TokenIds> contexts_, fronts_;
  std::vector<RequestRows> requests_;
};

}  // namespace emend::editors
