#include "base/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>

#include "base/files.h"
#include "base/unfinished.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

}  // namespace

AtomicFile::AtomicFile(const fs::path& target) : target_(written_place(target)) {
  const auto held = hold_unfinished();
  try {
    create_parents();
    create_temporary();
    buffer_ = std::make_unique<std::byte[]>(kBufferBytes);
  } catch (...) {
    discard();
    throw;
  }
}

AtomicFile::~AtomicFile() {
  discard();
}

void AtomicFile::create_parents() {
  std::vector<fs::path> missing;
  std::error_code ignored;
  for (fs::path folder = target_.parent_path(); !fs::exists(folder, ignored); folder = folder.parent_path()) {
    missing.push_back(folder);
    if (folder == folder.parent_path()) break;
  }
  std::reverse(missing.begin(), missing.end());
  for (const fs::path& folder : missing) {
    if (::mkdir(folder.c_str(), 0777) == 0) {
      created_folders_.push_back(folder);
    } else if (errno != EEXIST) {  // another process may have been quicker
      throw io_error("create the folder", folder, errno);
    }
  }
}

void AtomicFile::create_temporary() {
  constexpr int kMostNames = 1000;
  for (int i = 0; i < kMostNames; ++i) {
    const std::string name = fmt::format(".emend-{}-{}.tmp", ::getpid(), i);
    const fs::path path = target_.parent_path() / name;
    file_ = FileDescriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file_.is_open()) {
      temporary_ = path;
      note_unfinished(path, created_folders_);
      return;
    }
    if (errno != EEXIST) throw io_error("write", target_, errno);
  }
  throw io_error("write", target_, EEXIST);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (temporary_.empty()) throw std::logic_error("AtomicFile: written to after an error or commit()");
  written_ += bytes.size();
  if (bytes.size() > kBufferBytes - buffered_) {
    flush();
    const std::size_t whole_chunks = bytes.size() / kBufferBytes * kBufferBytes;
    write_through(bytes.first(whole_chunks));
    bytes = bytes.subspan(whole_chunks);
  }
  if (bytes.empty()) return;
  std::memcpy(buffer_.get() + buffered_, bytes.data(), bytes.size());
  buffered_ += bytes.size();
}

void AtomicFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text)));
}

void AtomicFile::flush() {
  write_through({buffer_.get(), buffered_});
  buffered_ = 0;
}

void AtomicFile::write_through(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file_.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      const int error_number = put < 0 ? errno : ENOSPC;
      discard();
      throw io_error("write", target_, error_number);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void AtomicFile::keep_mode() {
  struct stat status {};
  if (::stat(target_.c_str(), &status) != 0) return;
  if (::fchmod(file_.get(), status.st_mode & 07777) != 0) throw io_error("set the mode of", target_, errno);
}

void AtomicFile::commit() {
  if (temporary_.empty()) throw std::logic_error("AtomicFile: commit() after an error or commit()");
  flush();
  try {
    keep_mode();
    // NFS and quotas report a full disk only here or on closing.
    if (::fsync(file_.get()) != 0 && errno != EINVAL) throw io_error("write", target_, errno);
    if (file_.close() != 0 && errno != EINTR) throw io_error("write", target_, errno);
    const auto held = hold_unfinished();
    if (std::rename(temporary_.c_str(), target_.c_str()) != 0) throw io_error("write", target_, errno);
    forget_unfinished(temporary_);
  } catch (...) {
    discard();
    throw;
  }
  temporary_.clear();
  created_folders_.clear();
  sync_folder(target_.parent_path());
}

void AtomicFile::discard() noexcept {
  const auto held = hold_unfinished();
  file_.close();
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  forget_unfinished(temporary_);
  temporary_.clear();
  // rmdir leaves alone what is not empty.
  for (; !created_folders_.empty(); created_folders_.pop_back()) ::rmdir(created_folders_.back().c_str());
}

void write_file_atomically(const fs::path& target, std::string_view text) {
  AtomicFile file(target);
  file.write(text);
  file.commit();
}

}  // namespace emend
