// Do the texts of an edit file fit the model's positions? Asked before any pass.
#pragma once

#include "analysis/prompt_rows.h"
#include "emend/model.h"
#include "emend/records.h"

namespace emend {

// Throws Error(kConfig) naming the file, the edit and the text for a prompt, paraphrase or neighbour that
// with the answer behind it has more tokens than the model has positions.
void require_positions(const Model& model, const EditFile& file, const RowForm& form);

}  // namespace emend
