// Edits of a run's records: what an editor refuses is a result of the records concerned, not the end of the
// run.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "emend/editor.h"
#include "emend/eval.h"

namespace emend {

// Why a record was skipped.
inline constexpr const char* kNotKnown = "not known by the model";
inline constexpr const char* kContradicts = "contradicts another record of the same edit";

// What became of one record.
struct EditedRecord {
  RecordStatus status = RecordStatus::kEdited;  // as in RecordResult
  std::string reason;
  int layer = 0, steps = 0;
  double loss = 0, relative_norm = 0;
  std::vector<std::string> warnings = {};
  std::vector<int> layers = {};  // as in RecordResult
};

// Whether an editor refuses the records that it was given (kConfig, kNumeric), and other records may pass.
bool is_about_records(const Error& error);

// Each request as an edit of its own, in their order. If the editor refuses (Error of kind kConfig or
// kNumeric), the requests are tried one by one, and those that are refused again become failed edits without
// changes. Other errors are passed on.
std::vector<Edit> edit_alone(const Editor& editor, const Model& model, const std::vector<EditRequest>& wanted,
                             const EditorContext& context, Progress& progress);

// Requests of one prompt with different targets cannot all be right in one model: those that were to be
// edited are all skipped, since the data does not say which is meant.
void leave_out_contradictions(const std::vector<EditRequest>& requests, std::vector<EditedRecord>& states);

// All requests as one edit, whose facts are in their order. A request that the editor refuses beside those
// before it (its key can hardly be told from another's) becomes a failed fact, and the others are edited
// without it.
Edit edit_together(const Editor& editor, const Model& model, const std::vector<EditRequest>& wanted,
                   const EditorContext& context, Progress& progress);

// The outcome of fact `number` of `edit` into `state`. The warnings of the edit move to the first of its
// facts that did not fail, or to the first of all if all failed.
void note_outcome(Edit& edit, std::size_t number, EditedRecord& state);

// For the files of a sequential run.
nlohmann::json outcomes_json(const std::vector<EditedRecord>& states);
// Throws Error(kFormat), beginning with `source`, for JSON that outcomes_json does not write.
std::vector<EditedRecord> outcomes_from(std::string_view text, const std::string& source);

}  // namespace emend
