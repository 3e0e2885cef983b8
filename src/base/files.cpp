#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <vector>

#include "base/file_descriptor.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {
namespace {

std::string reason(int error_number) {
  switch (error_number) {
    case ENOENT:
      return "no such file or folder";
    case EISDIR:
      return "it is a folder";
    case ENOTDIR:
      return "a part of the path is a file, not a folder";
    case EACCES:
    case EPERM:
      return "permission denied";
    case EROFS:
      return "the file system is read-only";
    case ENOSPC:
      return "disk full";
    case EDQUOT:
      return "disk quota exceeded";
    case EFBIG:
      return "the file is larger than this system or its limits allow";
    default:
      return std::generic_category().message(error_number);
  }
}

constexpr std::size_t kChunkBytes = 1 << 16;

Error too_long(const std::filesystem::path& path, std::uint64_t max_bytes) {
  return Error(ErrorKind::kIo,
               fmt::format("cannot read {}: it is longer than {}", path.string(), human_bytes(max_bytes)));
}

namespace fs = std::filesystem;

FileDescriptor open_or_throw(const fs::path& file, int flags, mode_t mode, const char* action) {
  FileDescriptor descriptor(::open(file.c_str(), flags | O_CLOEXEC, mode));
  if (!descriptor.is_open()) throw io_error(action, file, errno);
  return descriptor;
}

void copy_by_reading(int from, int to, const fs::path& source, const fs::path& target) {
  std::vector<char> buffer(std::size_t{1} << 20);
  for (;;) {
    const ssize_t got = ::read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw io_error("read", source, errno);
    if (got == 0) return;
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = ::write(to, buffer.data() + done, static_cast<std::size_t>(got - done));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) throw io_error("write", target, put < 0 ? errno : ENOSPC);
      done += put;
    }
  }
}

// Goes on by reading and writing where the kernel cannot copy between these files.
void copy_bytes(int from, int to, const fs::path& source, const fs::path& target) {
  if (::ioctl(to, FICLONE, from) == 0) return;
  constexpr std::size_t kMost = std::size_t{1} << 30;
  for (;;) {
    const ssize_t copied = ::copy_file_range(from, nullptr, to, nullptr, kMost, 0);
    if (copied > 0 || (copied < 0 && errno == EINTR)) continue;
    if (copied < 0 && (errno == ENOSPC || errno == EIO || errno == EDQUOT || errno == EFBIG))
      throw io_error("write", target, errno);
    break;  // the end, or not supported here: what follows reads on from where this stopped
  }
  copy_by_reading(from, to, source, target);
}

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

// Where the file really goes: links followed (also dangling ones), missing parts kept as they are.
fs::path resolve(const fs::path& target) {
  if (target.filename().empty() || target.filename() == "." || target.filename() == "..") {
    throw Error(ErrorKind::kIo,
                fmt::format("cannot write \"{}\": this is not the name of a file", target.string()));
  }
  fs::path place = fs::absolute(target);
  std::error_code unknown;
  const fs::file_status status = fs::status(place, unknown);
  if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status))
    return place;  // the pipe behind /dev/stdout has no name of its own
  constexpr int kMostLinks = 40;
  for (int i = 0; i < kMostLinks; ++i) {
    std::error_code failed;
    const fs::path next = fs::read_symlink(place, failed);
    if (failed) return place;
    place = next.is_absolute() ? next : place.parent_path() / next;
  }
  throw io_error("write", target, ELOOP);
}

void refuse_unsuitable(const fs::path& target) {
  struct stat status {};
  if (::stat(target.c_str(), &status) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) throw io_error("write", target, errno);
    return;
  }
  if (S_ISDIR(status.st_mode)) throw io_error("write", target, EISDIR);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::kIo, fmt::format("cannot write {}: it is not a regular file", target.string()));
  }
  if (::access(target.c_str(), W_OK) != 0) throw io_error("write", target, errno);
}

}  // namespace

Error io_error(const std::string& action, const std::filesystem::path& path, int error_number) {
  return Error(ErrorKind::kIo, fmt::format("cannot {} {}: {}", action, path.string(), reason(error_number)));
}

std::string read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) throw io_error("read", path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw io_error("read", path, errno);
  if (S_ISDIR(status.st_mode)) throw io_error("read", path, EISDIR);
  const auto expected = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
  if (expected > max_bytes) throw too_long(path, max_bytes);

  // The length is a hint only: pipes and /proc files say 0.
  std::string text;
  std::size_t filled = 0;
  while (true) {
    if (filled == text.size())
      text.resize(std::max<std::size_t>(expected + 1, filled + filled / 2 + kChunkBytes));
    const ssize_t got = ::read(file.get(), text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw io_error("read", path, errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
    if (filled > max_bytes) throw too_long(path, max_bytes);
  }
  text.resize(filled);
  return text;
}

void copy_file_durably(const fs::path& from, const fs::path& to) {
  const FileDescriptor source = open_or_throw(from, O_RDONLY, 0, "read");
  struct stat status {};
  if (::fstat(source.get(), &status) != 0) throw io_error("read", from, errno);
  FileDescriptor target = open_or_throw(to, O_WRONLY | O_CREAT | O_EXCL, 0600, "write");
  try {
    copy_bytes(source.get(), target.get(), from, to);
    if (::fchmod(target.get(), status.st_mode & 07777) != 0) throw io_error("set the mode of", to, errno);
    if (::fsync(target.get()) != 0 && errno != EINVAL) throw io_error("write", to, errno);
    if (target.close() != 0 && errno != EINTR) throw io_error("write", to, errno);
  } catch (...) {
    ::unlink(to.c_str());
    throw;
  }
}

fs::path true_path(const fs::path& path) {
  std::error_code failed;
  const fs::path resolved = fs::weakly_canonical(fs::absolute(path), failed);
  return failed ? fs::absolute(path).lexically_normal() : resolved;
}

fs::path nearest_folder(fs::path path) {
  path = fs::absolute(path.empty() ? fs::path(".") : path).lexically_normal();
  std::error_code ignored;
  while (!fs::is_directory(path, ignored) && path != path.parent_path()) path = path.parent_path();
  return path;
}

void require_space(const fs::path& place, std::uint64_t bytes) {
  const fs::path folder = nearest_folder(place);
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) throw io_error("look at", folder, errno);
  const std::uint64_t blocks = status.f_bavail;
  const std::uint64_t free = blocks > std::numeric_limits<std::uint64_t>::max() / status.f_frsize
                                 ? std::numeric_limits<std::uint64_t>::max()
                                 : blocks * status.f_frsize;
  if (free < bytes)
    throw Error(ErrorKind::kIo, fmt::format("too little space in {}: {} are needed, {} are free",
                                            folder.string(), human_bytes(bytes), human_bytes(free)));
}

void sync_folder(const fs::path& folder) {
  const FileDescriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor.is_open()) return;
  if (::fsync(descriptor.get()) != 0 && errno == EIO) throw io_error("sync", folder, errno);
}

fs::path written_place(const fs::path& file) {
  const fs::path place = resolve(file);
  refuse_unsuitable(place);
  return place;
}

void require_writable_file(const fs::path& file) {
  require_folder_for(written_place(file).lexically_normal().parent_path(), file);
}

void require_writable_folder(const fs::path& folder) {
  require_folder_for(fs::absolute(folder).lexically_normal(), folder);
}

}  // namespace emend
