// Facts that are told to the model in front of every prompt, by methods that change no weights.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/prompt_rows.h"
#include "emend/editor.h"
#include "emend/eval.h"
#include "eval/measure.h"
#include "eval/record_edits.h"

namespace emend {

// Which facts have room in front of a prompt.
class ToldFacts {
 public:
  // `room`: tokens of the text in front, at most. The references outlive it.
  ToldFacts(const Editor& editor, const Tokenizer& tokenizer, const RowForm& form, std::int64_t room)
      : editor_(editor), tokenizer_(tokenizer), form_(form), room_(room) {}

  // Adds the fact to `told` if there is room for it beside the others there; else `state` becomes that of a
  // failed edit, with the reason.
  void add_or_fail(const EditRequest& fact, std::vector<EditRequest>& told, EditedRecord& state) const;
  // The same for each of the records `facts` of `laid` that are edited: beside `told` and those before them,
  // or with nothing beside them (`alone`).
  void leave_out_untold(const std::vector<EditRequest>& facts, std::vector<EditRequest> told, bool alone,
                        LaidEdits& laid) const;

 private:
  const Editor& editor_;
  const Tokenizer& tokenizer_;
  const RowForm& form_;
  std::int64_t room_;
};

// Those of the records that are edited: `states` is theirs, in the same order.
std::vector<EditRequest> edited_of(const std::vector<EditRequest>& requests,
                                   const std::vector<EditedRecord>& states);

// The text of each edit of `laid`: that of its records that are edited, in their order. `requests`: of the
// same records.
Fronts fronts_of(const Editor& editor, const std::vector<EditRequest>& requests, const LaidEdits& laid);

// How many records are failed edits because there was no room for them.
std::int64_t count_untold(const std::vector<RecordResult>& records);

}  // namespace emend
