// Causal attention over packed rows with a cache (GPT-2; Llama's grouped
// queries); names of sizes: emend/pass.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "emend/model.h"
#include "emend/pass.h"

namespace emend {

// How packed tokens lie in rows, made once a pass: positions, and the way
// into and out of the padded form [R, T].
class RowLayout {
 public:
  RowLayout(const PassInput& input, const ModelConfig& config, const at::TensorOptions& options);

  std::int64_t tokens() const { return tokens_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t width() const { return width_; }
  const at::Tensor& positions() const { return positions_; }        // [N] int64
  const at::Tensor& row_of_token() const { return row_of_token_; }  // [N] int64

  // Rows of the cache: of every token [N], and picked out of [cache rows, ...] for every row [R, ...].
  at::Tensor cache_row_of_token() const;
  at::Tensor select_cache_rows(const at::Tensor& cached) const;

  // [N, ...] -> [R, T, ...] (pad slots repeat a token of the pass; masks hide them) and back.
  at::Tensor pad(const at::Tensor& packed) const;
  at::Tensor unpad(const at::Tensor& padded) const;

  // 0 where a query sees a key, -inf elsewhere: [R, 1, T, keys].
  at::Tensor mask(int block) const;

 private:
  void build_mask(const PassInput& input, const at::TensorOptions& options);

  std::int64_t tokens_ = 0, rows_ = 0, width_ = 0;
  bool even_ = true;  // all rows equally long: padding is a view
  std::vector<std::int64_t> first_token_, lengths_, starts_;
  at::Tensor positions_, row_of_token_, cache_rows_, pad_index_, unpad_index_, mask_;
  struct Cut {
    int begin, end;
    std::int64_t row, query, key;
  };
  std::vector<Cut> cuts_;
};

// softmax(q k^T s + mask) v and its output projection: x [N, D] (normalised) -> [N, D].
at::Tensor attention(const at::Tensor& x, const BlockWeights& weights, const ModelConfig& config, int block,
                     const RowLayout& layout, const at::Tensor& cos, const at::Tensor& sin,
                     const PassInput& input);

}  // namespace emend
