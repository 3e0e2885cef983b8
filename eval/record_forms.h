// The forms of all records of a run: built, what is too long left out, and told.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "analysis/prompt_rows.h"
#include "emend/dataset.h"
#include "emend/model.h"
#include "eval/metric.h"

namespace emend {

// By the ids of the records.
FormsOfRecords build_forms(const std::vector<EvalRecord>& records, const FormTemplates& templates,
                           const std::set<FactForm>& forms);

// Leaves forms out at records where one of their rows, with `extra_tokens` more, is longer than the model's
// positions.
void drop_long_forms(const Model& model, const RowForm& form, std::int64_t extra_tokens,
                     const std::vector<EvalRecord>& records, FormsOfRecords& built);

// A sentence a form: at how many records it was built from a template, at how many it was left out, and why.
std::vector<std::string> form_notes(const FormsOfRecords& built, const std::set<FactForm>& forms);

// "negation, choice".
std::string forms_text(const std::set<FactForm>& forms);

}  // namespace emend
