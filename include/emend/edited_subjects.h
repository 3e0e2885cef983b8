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
//
// An editor of several layers solves each on a model whose lower layers are written already, so keys are read
// from the edited checkpoint. How much of a key lies in the span by chance differs by layer: much in the
// lower ones, where a key tells the last token rather than the name. So where several layers changed, shares
// are compared with those of control names, which were surely not edited: with m and d their mean and
// deviation at a layer, a subject's excess is the largest over the layers of (s - m) / d, and it counts as
// edited if at most a share `false_alarms` of the controls has so much: if (1 + c) / (1 + n) <= false_alarms
// for c of n controls with as large an excess.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
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

// From here on a subject counts as edited where there are no controls. docs/disclosure.md has the
// measurements behind it.
inline constexpr double kEditedScore = 0.5;

struct EditedSubjectsOptions {
  // The folder of C of the base's keys, where factors of C are taken from and kept as an edit does; empty:
  // the one beside the base.
  std::filesystem::path statistics = {};
  std::int64_t token_budget = 4096;
  // A score from which a subject counts as edited, without controls; std::nullopt: kEditedScore for one
  // changed layer, controls for several.
  std::optional<double> threshold = {};
  // Subjects that were surely not edited. Empty: where they are wanted, names are made of parts of the
  // candidates' (control_names.h).
  std::vector<CandidateSubject> controls = {};
  double false_alarms = 0.02;  // share of the controls that may count as edited, 0.001 to 0.5
};

struct SubjectScore {
  std::string subject;
  double score = 0;  // the mean over the changed layers of `by_layer`
  bool edited = false;
  std::vector<double> by_layer;  // the largest s(k) of its keys at each changed layer
  std::optional<double> excess;  // over the controls, in their deviations; of the layer where it is largest
};

struct EditedSubjects {
  std::vector<SubjectScore> subjects;  // in the order of the candidates
  std::vector<int> layers;             // whose down projections differ, with a row space that tells something
  std::vector<std::int64_t> ranks;     // n of each
  double expected = 0;                 // mean of n / F
  double threshold = kEditedScore;     // of the score; without controls
  std::filesystem::path statistics;    // the folder
  std::int64_t controls = 0;           // how many; 0: there are none
  bool made = false;                   // the controls were made of the candidates' names
  double false_alarms = 0;             // the share that was asked for; 0 without controls
  double excess_threshold = 0;         // from which excess on a subject counts as edited
  std::vector<std::string> warnings;
};

// Reads one candidate a line: a subject, or a subject, a tab and a prompt that holds it. Blank lines are
// passed over. Throws Error(kFormat), naming file and line, for a prompt without its subject and for a
// subject that is there twice with the same prompt; if there are none; Error(kIo).
std::vector<CandidateSubject> read_candidates(const std::filesystem::path& file);

// `edited`: the checkpoint, of the base's shapes; `weights`: what inspect() says of it against `base`, with
// its directions (InspectDirections::kFind). Throws Error(kModel) where no down projection differs or each
// differs in too many directions to tell subjects apart (WeightDifference::directions), Error(kConfig) if the
// statistics of a changed layer are not there, for a control that is among the candidates and for controls
// that are too few for `false_alarms`, Error(kUsage) for no candidates and a share out of range,
// Error(kNumeric) as SpdFactor does, and what `progress` throws. Where too few names can be made of the
// candidates', the fixed threshold counts, with a warning.
EditedSubjects find_edited_subjects(const Model& base, const Model& edited, const Inspection& weights,
                                    const std::vector<CandidateSubject>& candidates,
                                    const EditedSubjectsOptions& options = {},
                                    Progress& progress = no_progress());

}  // namespace emend
