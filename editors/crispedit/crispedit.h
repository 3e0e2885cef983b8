// CrispEdit (Ikram et al. 2026, CrispEdit: Low-Curvature Projections for Scalable Non-Destructive LLM
// Editing): the down projections of one layer or several, trained on all facts of a call together, each
// within the directions in which the loss over other text hardly bends in it (curvature.h). docs/baselines.md
// says how it differs from their program.
#pragma once

#include "emend/editor.h"

namespace emend::editors {

EditorEntry crispedit_editor();

}  // namespace emend::editors
