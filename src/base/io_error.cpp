#include "base/io_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

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

}  // namespace

Error io_error(const std::string& action, const std::filesystem::path& path, int error_number) {
  return Error(ErrorKind::kIo, fmt::format("cannot {} {}: {}", action, path.string(), reason(error_number)));
}

}  // namespace emend
