// Some prompts of a sheet: through the lower blocks once, through the upper ones for the base and for each
// set of edited models.
#pragma once

#include <cstdint>
#include <vector>

#include "emend/model.h"
#include "measure/questions.h"
#include "model/batches.h"
#include "model/row_overlays.h"
#include "model/sampling.h"
#include "model/shared_tokens.h"

namespace emend {

struct AnswerOptions {
  int first_edited_block = 0;  // blocks from here on may differ between models
  // Tokens of a batch: those of prompts, of their answers, and those that are generated.
  std::int64_t token_budget = 4096;
  DrawOptions draw{0, 0, 0};  // greedy, or how texts are sampled
  // Ids that end a text. Where there are any, texts are generated to their end (Answers::to_end); without
  // them the tokenizer's EOS stops a text that is read to a length.
  std::vector<std::int64_t> ends = {};
  bool samples = false;      // sampled texts are answers to prompts (Answers::samples), not Answers::texts
  std::int64_t records = 0;  // how many the sheet asks about
};

// An edit of block l changes what the down projection of l makes of its keys, and nothing before that. So one
// pass of the base model gives the residual stream h after block l and the keys k of l. An edited model
// begins with h + B (A k), or with what of B (A k) arrives behind a norm or a multiplier (ValuePath), and
// goes on at block l + 1. Prompts of one model that begin alike, and a prompt with its answers, share their
// tokens (model/shared_tokens.h).
class AnswerBatch {
 public:
  // `prompts` of the sheet; `continuations[p - prompts.begin]` are those of prompt p. Model and sheet outlive
  // this, and the model's blocks up to the first edited one must not change meanwhile.
  AnswerBatch(const Model& model, const QuestionSheet& sheet, RowRange prompts,
              const std::vector<std::vector<std::size_t>>& continuations, const AnswerOptions& options);

  // Adds the answers of these prompts to those of their records. Prompt p of the sheet meets the edit
  // edit_of_prompt[p] (-1: none), which `overlays` holds under the same number. The base (no edits at all)
  // answers first: next-token distributions are compared with its.
  void answer(const RowOverlays& overlays, const std::vector<std::int64_t>& edit_of_prompt,
              std::vector<Answers>& answers);

 private:
  // A row of tokens: a prompt, or a prompt with an answer but for its last token.
  struct Row {
    TokenIds ids;
    std::size_t prompt;
    std::int64_t cache_row;  // -1: nothing is generated after it
  };
  struct Asked {
    std::size_t continuation;
    std::size_t row;  // holds its prompt and all tokens but the last
  };
  // How the rows share tokens, and which of them are read.
  struct Plan {
    SharedTokens tokens;
    std::vector<std::int64_t> logit_tokens;
    std::vector<std::int64_t> prompt_logits;  // of each prompt: row of logits of its last token
    std::vector<std::vector<std::int64_t>>
        answer_logits;  // of each of asked_: rows of logits of the tokens of the answer
  };

  void lay_out(const std::vector<std::vector<std::size_t>>& continuations);
  void run_lower_blocks();
  Plan plan(const std::vector<std::int64_t>& edit_of_prompt) const;
  PassInput rows_of(const SharedTokens& tokens);
  at::Tensor upper_logits(const Plan& plan, const RowOverlays& overlays);
  void score(const Plan& plan, const at::Tensor& logits, std::vector<Answers>& answers) const;
  void compare(const Plan& plan, const at::Tensor& logits, std::vector<Answers>& answers);
  void generate(const Plan& plan, const at::Tensor& logits, const RowOverlays& overlays,
                std::vector<Answers>& answers);

  // `text`: the ids without special tokens; `ended_by`: as decode() tells it.
  EndedText ended_text(TokenIds ids, const std::string& text, std::int64_t ended_by) const;

  std::size_t prompt_length(std::size_t prompt) const { return sheet_.prompts[prompt].size(); }
  Answers& record_of(std::size_t prompt, std::vector<Answers>& answers) const {
    return answers[static_cast<std::size_t>(sheet_.record[prompt])];
  }

  const Model& model_;
  const QuestionSheet& sheet_;
  RowRange prompts_;
  AnswerOptions options_;
  std::vector<Row> rows_;
  std::vector<std::size_t> row_of_prompt_;  // of each prompt: a row that begins with it
  std::vector<Asked> asked_;
  std::vector<std::size_t> generating_;  // prompts, in the order of their cache rows
  KvCache cache_;                        // of the rows of `generating_`
  Plan base_;
  at::Tensor hidden_, key_;   // [base tokens, D] after the first edited block; [base tokens, F] its keys
  at::Tensor value_;          // [base tokens, D] W k + b there; undefined where it arrives as it is
  at::Tensor base_logprobs_;  // [compared, V] of the base
};

}  // namespace emend
