// Prompts through the blocks of a model in another order, or without halves of some.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"

namespace emend {

class LayerRuns {
 public:
  // One pass over the rows side by side. The model must outlive this.
  LayerRuns(const Model& model, std::vector<TokenIds> rows);

  // Log probabilities of the next token at the end of each row [R, V], float64 on the CPU.
  const at::Tensor& unchanged() const { return unchanged_; }
  // The same with the blocks run in this order: any of them, any number of times. Blocks that stand in front
  // in their own order are not run again. Through all blocks in their order it is the model itself.
  at::Tensor in_order(const std::vector<int>& order) const;
  // The same with zeros at a site (attention's or the network's output) of blocks [begin, end).
  at::Tensor without(Site site, int begin, int end) const;

 private:
  PassInput from(int block, const at::Tensor& hidden) const;
  at::Tensor ends(const PassInput& input) const;

  const Model& model_;
  std::vector<TokenIds> rows_;
  std::vector<std::int64_t> ends_;  // packed
  std::int64_t tokens_ = 0;
  std::vector<at::Tensor>
      entering_;  // [N, D] the stream entering each block, and at last the one that leaves
  at::Tensor unchanged_;
};

}  // namespace emend
