#include "base/temporary_folder.h"

#include <stdlib.h>

#include <system_error>

#include "base/unfinished.h"
#include "emend/error.h"

namespace emend {

TemporaryFolder::TemporaryFolder(const std::string& name) {
  std::string pattern = (std::filesystem::temp_directory_path() / (name + "-XXXXXX")).string();
  const auto held = hold_unfinished();
  if (mkdtemp(pattern.data()) == nullptr)
    throw Error(ErrorKind::kIo, "cannot make a folder in " + std::filesystem::temp_directory_path().string());
  path_ = pattern;
  note_unfinished(path_);
}

TemporaryFolder::~TemporaryFolder() {
  const auto held = hold_unfinished();
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  forget_unfinished(path_);
}

}  // namespace emend
