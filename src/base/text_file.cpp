#include "base/text_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/file_descriptor.h"
#include "base/io_error.h"
#include "base/strings.h"

namespace emend {
namespace {

constexpr std::size_t kChunkBytes = 1 << 16;

Error too_long(const std::filesystem::path& path, std::uint64_t max_bytes) {
  return Error(ErrorKind::kIo,
               fmt::format("cannot read {}: it is longer than {}", path.string(), human_bytes(max_bytes)));
}

}  // namespace

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

}  // namespace emend
