// What the training of weights stands on: each fact as one token row, with its keys and its residual stream
// at the layer of the first weight. Blocks below that layer cannot change, so they run once; each evaluation
// begins at the layer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "editors/common/layer_trace.h"
#include "editors/common/request_rows.h"
#include "editors/common/search_unit.h"
#include "editors/common/training_options.h"
#include "emend/model.h"

namespace emend::editors {

// The bare prompt of every request with its target. Throws Error(kConfig) if targets should end with a token
// that the tokenizer does not have.
std::vector<SearchRow> training_rows(const CallRows& all, const Tokenizer& tokenizer,
                                     const TrainingOptions& options);

class TrainingRows {
 public:
  // The references outlive it. `most_tokens`: of one pass that takes gradients. The trace is that of the
  // first layer; `above`, ascending, are further ones whose weights are trained with it.
  TrainingRows(const Model& model, const LayerTrace& trace, std::vector<SearchRow> rows,
               std::int64_t most_tokens, std::vector<int> above = {});

  std::size_t size() const { return rows_.size(); }
  // -log p(target) per token of these rows, for the weights W + change, one change (float32 [D, F]) for each
  // layer. With `gradients` (float32 [D, F] each) those of their mean are added to them.
  std::vector<double> losses(const std::vector<std::size_t>& which, const std::vector<at::Tensor>& changes,
                             std::vector<at::Tensor>* gradients) const;

 private:
  std::vector<TracedRow> traced(const std::vector<std::size_t>& which) const;
  // One pass; `share` is the weight of a row in the mean.
  std::vector<double> pass(const std::vector<std::size_t>& which, const std::vector<at::Tensor>& changes,
                           double share, std::vector<at::Tensor>* gradients) const;
  // What a weight with its change says: its keys [T, F], its values v = (W + change) k + b or, where they
  // are added to the stream as they are, the stream itself [T, D], and the stream behind its block [T, D].
  struct Written {
    at::Tensor keys, values, hidden;
  };
  Written written_first(const std::vector<TracedRow>& rows, const at::Tensor& change, bool gradient) const;
  Written written_above(int layer, const PassInput& rows, const at::Tensor& change) const;
  at::Tensor mean_nll(const std::vector<std::size_t>& which, const at::Tensor& logprobs) const;
  PassInput input_of(const std::vector<std::size_t>& which, const std::vector<TracedRow>& rows) const;

  const Model& model_;
  const LayerTrace& trace_;
  std::vector<SearchRow> rows_;
  std::int64_t most_tokens_;
  std::vector<int> above_;
  std::vector<TracedRow> kept_;  // of all rows; empty where that would take too much memory
};

}  // namespace emend::editors
