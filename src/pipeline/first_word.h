// Wordings for subjects that cannot be edited where they stand: one token, the first of a text without a BOS.
#pragma once

#include <string>
#include <vector>

#include "emend/editor.h"
#include "emend/progress.h"
#include "emend/records.h"

namespace emend {

// Whether the subject's last token is the first of the prompt, with nothing in front. Attention rests on that
// token, and its key hardly depends on the word (docs/rome.md).
bool is_first_token(const Model& model, const EditRequest& request, const EditorContext& context);

// For requests with such a subject that do not give their target with the edit on the model (their search has
// only the context rows, from which the bare prompt need not follow), a sentence each: the same prompt with a
// few words in front, of several the one behind which the unedited model gives the present answer most
// likely, is edited by itself; what came of it is told. For three of them at most; what goes wrong with a
// wording is no error. `model` has the edit on it for a while. Work: one pass over such requests, and one
// pass over the wordings and one search for each that is told.
std::vector<std::string> wordings_of_missed(Model& model, const Editor& editor, const Edit& edit,
                                            const std::vector<EditRequest>& requests,
                                            const EditorContext& context, Progress& progress);

// The same for those whose id stands in a message about what failed.
std::vector<std::string> wordings_of_named(const Model& model, const Editor& editor,
                                           const std::string& message,
                                           const std::vector<EditRequest>& requests,
                                           const EditorContext& context, Progress& progress);

}  // namespace emend
