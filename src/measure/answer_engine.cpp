#include "measure/answer_engine.h"

#include <c10/core/GradMode.h>

namespace emend {

namespace {

std::vector<std::vector<std::size_t>> continuations_by_prompt(const QuestionSheet& sheet) {
  std::vector<std::vector<std::size_t>> by_prompt(sheet.prompts.size());
  for (std::size_t c = 0; c < sheet.continuations.size(); ++c)
    by_prompt[sheet.continuations[c].prompt].push_back(c);
  return by_prompt;
}

// Tokens that each prompt needs room for: its own, those of its answers, those that are generated.
std::vector<std::int64_t> room(const QuestionSheet& sheet,
                               const std::vector<std::vector<std::size_t>>& continuations) {
  std::vector<std::int64_t> tokens;
  for (std::size_t p = 0; p < sheet.prompts.size(); ++p) {
    tokens.push_back(static_cast<std::int64_t>(sheet.prompts[p].size()) + sheet.max_new[p]);
    for (const std::size_t c : continuations[p])
      tokens.back() += static_cast<std::int64_t>(sheet.continuations[c].target.size()) - 1;
  }
  return tokens;
}

}  // namespace

std::vector<std::vector<Answers>> AnswerEngine::answer(const std::vector<EditedModels>& models,
                                                       const std::function<void(std::int64_t)>& done) const {
  const c10::NoGradGuard no_grad;
  const std::vector<std::int64_t> none(sheet_.prompts.size(), -1);
  std::vector<std::vector<std::int64_t>> edit_of_prompt;
  std::vector<RowOverlays> overlays;
  for (const EditedModels& model : models) {
    auto& edits = edit_of_prompt.emplace_back();
    for (const std::int64_t record : sheet_.record)
      edits.push_back(model.edit_of_record[static_cast<std::size_t>(record)]);
    overlays.emplace_back(*model.edits, edits, model_.options());
  }
  std::vector<std::vector<Answers>> answers(models.size() + 1,
                                            std::vector<Answers>(static_cast<std::size_t>(options_.records)));
  const auto continuations = continuations_by_prompt(sheet_);
  for (const RowRange prompts : split_by_size(room(sheet_, continuations), options_.token_budget)) {
    const std::vector<std::vector<std::size_t>> own(
        continuations.begin() + static_cast<std::ptrdiff_t>(prompts.begin),
        continuations.begin() + static_cast<std::ptrdiff_t>(prompts.end));
    AnswerBatch batch(model_, sheet_, prompts, own, options_);
    batch.answer({}, none, answers.front());
    for (std::size_t m = 0; m < models.size(); ++m)
      batch.answer(overlays[m], edit_of_prompt[m], answers[m + 1]);
    if (done) done(static_cast<std::int64_t>(prompts.end));
  }
  return answers;
}

}  // namespace emend
