// Attention of rows that begin at their first token, in batches of rows of about one length.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <vector>

#include "emend/model.h"
#include "model/attend.h"

namespace emend {

// Rows of one bucket are padded to its width, a multiple of 16 (softmax is several times slower on shorter
// lines); pad slots repeat the row's last token. They stand behind all tokens of the row, so the causal mask
// alone hides them. A token that rows share asks in the first of them only. Queries, keys and values are
// gathered head by head, so that the products need no copies.
class RowBuckets {
 public:
  // token_of[row][t]: the packed token at position t of the row; `tokens` of them.
  RowBuckets(const std::vector<std::vector<std::int64_t>>& token_of, std::int64_t tokens,
             const ModelConfig& config, const at::Device& device);

  // The same with all tensors on `device`.
  RowBuckets on(const at::Device& device) const;

  // Whether queries and keys come in a tensor of their own: they are turned or normalised in some block.
  static bool takes_own_qk(const ModelConfig& config);

  // softmax(cap(q k^T scale) + mask) v for every packed token: [N, H h]. `qkv` [N, H + 2 K, h] holds the
  // queries, keys and values of each token; if the model takes its own queries and keys, they are those of
  // `qk` [N, H + K, h], else both are the same tensor.
  at::Tensor attend(const at::Tensor& qk, const at::Tensor& qkv, const ScoreRule& rule) const;

 private:
  struct Bucket {
    std::int64_t rows = 0, asking = 0, width = 0;  // slots of a row for queries, and for keys
    // [rows H asking], [rows K width] twice: vectors of h numbers in `qk` and `qkv`
    at::Tensor queries, keys, values;
    // For each window: 0 where a query sees a key, -inf elsewhere, plus ALiBi's terms: [1, H / K width,
    // width] where all tokens ask and heads are alike, else [rows K, H / K asking, width].
    std::map<std::int64_t, at::Tensor> masks;
  };

  std::int64_t tokens_, heads_, kv_heads_, head_dim_;
  std::vector<Bucket> buckets_;
  at::Tensor
      results_;  // [N H] of each token and head: its vector among those of all buckets, one after the other
};

}  // namespace emend
