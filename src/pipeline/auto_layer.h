// `layer: auto` of an edit file.
#pragma once

#include <filesystem>
#include <vector>

#include "emend/editor.h"
#include "emend/locate.h"
#include "emend/progress.h"
#include "emend/records.h"

namespace emend {

// The decision that `emend locate --facts` left in the statistics folder (analysis/layer_choice.h). Without
// one: the depth default, with a quick trace of the file's own prompts beside it (MLP windows at the
// subject's last token, a few prompts and samples); nothing is kept then.
LayerDecision auto_layer(const Model& model, const std::vector<EditRequest>& requests,
                         const EditorContext& context, const std::filesystem::path& statistics,
                         Progress& progress);

}  // namespace emend
