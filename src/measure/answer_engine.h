// One set of questions, answered by many models that differ from one block on.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "emend/edit.h"
#include "measure/answer_batch.h"

namespace emend {

// Edited models: edits[edit_of_record[r]] is the edit that record r meets; -1: none.
struct EditedModels {
  const std::vector<std::vector<WeightChange>>* edits = nullptr;
  std::vector<std::int64_t> edit_of_record;
};

// Blocks up to the first edited one see no edit (causality), so they run once for all models. Above it each
// record's edit is an overlay on its own rows, so that the edited models of all records run in one batch on
// one set of weights. Each batch is answered by the base and by all models before the next one begins: the
// token budget bounds the memory.
class AnswerEngine {
 public:
  AnswerEngine(const Model& model, QuestionSheet sheet, const AnswerOptions& options)
      : model_(model), sheet_(std::move(sheet)), options_(options) {}

  std::int64_t prompts() const { return static_cast<std::int64_t>(sheet_.prompts.size()); }

  // Answers of all records: [0] by the base model, [1 + i] by models[i]. `done` is told after each batch how
  // many prompts of the sheet are answered; it may throw to stop.
  std::vector<std::vector<Answers>> answer(const std::vector<EditedModels>& models,
                                           const std::function<void(std::int64_t)>& done = {}) const;

 private:
  const Model& model_;
  QuestionSheet sheet_;
  AnswerOptions options_;
};

}  // namespace emend
