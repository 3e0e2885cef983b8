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

// A sentence about such a request: the same prompt with a few words in front, of several the one behind which
// the unedited model gives the present answer most likely, is edited by itself; what came of it is told.
// Work: one pass over the wordings and one search.
std::string try_words_in_front(const Model& model, const Editor& editor, const EditRequest& request,
                               const EditorContext& context, Progress& progress);

}  // namespace emend
