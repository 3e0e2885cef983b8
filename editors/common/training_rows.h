// What the training of one weight stands on: each fact as one token row, with its keys and its residual
// stream at the layer of the weight. Blocks below the layer cannot change, so they run once; each evaluation
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
  // The references outlive it. `most_tokens`: of one pass that takes gradients.
  TrainingRows(const Model& model, const LayerTrace& trace, std::vector<SearchRow> rows,
               std::int64_t most_tokens);

  std::size_t size() const { return rows_.size(); }
  // -log p(target) per token of these rows, for the weight W + change (float32 [D, F]). With `gradient`
  // (float32 [D, F]) the gradient of their mean is added to it.
  std::vector<double> losses(const std::vector<std::size_t>& which, const at::Tensor& change,
                             at::Tensor* gradient) const;

 private:
  std::vector<TracedRow> traced(const std::vector<std::size_t>& which) const;
  // One pass; `share` is the weight of a row in the mean.
  std::vector<double> pass(const std::vector<std::size_t>& which, const at::Tensor& change, double share,
                           at::Tensor* gradient) const;
  at::Tensor mean_nll(const std::vector<std::size_t>& which, const at::Tensor& logprobs) const;
  PassInput input_of(const std::vector<std::size_t>& which, const std::vector<TracedRow>& rows) const;

  const Model& model_;
  const LayerTrace& trace_;
  std::vector<SearchRow> rows_;
  std::int64_t most_tokens_;
  std::vector<TracedRow> kept_;  // of all rows; empty where that would take too much memory
};

}  // namespace emend::editors
