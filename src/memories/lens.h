// A lens (emend/memory_lens.h) over one model.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "emend/memory_lens.h"
#include "emend/model.h"
#include "memories/vocab_reducer.h"

namespace emend {

class Lens {
 public:
  // Throws for a map file: Error(kFormat) naming the tensor that is no [D, D] matrix, names no layer of the
  // model or a layer twice; Error(kIo) where it cannot be read.
  Lens(const Model& model, const LensOptions& options);

  // h [n, D] as a factor of the output embedding, float32 on the CPU. Throws Error(kConfig) where the file
  // has no map of that layer; other kinds do not look at `layer`.
  at::Tensor fold(const at::Tensor& h, int layer) const;
  // What is kept of the logits of n folded vectors [n, D] (memories/vocab_reducer.h); `keep` is cut to the
  // number of tokens. Targets [n, T] are ids, -1 for none; one that is masked counts as none.
  VocabularyResult reduce(const at::Tensor& folded, std::int64_t keep, const at::Tensor& targets = {},
                          const std::function<void(std::int64_t)>& on_rows = {}) const;
  // [n] float32: of row i the logit of token ids[i] (int64, one that takes part).
  at::Tensor logits_of(const at::Tensor& folded, const at::Tensor& ids) const;
  // [n, V'] float32, a column for each of tokens(). For a few rows.
  at::Tensor logits(const at::Tensor& h, int layer) const;

  // How many tokens take part: those of the tokenizer, without the masked ones.
  std::int64_t tokens() const { return table_.size(0); }
  // The row of the table that belongs to a token, folded for directions: E_w, so that a folded vector times
  // it is the token's logit. Throws Error(kConfig) for an id that takes no part.
  at::Tensor token_row(std::int64_t id) const;

 private:
  void read_maps(const Model& model);
  void mask_special(const Tokenizer& tokenizer);

  LensOptions options_;
  BlockSpec spec_;                    // of the final norm
  at::Tensor gain_, bias_;            // of the final norm
  at::Tensor table_, offset_;         // [V', D], [V'] or undefined, float32 on the CPU
  at::Tensor ids_;                    // [V'] the tokens of the rows; undefined: row i is token i
  std::vector<std::int64_t> row_of_;  // the row of each token, -1: masked; empty as above
  double soft_cap_ = 0, multiplier_ = 1;
  std::map<int, at::Tensor> maps_;
};

}  // namespace emend
