#include "io/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/file_descriptor.h"
#include "base/files.h"

namespace emend {

MappedFile::MappedFile(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) throw io_error("read", path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw io_error("read", path, errno);
  if (S_ISDIR(status.st_mode)) throw io_error("read", path, EISDIR);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::kIo, fmt::format("cannot read {}: it is not a regular file", path.string()));
  }
  if (status.st_size == 0) throw Error(ErrorKind::kFormat, path.string() + ": the file is empty");
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const begin = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (begin == MAP_FAILED) throw io_error("map", path, errno);
  bytes_ = {static_cast<const std::byte*>(begin), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

namespace {

// Of the whole pages of these bytes.
void advise(std::span<const std::byte> mapped, int advice) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(mapped.data());
  const std::uintptr_t first = (begin + page - 1) / page * page, last = (begin + mapped.size()) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, advice);
}

}  // namespace

void drop_pages(std::span<const std::byte> mapped) {
  advise(mapped, MADV_DONTNEED);
}

void ask_for_pages(std::span<const std::byte> mapped) {
  advise(mapped, MADV_WILLNEED);
}

}  // namespace emend
