// In-context editing: no weight changes, and the new facts stand in front of every prompt. It is what editors
// of weights have to be worth: a base for benchmarks, which edit files do not know. docs/baselines.md has the
// sources.
#pragma once

#include "emend/editor.h"

namespace emend::editors {

EditorEntry in_context_editor();

}  // namespace emend::editors
