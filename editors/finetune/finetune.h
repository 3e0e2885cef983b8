// Fine-tuning of one down projection on all facts of a call together: a baseline that solves nothing and
// needs no statistics. docs/baselines.md has the sources and how it differs from them.
//
//   Delta = argmin mean over facts of -log p(target | prompt; W + Delta),   |Delta_ij| <= bound
#pragma once

#include "editors/finetune/options.h"
#include "emend/editor.h"

namespace emend::editors {

// What edit files can name: the editor of a method's options.
EditorEntry finetune_editor(FinetuneMethod (*method)());

}  // namespace emend::editors
