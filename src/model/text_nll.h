// How likely a model finds text, token by token: the log of its perplexity.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"

namespace emend {

// Texts that models are asked about which differ from one block on: what lies below that block runs once.
class TextNll {
 public:
  // Each text begins with its first id given. `model` outlives this; its blocks below `first_block` must not
  // change meanwhile. They run in passes of at most `token_budget` tokens, and of no more than 256.
  TextNll(const Model& model, const std::vector<TokenIds>& texts, int first_block, std::int64_t token_budget);
  // The same with hidden() of another one of the same texts, first block and budget: nothing runs here.
  // Throws Error(kConfig) if it is of another shape.
  TextNll(const Model& model, const std::vector<TokenIds>& texts, int first_block, std::int64_t token_budget,
          const at::Tensor& hidden);

  // Mean nll of the next token over all positions, in nats, of the model as it is now; 0 without any.
  double mean(const std::vector<Overlay>& overlays = {}) const;

  // Runs the blocks up to `block`, which is the first one from then on; it is not below the present one.
  void move_to(int block);

  // [tokens(), D] the residual stream in front of the first block; undefined if that is block 0.
  at::Tensor hidden() const;
  // Ids that run.
  std::int64_t tokens() const;
  // The same before anything runs.
  static std::int64_t tokens_of(const std::vector<TokenIds>& texts, std::int64_t token_budget);

 private:
  struct Part {
    std::vector<TokenIds> ids;
    std::vector<std::int64_t> logit_tokens, next;  // positions that have a next token, and that token
    at::Tensor hidden;                             // in front of the first block; undefined: it is block 0

    std::int64_t tokens() const;
  };
  static std::int64_t tokens_of(const std::vector<Part>& parts);
  static std::vector<Part> lay_out(const std::vector<TokenIds>& texts, std::int64_t token_budget);

  const Model& model_;
  int first_block_;
  std::vector<Part> parts_;
};

}  // namespace emend
