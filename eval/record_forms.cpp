#include "eval/record_forms.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/strings.h"

namespace emend {

FormsOfRecords build_forms(const std::vector<EvalRecord>& records, const FormTemplates& templates,
                           const std::set<FactForm>& forms) {
  FormsOfRecords built;
  for (const EvalRecord& record : records)
    built.emplace(record.request.id, forms_of(record, templates, forms));
  return built;
}

void drop_long_forms(const Model& model, const RowForm& form, std::int64_t extra_tokens,
                     const std::vector<EvalRecord>& records, FormsOfRecords& built) {
  const auto too_long = [&](const auto& question) {
    const auto& [prompt, answer] = question;
    const auto length = prompt_ids(model.tokenizer(), prompt, form).size() +
                        target_ids(model.tokenizer(), answer, form).size();
    return static_cast<std::int64_t>(length) + extra_tokens > model.config().max_positions;
  };
  for (const EvalRecord& record : records) {
    RecordForms& forms = built.at(record.request.id);
    for (const FactForm one : kFactForms) {
      const auto questions = forms.scored(one, record.request.target);
      if (std::any_of(questions.begin(), questions.end(), too_long))
        forms.drop(one, "longer than the model's positions");
    }
  }
}

std::vector<std::string> form_notes(const FormsOfRecords& built, const std::set<FactForm>& forms) {
  std::vector<std::string> notes;
  for (const FactForm form : forms) {
    std::int64_t made = 0;
    std::map<std::string, std::int64_t> left_out;
    for (const auto& [id, one] : built) {
      made += one.has(form) ? 1 : 0;
      if (const auto why = one.left_out.find(form); why != one.left_out.end()) ++left_out[why->second];
    }
    std::string note = fmt::format("Form {}: built from a template at {} of {} records", to_string(form),
                                   made, built.size());
    for (const auto& [reason, count] : left_out) note += fmt::format("; left out at {}: {}", count, reason);
    notes.push_back(note + ".");
  }
  return notes;
}

std::string forms_text(const std::set<FactForm>& forms) {
  std::vector<std::string> names;
  for (const FactForm form : forms) names.emplace_back(to_string(form));
  return join(names);
}

}  // namespace emend
