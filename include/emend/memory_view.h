// A feed-forward layer as key-value memories: y = sum_i m_i v_i + b, one cell a unit of the key (Geva et al.
// 2021, arXiv 2012.14913, eq. 2).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "emend/model.h"

namespace emend {

// Where a value is read. Most models add what the down projection produces to the stream as it is, and the
// two are the same. Behind a norm or a residual multiplier (BlockSpec::mlp_post_norm, residual_multiplier)
// a value arrives changed.
enum class ValueSide {
  kProduced,  // v_i: what the down projection produces; sum m_i v_i + b is Site::kMlpOutput
  kArriving,  // s (gamma' * C v_i): what the stream receives, up to the norm's size rho at that token
};

// Vectors read against the stream before its norm: score = rows x / size(x) + bias.
struct FoldedKeys {
  at::Tensor rows;  // [F, D]
  at::Tensor bias;  // [F]
};

// What a cell's coefficient is made of at one token: act(gate) up, or act(up).
struct CellScores {
  std::optional<double> gate;  // of a gated layer
  double up = 0;
};

// Names of sizes: F d_ff cells, D d_model. All tensors are float32 on the model's device and are made when
// they are asked for; where the weights are float32, keys, gates and values are views of them. Owns nothing:
// the model must outlive the view. Any thread may call it while nobody changes the weights.
class FfnView {
 public:
  // Throws Error(kConfig) naming the range if the model has no such layer.
  FfnView(const Model& model, int layer);

  int layer() const { return layer_; }
  std::int64_t cells() const { return cells_; }
  // The coefficient of a gated cell is act(gate x + b_g) (up x + b_u), else act(up x + b_u).
  bool is_gated() const { return spec().gated_mlp; }
  const BlockSpec& spec() const;

  // [F, D]: row i is the key of cell i; of a gated layer its up vector. `gates` throws Error(kModel) where
  // the layer is not gated. Biases are [F], or undefined where the layer has none.
  at::Tensor keys() const;
  at::Tensor key_bias() const;
  at::Tensor gates() const;
  at::Tensor gate_bias() const;

  // The same with the gain and the bias of the norm in front taken in: gamma * k and b + beta k, and for a
  // LayerNorm the mean of gamma * k taken off. For statements about directions; coefficients are the same.
  FoldedKeys folded_keys() const;
  FoldedKeys folded_gates() const;
  // Of one cell, [1, D] and [1], without a copy of the others.
  FoldedKeys folded_key(std::int64_t cell) const;
  FoldedKeys folded_gate(std::int64_t cell) const;
  // What the norm in front divides a token's stream by [N, 1], for the stream that the layer reads [N, D];
  // ones where no norm stands in front.
  at::Tensor input_size(const at::Tensor& stream) const;

  // Of one cell, for the stream that the layer reads at one token [D].
  CellScores scores(std::int64_t cell, const at::Tensor& stream) const;

  // [F, D]: row i is the value of cell i.
  at::Tensor values(ValueSide side = ValueSide::kProduced) const;
  // [D]: that of one cell, without a copy of the others.
  at::Tensor value(std::int64_t cell, ValueSide side = ValueSide::kProduced) const;
  // For a vector q [D] on the arriving side: the vector p on the produced side that has the same products
  // with all values, v' q = v p.
  at::Tensor pulled_back(const at::Tensor& q) const;
  // [D]: the bias of the down projection; zeros where it has none.
  at::Tensor output_bias(ValueSide side = ValueSide::kProduced) const;
  // The bias of the norm behind the layer times the multiplier [D]: what arrives in addition to the values;
  // zeros if there is no such bias.
  at::Tensor arriving_offset() const;
  // rho [N, 1]: what the norm behind the layer divides y = sum m_i v_i + b [N, D] by; ones if there is no
  // such norm. The stream receives sum (m_i / rho) v'_i + b' / rho + offset, with v' and b' of the arriving
  // side.
  at::Tensor output_size(const at::Tensor& y) const;

  // Length of each value on that side [F].
  at::Tensor value_norms(ValueSide side) const;

 private:
  const BlockWeights& weights() const;
  FoldedKeys folded(const at::Tensor& rows, const at::Tensor& bias) const;
  at::Tensor inner_rows(std::int64_t first, std::int64_t count) const;
  at::Tensor inner_bias(std::int64_t first, std::int64_t count) const;
  at::Tensor arriving(const at::Tensor& rows) const;

  const Model* model_;
  int layer_;
  std::int64_t cells_;
};

}  // namespace emend
