// How far an edited model has moved on held text: text that has nothing to do with the edits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/edit.h"
#include "emend/generate.h"
#include "emend/model.h"

namespace emend {

using TextRows = std::vector<TokenIds>;

// Each text in rows of at most 512 ids, each with the prefix in front. Rows of fewer than two ids have
// nothing to measure and are left out.
TextRows held_rows(const Model& model, const TokenIds& prefix, const std::vector<std::string>& texts);

// Ids whose probability is measured: all but the first of each row.
std::int64_t measured_tokens(const TextRows& rows);

struct Drift {
  double kl = 0;          // mean over tokens of KL(base || edited) of the next token, nats
  double perplexity = 1;  // ratio, edited over base
};

// Held text, run once through the lower blocks and once through the base model.
class DriftProbe {
 public:
  // `rows` of ids, each with its first token; rows of one token are left out. Blocks below
  // `first_edited_block` are those of the base in every model that is measured.
  DriftProbe(const Model& model, const std::vector<TokenIds>& rows, int first_edited_block,
             std::int64_t token_budget);

  // The model as it is now, with the changes laid over it.
  Drift measure(const std::vector<WeightChange>& changes) const;
  std::int64_t tokens() const { return tokens_; }

 private:
  struct Part {
    std::vector<TokenIds> ids;
    at::Tensor hidden, key;                  // after the first edited block, and its keys
    at::Tensor value;                        // W k + b there; undefined where it arrives as it is
    std::vector<std::int64_t> logit_tokens;  // positions that have a next token
    at::Tensor next;                         // [n, 1] that token
    at::Tensor base;                         // [n, V] log-probabilities of the base
  };
  at::Tensor logprobs(const Part& part, const std::vector<WeightChange>& changes) const;

  const Model& model_;
  int first_edited_block_;
  std::vector<Part> parts_;
  std::int64_t tokens_ = 0;
};

}  // namespace emend
