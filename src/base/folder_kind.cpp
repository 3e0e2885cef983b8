#include "base/folder_kind.h"

#include <fmt/format.h>

#include "emend/error.h"

namespace emend {

void require_folder(const std::filesystem::path& folder, std::string_view what) {
  std::error_code unknown;
  if (std::filesystem::is_directory(folder, unknown)) return;
  throw Error(ErrorKind::kIo,
              fmt::format("{}: {}; {}", folder.string(),
                          std::filesystem::exists(folder, unknown) ? "this is a file, not a folder"
                                                                   : "there is no such folder",
                          what));
}

}  // namespace emend
