#include "base/writable.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/io_error.h"
#include "emend/error.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// `folder`, or the nearest one above it that is there.
fs::path nearest_existing(fs::path folder) {
  std::error_code ignored;
  while (!fs::exists(folder, ignored) && folder.has_parent_path() && folder != folder.parent_path())
    folder = folder.parent_path();
  return folder;
}

void require_folder_for(const fs::path& folder, const fs::path& target) {
  const fs::path existing = nearest_existing(folder);
  if (!fs::is_directory(existing))
    throw Error(ErrorKind::kIo,
                fmt::format("cannot write {}: {} is not a folder", target.string(), existing.string()));
  if (::access(existing.c_str(), W_OK | X_OK) != 0) throw io_error("write into", existing, errno);
}

}  // namespace

void require_writable_file(const fs::path& file) {
  const fs::path target = fs::absolute(file).lexically_normal();
  if (fs::is_directory(target) || !target.has_filename()) throw io_error("write", file, EISDIR);
  if (fs::exists(target) && ::access(target.c_str(), W_OK) != 0) throw io_error("write", file, errno);
  require_folder_for(target.parent_path(), file);
}

void require_writable_folder(const fs::path& folder) {
  require_folder_for(fs::absolute(folder).lexically_normal(), folder);
}

}  // namespace emend
