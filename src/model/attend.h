// What attention does between its two products, the same under all layouts.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "emend/model.h"

namespace emend {

// How a block's queries and keys become weights.
struct ScoreRule {
  double scale = 1;         // factor of q k^T
  double soft_cap = 0;      // a score s becomes cap tanh(s / cap); 0: it stays
  std::int64_t window = 0;  // BlockSpec::window
};
ScoreRule score_rule(const ModelConfig& config, int block);
// The windows that blocks of this model have, each once, ascending; 0 where a block sees all.
std::vector<std::int64_t> windows_of(const ModelConfig& config);

// softmax(cap(scores) + mask): what `attend` multiplies values by, float32.
at::Tensor attention_weights(const at::Tensor& scores, const at::Tensor& mask, double soft_cap);

// softmax(cap(scores) + mask) values. `scores` [..., Q, keys] float32, scaled; `mask` of a shape that can be
// added to them, 0 where a query sees a key and -inf elsewhere, plus ALiBi's terms where the model has them
// (undefined: it is in the scores already, which then have no cap); `values` [..., keys, h]. Softmax in
// float32, its product in the values' type: [..., Q, h], with the leading sizes of `values`.
at::Tensor attend(const at::Tensor& scores, const at::Tensor& mask, const at::Tensor& values,
                  double soft_cap);

// ALiBi's slope of each head [H] (Press et al. 2022), bfloat16 as Falcon has them.
at::Tensor alibi_slopes(std::int64_t heads);

// ALiBi's terms for keys at these positions (int64, any shape [...]): scale slope position, [..., H] float32,
// rounded as Falcon's are. A term that grows with the key alone does what Press et al.'s distance does.
at::Tensor alibi_terms(const at::Tensor& key_positions, std::int64_t heads, double scale);

}  // namespace emend
