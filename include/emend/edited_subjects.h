// Which subjects were edited between two checkpoints, told from the weights and the subjects' names alone.
//
// An edit in closed form writes D = R A to a down projection, and each row of A is a combination of columns
// of C^-1 K: of the keys K of its subjects, C = E[k k^T]. So with Q [F, n] an orthonormal basis of the row
// space of D = W' - W, the vectors C Q lie in span(K). In the inner product <x, y> = x^T C^-1 y, in which
// other keys are spread evenly, the share of a key k that lies in span(C Q) is
//
//     s(k) = (Q^T k)^T (Q^T C Q)^-1 (Q^T k) / (k^T C^-1 k)      from 0 to 1,
//
// the square of the cosine between k and span(C Q). In s(k) C stands for C + 1e-5 trace(C) / F I, in Q^T C Q
// and in C^-1 alike: the ridge with which ROME solves by default. A key that an edit answers to lies in the
// span; one that has nothing to do with the edits has about n / F. (Projection of candidates on the row space
// of Delta W C: KSTER, arXiv 2602.10134.)
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/inspect.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

// A subject in question. `prompt`: a text with the subject in it, whose key at the subject's last token is
// asked besides those behind a few general words; empty: these alone.
struct CandidateSubject {
  std::string subject, prompt;
};

// From here on a subject counts as edited. docs/disclosure.md has the measurements behind it.
inline constexpr double kEditedScore = 0.5;

struct SubjectScore {
  std::string subject;
  double score = 0;  // the mean over the changed layers of the largest s(k) of its keys
  bool edited = false;
};

struct EditedSubjects {
  std::vector<SubjectScore> subjects;  // in the order of the candidates
  std::vector<int> layers;             // whose down projections differ, with a row space that tells something
  std::vector<std::int64_t> ranks;     // n of each
  double expected = 0;                 // mean of n / F
  double threshold = kEditedScore;
  std::filesystem::path statistics;  // the folder
};

// Reads one candidate a line: a subject, or a subject, a tab and a prompt that holds it. Blank lines are
// passed over. Throws Error(kFormat), naming file and line, for a prompt without its subject and for a
// subject that is there twice with the same prompt; if there are none; Error(kIo).
std::vector<CandidateSubject> read_candidates(const std::filesystem::path& file);

// `weights`: what inspect() says of the checkpoint against `base`, with its directions
// (InspectDirections::kFind). `statistics`: the folder of C of the base's keys, where factors of C are taken
// from and kept as an edit does; empty: the one beside the base. Throws Error(kModel) where no down
// projection differs or each differs in too many directions to tell subjects apart
// (WeightDifference::directions), Error(kConfig) if the statistics of a changed layer are not there,
// Error(kNumeric) as SpdFactor does, and what `progress` throws.
EditedSubjects find_edited_subjects(const Model& base, const Inspection& weights,
                                    const std::vector<CandidateSubject>& candidates,
                                    const std::filesystem::path& statistics, std::int64_t token_budget,
                                    double threshold = kEditedScore, Progress& progress = no_progress());

}  // namespace emend
