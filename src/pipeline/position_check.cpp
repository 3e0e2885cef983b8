#include "pipeline/position_check.h"

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {
namespace {

// Rows of one edit file on one model.
class PositionCheck {
 public:
  PositionCheck(const Model& model, const EditFile& file, const RowForm& form)
      : model_(model), file_(file), form_(form) {}

  // `what` is the text in words: "the prompt".
  void require(const EditRequest& edit, const std::string& what, const std::string& prompt,
               const std::string& answer) const {
    if (is_surely_short(prompt, answer)) return;
    const Tokenizer& tokenizer = model_.tokenizer();
    const std::size_t tokens = prompt_ids(tokenizer, prompt, form_).size() +
                               (answer.empty() ? 1 : target_ids(tokenizer, answer, form_).size());
    if (static_cast<std::int64_t>(tokens) > model_.config().max_positions)
      throw Error(ErrorKind::kConfig,
                  fmt::format("{}edit {}: {} and the answer behind it have {} tokens, and the model has {} "
                              "positions; shorten it",
                              file_.path.empty() ? "" : file_.path.string() + ": ", quote(edit.id), what,
                              tokens, model_.config().max_positions));
  }

 private:
  // No text is encoded whose bytes say that it fits: even normalised, a byte is not more than four tokens.
  bool is_surely_short(const std::string& prompt, const std::string& answer) const {
    constexpr std::size_t kMostTokensAByte = 4, kBesides = 64;
    const std::size_t most =
        kMostTokensAByte * (prompt.size() + answer.size()) + form_.prefix.size() + kBesides;
    return form_.form == PromptForm::kRaw && static_cast<std::int64_t>(most) <= model_.config().max_positions;
  }

  const Model& model_;
  const EditFile& file_;
  const RowForm& form_;
};

}  // namespace

void require_positions(const Model& model, const EditFile& file, const RowForm& form) {
  const PositionCheck check(model, file, form);
  for (const EditRequest& edit : file.edits) {
    check.require(edit, "the prompt", edit.prompt, edit.target);
    for (std::size_t i = 0; i < edit.paraphrases.size(); ++i)
      check.require(edit, fmt::format("paraphrase {}", i + 1), edit.paraphrases[i], edit.target);
    for (std::size_t i = 0; i < edit.neighbours.size(); ++i)
      check.require(edit, fmt::format("neighbour {}", i + 1), edit.neighbours[i].prompt,
                    edit.neighbours[i].answer);
    for (const OtherSubject& other : edit.bleed)
      check.require(edit, "the prompt about " + quote(other.subject), prompt_about(edit, other.subject),
                    other.answer.empty() ? edit.target : other.answer);
  }
}

}  // namespace emend
