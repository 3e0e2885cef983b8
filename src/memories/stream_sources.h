// Who wrote what is read from the stream: a vector's product with it, shared out over the embedding, heads by
// the token that they read, feed-forward networks, and biases.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "emend/generate.h"
#include "emend/memory_explain.h"
#include "emend/model.h"

namespace emend {

// What reads the stream, and where.
struct StreamReader {
  at::Tensor direction;       // [D] float32: what is read is direction * stream
  double constant = 0;        // that is added to it, whoever wrote the stream
  double value = 0;           // what came out in the pass: direction * stream + constant
  std::int64_t position = 0;  // of the token
  int blocks = 0;             // blocks that have run whole
  bool attention = false;     // and the attention of the one behind them
};

// One pass over a prompt of N tokens, and what the heads read at some of them.
class StreamSources {
 public:
  // `positions`: of the tokens that readers stand at.
  StreamSources(const Model& model, const TokenIds& ids, std::vector<std::int64_t> positions);

  // One sum a reader, with its `strongest` largest parts.
  std::vector<SourceSum> sums(const std::vector<StreamReader>& readers, int strongest) const;

  // The same shares of one reader's heads: what each layer's heads brought from each token [L, N], float64.
  at::Tensor brought(const StreamReader& reader) const;
  // The weights that a layer's heads give to all tokens at one of the positions [H, N].
  at::Tensor head_weights(int layer, std::int64_t position) const;

 private:
  struct Layer {
    at::Tensor weights;  // [H, P, N] of the heads at the positions
    at::Tensor values;   // [N, K, h]
    at::Tensor size;     // [P, 1] of attention's output where a norm follows it, else ones
    at::Tensor added;    // [P, D] what the network adds there
  };
  struct Shares {
    at::Tensor heads;         // [R, L, H, N] float32
    at::Tensor ffn, biases;   // [R, L] float64
    at::Tensor token, place;  // [R] float64: token and position embedding
  };

  void add_layer(const Model& model, int layer, const at::Tensor& entering, const at::Tensor& attention,
                 const at::Tensor& produced, const at::Tensor& places);
  Shares shares_of(const std::vector<StreamReader>& readers) const;
  void add_heads(int layer, const at::Tensor& asked, const at::Tensor& directions, const at::Tensor& at,
                 Shares& shares) const;
  SourceSum sum_of(const StreamReader& reader, const Shares& shares, std::int64_t row, int strongest) const;
  std::int64_t place_of(std::int64_t position) const;

  const Model& model_;
  std::int64_t tokens_;
  std::vector<std::int64_t> positions_;  // sorted, each once
  at::Tensor token_, place_;             // [P, D] parts of the embedding
  std::vector<Layer> layers_;            // all on the CPU, float32
};

}  // namespace emend
