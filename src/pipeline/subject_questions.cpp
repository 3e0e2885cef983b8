#include "pipeline/subject_questions.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "emend/error.h"

namespace emend {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorKind::kUsage, why);
}

}  // namespace

void check_questions(const SubjectQuestions& questions) {
  const std::optional<double>& score = questions.how.threshold;
  const std::optional<double>& share = questions.false_alarms;
  if (!questions.subjects.empty() && questions.base.empty())
    refuse("the option base is missing: the keys of the option subjects are read from that checkpoint");
  if (score && !(*score >= 0 && *score <= 1))
    refuse(fmt::format("the option edited-score must be from 0 to 1, found {}", *score));
  if (share && !(*share >= 0.001 && *share <= 0.5))
    refuse(fmt::format("the option false-alarms must be from 0.001 to 0.5, found {}", *share));
  if (score && (!questions.unedited.empty() || share))
    refuse(
        "the option edited-score sets the threshold, and so do the option unedited and the option "
        "false-alarms; "
        "leave one out");
  if (!questions.subjects.empty()) return;
  for (const auto& [given, name] :
       {std::pair{score.has_value(), "edited-score"}, std::pair{!questions.unedited.empty(), "unedited"},
        std::pair{share.has_value(), "false-alarms"},
        std::pair{!questions.how.statistics.empty(), "statistics"}})
    if (given) refuse(fmt::format("the option {} changes nothing without the option subjects", name));
}

void read_questions(SubjectQuestions& questions) {
  if (!questions.subjects.empty()) questions.candidates = read_candidates(questions.subjects);
  if (!questions.unedited.empty()) questions.how.controls = read_candidates(questions.unedited);
  questions.how.false_alarms = questions.false_alarms.value_or(questions.how.false_alarms);
}

void answer_questions(const Model& checkpoint, const SubjectQuestions& questions, const ModelOptions& loading,
                      InspectOutcome& outcome, Progress& progress) {
  if (questions.candidates.empty()) return;
  const Model before = Model::load(questions.base, loading, progress);
  outcome.subjects = find_edited_subjects(before, checkpoint, outcome.weights, questions.candidates,
                                          questions.how, progress);
  const EditedSubjects& found = *outcome.subjects;
  outcome.warnings.insert(outcome.warnings.end(), found.warnings.begin(), found.warnings.end());
  if (questions.false_alarms && found.controls == 0 && found.warnings.empty())
    outcome.warnings.emplace_back(
        "the option false-alarms changes nothing here: one layer changed, where the fixed threshold counts; "
        "name "
        "subjects that surely were not edited with the option unedited");
}

}  // namespace emend
