#include "eval/record_edits.h"

#include "emend/error.h"

namespace emend {

namespace {

bool is_about_records(const Error& error) {
  return error.kind() == ErrorKind::kConfig || error.kind() == ErrorKind::kNumeric;
}

Edit failed_edit(const std::vector<EditRequest>& wanted, const std::string& reason) {
  Edit none;
  for (const EditRequest& request : wanted) {
    EditedFact fact;
    fact.request = request;
    fact.status = "failed";
    fact.reason = reason;
    none.facts.push_back(std::move(fact));
  }
  return none;
}

}  // namespace

bool is_evaluated(const EditedRecord& state) { return state.status == "edited" || state.status == "failed"; }

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

Edit edit_together(const Editor& editor, const Model& model, const std::vector<EditRequest>& wanted, const EditorContext& context,
                   Progress& progress) {
  try {
    return editor.edit(model, wanted, context, progress);
  } catch (const Error& error) {
    if (!is_about_records(error)) throw;
    return failed_edit(wanted, error.what());
  }
}

void note_outcome(const Edit& edit, const EditRequest& request, EditedRecord& state) {
  for (const EditedFact& fact : edit.facts)
    if (fact.request.id == request.id)
      state = {fact.status, fact.reason, fact.layer, fact.steps, fact.loss, fact.relative_norm};
}

nlohmann::json outcomes_json(const std::vector<EditedRecord>& states) {
  nlohmann::json list = nlohmann::json::array();
  for (const EditedRecord& s : states)
    list.push_back({{"status", s.status}, {"reason", s.reason}, {"layer", s.layer}, {"steps", s.steps}, {"loss", s.loss},
                    {"relative_norm", s.relative_norm}});
  return list;
}

std::vector<EditedRecord> outcomes_from(const nlohmann::json& list) {
  std::vector<EditedRecord> states;
  for (const nlohmann::json& s : list)
    states.push_back({s.at("status"), s.at("reason"), s.at("layer"), s.at("steps"), s.at("loss"), s.at("relative_norm")});
  return states;
}

}  // namespace emend
