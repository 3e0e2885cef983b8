#include "io/file_rewrite.h"

#include <stdexcept>

namespace emend {

void FileRewrite::keep(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  if (offset > old_.bytes().size() || length > old_.bytes().size() - offset)
    throw std::invalid_argument("FileRewrite: a piece beyond the end of " + file_.string());
  pieces_.push_back({old_.bytes().subspan(offset, length), offset});
  size_ += length;
}

void FileRewrite::put(std::vector<std::byte> bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  new_.push_back(std::move(bytes));
  pieces_.push_back({new_.back(), std::nullopt});
}

void FileRewrite::put_zeros(std::uint64_t count) {
  put(std::vector<std::byte>(count));
}

}  // namespace emend
