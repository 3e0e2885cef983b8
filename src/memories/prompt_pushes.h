// One pass over a prompt, forward and back: all that an explanation of a logit is made of.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"

namespace emend {

// A logit, or the difference of two.
struct LogitOfInterest {
  std::int64_t token = 0;
  std::optional<std::int64_t> against;
};

// N tokens of the prompt; all float32 on the CPU. Entry l of each list is layer l.
struct PromptPushes {
  std::vector<at::Tensor> keys;       // [N, F] coefficients
  std::vector<at::Tensor> gradients;  // [N, F] of the logit at the last token, held (model/layers.h)
  std::vector<at::Tensor> read;       // [N, D] the stream that the layer reads, in front of its norm
  std::vector<at::Tensor> residual;   // [D] at the last token: the stream without what the layer adds
  std::vector<at::Tensor> produced;   // [D] W k + b at the last token
  std::vector<at::Tensor> output;     // [D] the stream behind the block at the last token
  std::vector<at::Tensor> entering;   // [D] the stream in front of the block at the last token
  // [D]: the logit is this times what the stream receives, the final norm's size held, plus a constant:
  // C (gamma_f * e) / sigma_f with e the tokens' rows of the head, each times multiplier and ratio of the
  // cap.
  at::Tensor direction;
  double logit = 0;
};

// PromptPushes::direction, from the logits [V] and the stream behind the last block [D] at a token; all
// float32 on the CPU.
at::Tensor logit_direction(const Model& model, const LogitOfInterest& wanted, const at::Tensor& logits,
                           const at::Tensor& last);

// What each cell of a layer adds to the logit at once at the last token [F], the final norm's size held
// (ExplainCell::contribution).
at::Tensor direct_contributions(const Model& model, const PromptPushes& pushes, int layer);

PromptPushes run_pushes(const Model& model, const TokenIds& ids, const LogitOfInterest& wanted);

}  // namespace emend
