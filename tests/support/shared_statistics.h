// A folder of statistics that the edits of a test program share: the first of them collects, the others find
// them there.
#pragma once

#include <filesystem>

#include "cli/scratch_folder.h"

namespace emend::test {

// Of one model only. A test that changes what is in it, or looks at how it comes about, takes a folder of its
// own.
inline std::filesystem::path shared_statistics() {
  static const ScratchFolder folder;
  return folder / "stats";
}

}  // namespace emend::test
