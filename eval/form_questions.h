// The questions of a record in other forms, built from the wordings of its relation.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "emend/dataset.h"
#include "eval/form_templates.h"

namespace emend {

// After `prompt`, `wanted` must be likelier than `other`.
struct PairQuestion {
  std::string prompt, wanted, other;
};

// `subject` must be likelier after the prompt about the target than after the one about the present answer.
struct ReversedQuestion {
  std::string about_target, about_was, subject;
};

// What stands in front of a multiple choice: nothing; the edited statement; a sentence that has nothing to do
// with it; a statement of the present answer.
inline constexpr std::array<const char*, 4> kChoiceContexts = {"bare", "edited", "unrelated", "old"};
// What an option says.
enum class ChoiceRole : std::uint8_t { kTarget, kOld, kUnsure };
// One question in one order of its options: the letters A, B and C stand for roles[0], [1] and [2].
struct ChoiceQuestion {
  std::size_t context = 0;  // of kChoiceContexts
  std::string prompt;
  std::array<ChoiceRole, 3> roles{};
};
inline constexpr std::array<const char*, 3> kChoiceLetters = {"A", "B", "C"};

// Of one record. A form that cannot be built has no questions, and `left_out` says why.
struct RecordForms {
  std::vector<PairQuestion> negation, fact_check, alias, one_hop;
  std::vector<ChoiceQuestion> choice;
  std::vector<ReversedQuestion> reversed;
  std::vector<std::string> same_subject;
  std::map<FactForm, std::string> left_out;

  // Whether there is a question of that form.
  bool has(FactForm form) const;
  // Every prompt of a form with the answers that are scored after it.
  std::vector<std::pair<std::string, std::string>> scored(FactForm form, const std::string& target) const;
  void drop(FactForm form, const std::string& reason);
};

// The forms asked for, of a record whose present answer is known. What the record's data set has itself, as
// questions of a kind of its own (aliases, one hop, other relations of the subject), is not built again.
RecordForms forms_of(const EvalRecord& record, const FormTemplates& templates,
                     const std::set<FactForm>& forms);

}  // namespace emend
