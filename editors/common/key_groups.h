// Requests by key: those whose subject's last token sees the same text share one residual.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "editors/common/key_response.h"
#include "editors/common/layer_trace.h"
#include "emend/editor.h"

namespace emend {

// All rows of one request up to what the editor needs of them.
struct RequestRows {
  const EditRequest* request = nullptr;
  std::vector<PromptRow> prompts;  // first the bare row, then one a context; without the target
  std::vector<std::int64_t> fronts;  // the shared front of each
  PromptRow subject;               // for the drift term
  TokenIds target;
};

// One residual to be found.
struct KeyGroup {
  std::vector<std::size_t> requests;  // indices
  at::Tensor bare_key;                // [F] float64
  at::Tensor context_key;             // [F] float64: mean over the context rows; undefined without contexts
  at::Tensor K;                       // [F, n] float64: what a answers to
  at::Tensor y;                       // [n]
  std::string ids(const std::vector<EditRequest>& all) const;  // "eiffel, louvre"
};

}  // namespace emend
