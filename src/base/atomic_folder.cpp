#include "base/atomic_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/unfinished.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// Each folder's entries, the innermost first, so that a name never points at something that is not there.
void sync_tree(const fs::path& folder) {
  std::vector<fs::path> folders;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_directory() && !entry.is_symlink()) folders.push_back(entry.path());
  for (auto inner = folders.rbegin(); inner != folders.rend(); ++inner) sync_folder(*inner);
  sync_folder(folder);
}

}  // namespace

void require_new_folder(const fs::path& folder) {
  std::error_code failed;
  const fs::file_status status = fs::symlink_status(folder, failed);
  if (!fs::exists(status)) return;
  if (!fs::is_directory(status)) throw io_error("write", folder, ENOTDIR);
  if (!fs::is_empty(folder, failed) || failed)
    throw Error(ErrorKind::kIo,
                fmt::format("cannot write {}: there is something in this folder already; name a new one",
                            folder.string()));
}

AtomicFolder::AtomicFolder(const fs::path& target) {
  target_ = fs::absolute(target).lexically_normal();
  if (!target_.has_filename()) target_ = target_.parent_path();
  require_new_folder(target_);
  std::error_code failed;
  fs::create_directories(target_.parent_path(), failed);
  if (failed) throw io_error("create the folder", target_.parent_path(), failed.value());
  const auto held = hold_unfinished();
  constexpr int kMostNames = 1000;
  for (int i = 0; i < kMostNames; ++i) {
    const fs::path path = target_.parent_path() / fmt::format(".emend-{}-{}.tmp", ::getpid(), i);
    if (::mkdir(path.c_str(), 0777) == 0) {
      temporary_ = path;
      note_unfinished(path);
      return;
    }
    if (errno != EEXIST) throw io_error("write", target_, errno);
  }
  throw io_error("write", target_, EEXIST);
}

AtomicFolder::~AtomicFolder() {
  if (temporary_.empty()) return;
  const auto held = hold_unfinished();
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
  forget_unfinished(temporary_);
}

void AtomicFolder::commit() {
  sync_tree(temporary_);
  const auto held = hold_unfinished();
  // Over an empty folder, too: rename(2) refuses any other.
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) throw io_error("write", target_, errno);
  forget_unfinished(temporary_);
  temporary_.clear();
  sync_folder(target_.parent_path());
}

}  // namespace emend
