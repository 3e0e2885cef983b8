#include "eval/record_edits.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace {

bool is_about_records(const Error& error) {
  return error.kind() == ErrorKind::kConfig || error.kind() == ErrorKind::kNumeric;
}

Edit failed_edit(const std::vector<EditRequest>& wanted, const std::string& reason) {
  Edit none;
  for (const EditRequest& request : wanted) {
    FactRecord fact;
    fact.request = request;
    fact.status = FactStatus::kFailed;
    fact.parts.emplace_back();
    fact.reason = reason;
    none.facts.push_back(std::move(fact));
  }
  return none;
}

// The number of requests at the front that the editor's plan takes, when it does not take all of them.
std::size_t count_planned(const Editor& editor, const Model& model, const std::vector<EditRequest>& wanted,
                          const EditorContext& context) {
  std::size_t taken = 0, refused = wanted.size();  // known so far
  while (taken + 1 < refused) {
    const std::size_t middle = taken + (refused - taken) / 2;
    try {
      editor.plan(model, {wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(middle)}, context);
      taken = middle;
    } catch (const Error& error) {
      if (!is_about_records(error)) throw;
      refused = middle;
    }
  }
  return taken;
}

// Why the plan of all requests is refused; empty when it is not.
std::string refusal_of(const Editor& editor, const Model& model, const std::vector<EditRequest>& wanted,
                       const EditorContext& context) {
  try {
    editor.plan(model, wanted, context);
    return "";
  } catch (const Error& error) {
    if (!is_about_records(error)) throw;
    return error.what();
  }
}

// Is it this request that an edit's warnings are kept with: the first that is not failed, else the first?
bool carries_warnings(const Edit& edit, const EditRequest& request) {
  const auto edited = std::find_if(edit.facts.begin(), edit.facts.end(),
                                   [](const FactRecord& fact) { return fact.status != FactStatus::kFailed; });
  const auto carrier = edited != edit.facts.end() ? edited : edit.facts.begin();
  return carrier == edit.facts.end() || carrier->request.id == request.id;
}

RecordStatus status_of(FactStatus status) {
  switch (status) {
    case FactStatus::kEdited:
      return RecordStatus::kEdited;
    case FactStatus::kAlreadyTrue:
      return RecordStatus::kAlreadyTrue;
    case FactStatus::kFailed:
      return RecordStatus::kFailed;
  }
  return RecordStatus::kFailed;
}

RecordStatus status_from(const std::string& text) {
  const auto status = parse_record_status(text);
  if (!status)
    throw Error(ErrorKind::kFormat, "a step of the run has a record of unknown status " + quote(text));
  return *status;
}

}  // namespace

void leave_out_contradictions(const std::vector<EditRequest>& requests, std::vector<EditedRecord>& states) {
  std::map<std::string, std::set<std::string>> targets;  // of each prompt
  for (std::size_t i = 0; i < requests.size(); ++i)
    if (states[i].status == RecordStatus::kEdited) targets[requests[i].prompt].insert(requests[i].target);
  for (std::size_t i = 0; i < requests.size(); ++i)
    if (states[i].status == RecordStatus::kEdited && targets.at(requests[i].prompt).size() > 1)
      states[i] = {RecordStatus::kSkipped, kContradicts};
}

std::vector<Edit> edit_alone(const Editor& editor, const Model& model, const std::vector<EditRequest>& wanted,
                             const EditorContext& context, Progress& progress) {
  try {
    return editor.edit_each(model, wanted, context, progress);
  } catch (const Error& error) {
    if (!is_about_records(error)) throw;
    if (wanted.size() == 1) return {failed_edit(wanted, error.what())};
  }
  std::vector<Edit> edits;
  for (const EditRequest& request : wanted)
    edits.push_back(edit_alone(editor, model, {request}, context, progress).front());
  return edits;
}

Edit edit_together(const Editor& editor, const Model& model, const std::vector<EditRequest>& wanted,
                   const EditorContext& context, Progress& progress) {
  std::vector<EditRequest> kept = wanted;
  std::vector<FactRecord> refused;
  Edit edit;
  while (!kept.empty()) {
    try {
      edit = editor.edit(model, kept, context, progress);
      break;
    } catch (const Error& error) {
      if (!is_about_records(error)) throw;
      const std::string refusal = refusal_of(editor, model, kept, context);
      // A plan that holds, and yet no edit: nobody in particular is to blame.
      const std::size_t blamed = refusal.empty() ? 0 : count_planned(editor, model, kept, context);
      const std::size_t end = refusal.empty() ? kept.size() : blamed + 1;
      const std::vector<EditRequest> out(kept.begin() + static_cast<std::ptrdiff_t>(blamed),
                                         kept.begin() + static_cast<std::ptrdiff_t>(end));
      for (FactRecord& fact : failed_edit(out, refusal.empty() ? error.what() : refusal).facts)
        refused.push_back(std::move(fact));
      kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(blamed),
                 kept.begin() + static_cast<std::ptrdiff_t>(end));
    }
  }
  edit.facts.insert(edit.facts.end(), refused.begin(), refused.end());
  return edit;
}

void note_outcome(Edit& edit, const EditRequest& request, EditedRecord& state) {
  for (const FactRecord& fact : edit.facts)
    if (fact.request.id == request.id)
      state = {status_of(fact.status), fact.reason, fact.layer(), fact.steps, fact.loss,
               fact.relative_norm()};
  if (carries_warnings(edit, request)) state.warnings = std::exchange(edit.warnings, {});
}

nlohmann::json outcomes_json(const std::vector<EditedRecord>& states) {
  nlohmann::json list = nlohmann::json::array();
  for (const EditedRecord& s : states)
    list.push_back({{"status", to_string(s.status)},
                    {"reason", s.reason},
                    {"layer", s.layer},
                    {"steps", s.steps},
                    {"loss", s.loss},
                    {"relative_norm", s.relative_norm},
                    {"warnings", s.warnings}});
  return list;
}

std::vector<EditedRecord> outcomes_from(const nlohmann::json& list) {
  std::vector<EditedRecord> states;
  for (const nlohmann::json& s : list)
    states.push_back({status_from(s.at("status")), s.at("reason"), s.at("layer"), s.at("steps"), s.at("loss"),
                      s.at("relative_norm"), s.value("warnings", std::vector<std::string>{})});
  return states;
}

}  // namespace emend
