// One set of questions, answered by many models that differ from one block on.
#pragma once

#include <cstdint>
#include <vector>

#include "emend/model.h"
#include "eval/questions.h"
#include "model/row_overlays.h"
#include "model/sampling.h"

namespace emend {

// Blocks below the first edited one see no edit (causality), so they run once for all models: their keys, values and the
// residual stream entering that block are kept. Above it each record's edit is an overlay on its own rows, so all
// records' edited models run in one batch on one set of weights. The two answers of a prompt share its pass; only the last
// position of a prompt and the positions of answers get logits.
class AnswerEngine {
 public:
  struct Options {
    int first_edited_block = 0;        // blocks from here on may differ between models
    std::int64_t token_budget = 4096;  // prompt tokens a pass
    DrawOptions draw{0, 0, 0};         // greedy, or how texts are sampled
    std::int64_t records = 0;          // of the sheet
  };

  // Runs the lower blocks over the sheet. The model's lower blocks must stay as they are while this lives.
  AnswerEngine(const Model& model, QuestionSheet sheet, const Options& options);

  // The answers of all records by the base model. Called first: next-token distributions are compared with these.
  std::vector<Answers> answer_base() { return answer({}, {}); }

  // The same by edited models: record r meets edits[edit_of_record[r]] (-1: none).
  std::vector<Answers> answer(const std::vector<std::vector<WeightChange>>& edits,
                              const std::vector<std::int64_t>& edit_of_record);

 private:
  struct Batch {
    std::size_t begin = 0, end = 0;           // prompts
    std::vector<TokenIds> ids;
    KvCache cache;
    at::Tensor hidden;                        // [N, D] entering the first edited block; undefined when that is block 0
    std::vector<std::size_t> continuations;   // those of these prompts
    std::vector<TokenIds> rest;               // answers of two tokens and more, without the last: rows after their prompts
    std::vector<std::size_t> rest_owner;      // continuation of each
    std::vector<std::int64_t> rest_row;       // cache row of each
    at::Tensor rest_hidden;
    at::Tensor base_logprobs;                 // [compared, V] of the base
  };

  void prepare(Batch& batch);
  void answer_batch(Batch& batch, const RowOverlays& overlays, std::vector<Answers>& answers);
  void score_first_tokens(const Batch& batch, const at::Tensor& logits, std::vector<AnswerScore>& scores) const;
  void score_rest(Batch& batch, const RowOverlays& overlays, std::vector<AnswerScore>& scores) const;
  void compare(Batch& batch, const at::Tensor& logits, std::vector<Answers>& answers) const;
  void generate(Batch& batch, const at::Tensor& logits, const RowOverlays& overlays, std::vector<Answers>& answers) const;

  const Model& model_;
  QuestionSheet sheet_;
  Options options_;
  std::vector<Batch> batches_;
};

}  // namespace emend
