#include "base/file_copy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <vector>

#include "base/file_descriptor.h"
#include "base/io_error.h"
#include "base/strings.h"

namespace emend {
namespace {

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

}  // namespace

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

}  // namespace emend
