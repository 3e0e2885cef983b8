// An editor that is not ROME: it searches nothing and writes every layer of its context.
#pragma once

#include "emend/editor.h"

namespace emend::test {

// "spread": the residual of a request points from the mean token to the target's first token, as the head
// reads it, and is `strength` times as long as the residual stream at the prompt's last token. Each of the
// layers writes an equal share of it at that token's key, exactly. Options: strength (3), covariance (true).
EditorEntry spread_editor();

// The editors of this build, and "spread".
EditorTable editors_with_spread();

}  // namespace emend::test
