// For which edits a layer decision of few trial edits holds.
#pragma once

#include <string>

#include "emend/editor.h"

namespace emend {

// LayerDecision::method: the method, and whether it goes without statistics. With C = I other layers are
// best.
inline std::string decided_by(const Editor& editor) {
  return editor.needs_statistics() ? editor.name() : editor.name() + " without statistics";
}

}  // namespace emend
