// Which subjects of a checkpoint were edited, as a caller asks it with files: the rules of the question, and
// its answer.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "emend/edited_subjects.h"
#include "emend/model.h"
#include "emend/patch_run.h"
#include "emend/progress.h"

namespace emend {

struct SubjectQuestions {
  std::filesystem::path base;                     // the checkpoint that was edited
  std::filesystem::path subjects, unedited;       // files that read_candidates reads; empty: not given
  std::optional<double> false_alarms;             // not given: the default
  EditedSubjectsOptions how;                      // `controls` and `false_alarms` come from the above
  std::vector<CandidateSubject> candidates = {};  // what read_questions found; empty: nothing is asked
};

// Throws Error(kUsage) for what is out of range, needs something else, or would change nothing. Reads no
// file.
void check_questions(const SubjectQuestions& questions);

// Fills the candidates and the controls. Throws as read_candidates does.
void read_questions(SubjectQuestions& questions);

// Loads the base once more and adds `subjects` to the outcome, and warnings, if anything is asked. `outcome`
// was found with InspectDirections::kFind then. Throws as find_edited_subjects does.
void answer_questions(const Model& checkpoint, const SubjectQuestions& questions, const ModelOptions& loading,
                      InspectOutcome& outcome, Progress& progress);

}  // namespace emend
