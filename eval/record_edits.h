// Edits of a run's records: what an editor refuses is a result of the records concerned, not the end of the run.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emend/editor.h"

namespace emend {

// What became of one record.
struct EditedRecord {
  std::string status = "edited", reason;  // as in RecordResult
  int layer = 0, steps = 0;
  double loss = 0, relative_norm = 0;
};

// Edited or failed: what means are made of.
bool is_evaluated(const EditedRecord& state);

// Each request an edit of its own. When the editor refuses (Error of kind kConfig or kNumeric), the requests are tried one by one, and
// those refused again are failed edits without changes. Other errors pass.
std::vector<Edit> edit_alone(const Editor& editor, const Model& model, const std::vector<EditRequest>& wanted,
                             const EditorContext& context, Progress& progress);

// All requests as one edit. A batch that contradicts itself, or whose keys coincide, is a failed edit of all of them.
Edit edit_together(const Editor& editor, const Model& model, const std::vector<EditRequest>& wanted, const EditorContext& context,
                   Progress& progress);

// The outcome of `request` in `edit` into `state`.
void note_outcome(const Edit& edit, const EditRequest& request, EditedRecord& state);

nlohmann::json outcomes_json(const std::vector<EditedRecord>& states);
std::vector<EditedRecord> outcomes_from(const nlohmann::json& list);

}  // namespace emend
