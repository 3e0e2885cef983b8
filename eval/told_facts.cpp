#include "eval/told_facts.h"

#include <fmt/format.h>

#include <algorithm>

namespace emend {
namespace {

constexpr const char* kNoRoom = "no room in front of a prompt";

}  // namespace

void ToldFacts::add_or_fail(const EditRequest& fact, std::vector<EditRequest>& told,
                            EditedRecord& state) const {
  told.push_back(fact);
  const auto tokens =
      static_cast<std::int64_t>(prompt_ids(tokenizer_, editor_.text_in_front(told), form_).size());
  if (tokens <= room_) return;
  told.pop_back();
  state.status = RecordStatus::kFailed;
  state.reason = fmt::format(
      "{}: beside {} other facts it would take {} tokens, and the model's positions leave {} for that beside "
      "the longest question",
      kNoRoom, told.size(), tokens, std::max<std::int64_t>(room_, 0));
}

void ToldFacts::leave_out_untold(const std::vector<EditRequest>& facts, std::vector<EditRequest> told,
                                 bool alone, LaidEdits& laid) const {
  for (std::size_t r = 0; r < facts.size(); ++r) {
    if (laid.states[r].status != RecordStatus::kEdited) continue;
    if (alone) told.clear();
    add_or_fail(facts[r], told, laid.states[r]);
  }
}

std::vector<EditRequest> edited_of(const std::vector<EditRequest>& requests,
                                   const std::vector<EditedRecord>& states) {
  std::vector<EditRequest> edited;
  for (std::size_t r = 0; r < requests.size(); ++r)
    if (states[r].status == RecordStatus::kEdited) edited.push_back(requests[r]);
  return edited;
}

Fronts fronts_of(const Editor& editor, const std::vector<EditRequest>& requests, const LaidEdits& laid) {
  std::vector<std::vector<EditRequest>> facts(laid.edits.size());
  for (std::size_t r = 0; r < requests.size(); ++r)
    if (laid.states[r].status == RecordStatus::kEdited && laid.edit_of_record[r] >= 0)
      facts[static_cast<std::size_t>(laid.edit_of_record[r])].push_back(requests[r]);
  Fronts fronts;
  for (const std::vector<EditRequest>& told : facts) fronts.push_back(editor.text_in_front(told));
  return fronts;
}

std::int64_t count_untold(const std::vector<RecordResult>& records) {
  return std::count_if(records.begin(), records.end(), [](const RecordResult& record) {
    return record.status == RecordStatus::kFailed && record.reason.starts_with(kNoRoom);
  });
}

}  // namespace emend
