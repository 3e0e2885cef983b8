#include "eval/record_edits.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "base/json.h"
#include "emend/error.h"

namespace emend {
namespace {

FactRecord failed_fact(const EditRequest& request, const std::string& reason) {
  FactRecord fact;
  fact.request = request;
  fact.status = FactStatus::kFailed;
  fact.parts.emplace_back();
  fact.reason = reason;
  return fact;
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

// The fact that an edit's warnings are kept with: the first that did not fail, else the first.
std::size_t carrier_of_warnings(const Edit& edit) {
  const auto edited = std::find_if(edit.facts.begin(), edit.facts.end(),
                                   [](const FactRecord& fact) { return fact.status != FactStatus::kFailed; });
  return edited == edit.facts.end() ? 0 : static_cast<std::size_t>(edited - edit.facts.begin());
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

RecordStatus status_from(const JsonView& json) {
  const auto status = parse_record_status(json.as_string());
  if (!status) json.refuse("\"edited\", \"already true\", \"failed\" or \"skipped\"");
  return *status;
}

int small_from(const JsonView& json) {
  if (json.as_non_negative_integer() > std::numeric_limits<int>::max()) json.refuse("a smaller number");
  return static_cast<int>(json.as_integer());
}

EditedRecord record_from(const JsonView& json) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();  // written as null
  EditedRecord record;
  record.status = status_from(json.at("status"));
  record.reason = json.string("reason");
  record.layer = small_from(json.at("layer"));
  record.steps = small_from(json.at("steps"));
  record.loss = json.number_or("loss", kNaN);
  record.relative_norm = json.number_or("relative_norm", kNaN);
  if (const auto warnings = json.find("warnings")) record.warnings = warnings->as_strings();
  if (const auto layers = json.find("layers"))  // steps of an earlier version name the first one alone
    for (const JsonView& layer : layers->elements()) record.layers.push_back(small_from(layer));
  return record;
}

}  // namespace

bool is_about_records(const Error& error) {
  return error.kind() == ErrorKind::kConfig || error.kind() == ErrorKind::kNumeric;
}

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
    if (wanted.size() == 1) {
      Edit failed;
      failed.facts = {failed_fact(wanted.front(), error.what())};
      return {failed};
    }
  }
  std::vector<Edit> edits;
  for (const EditRequest& request : wanted)
    edits.push_back(edit_alone(editor, model, {request}, context, progress).front());
  return edits;
}

Edit edit_together(const Editor& editor, const Model& model, const std::vector<EditRequest>& wanted,
                   const EditorContext& context, Progress& progress) {
  std::vector<std::size_t> kept(wanted.size());
  std::iota(kept.begin(), kept.end(), std::size_t{0});
  std::vector<FactRecord> facts(wanted.size());
  Edit edit;
  while (!kept.empty()) {
    std::vector<EditRequest> requests;
    for (const std::size_t i : kept) requests.push_back(wanted[i]);
    try {
      edit = editor.edit(model, requests, context, progress);
      break;
    } catch (const Error& error) {
      if (!is_about_records(error)) throw;
      const std::string refusal = refusal_of(editor, model, requests, context);
      // If the plan holds and the edit fails all the same, no request in particular is to blame.
      const std::size_t begin = refusal.empty() ? 0 : count_planned(editor, model, requests, context);
      const std::size_t end = refusal.empty() ? kept.size() : begin + 1;
      for (std::size_t k = begin; k < end; ++k)
        facts[kept[k]] = failed_fact(wanted[kept[k]], refusal.empty() ? error.what() : refusal);
      kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(begin),
                 kept.begin() + static_cast<std::ptrdiff_t>(end));
    }
  }
  for (std::size_t k = 0; k < kept.size(); ++k) facts[kept[k]] = std::move(edit.facts.at(k));
  edit.facts = std::move(facts);
  return edit;
}

void note_outcome(Edit& edit, std::size_t number, EditedRecord& state) {
  const FactRecord& fact = edit.facts.at(number);
  state = {status_of(fact.status), fact.reason, fact.layer(), fact.steps, fact.loss, fact.relative_norm()};
  if (fact.parts.size() > 1)
    for (const FactPart& part : fact.parts) state.layers.push_back(part.weight.block);
  if (!edit.warnings.empty() && number == carrier_of_warnings(edit))
    state.warnings = std::exchange(edit.warnings, {});
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
                    {"warnings", s.warnings},
                    {"layers", s.layers}});
  return list;
}

std::vector<EditedRecord> outcomes_from(std::string_view text, const std::string& source) {
  const Json document = parse_json(text, source);
  std::vector<EditedRecord> records;
  for (const JsonView& record : JsonView(document, source).elements()) records.push_back(record_from(record));
  return records;
}

}  // namespace emend
