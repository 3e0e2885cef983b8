// What the rewriters of both formats share.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "emend/error.h"
#include "io/file_rewrite.h"

namespace emend {

inline const NewTensor* find_new(const std::vector<NewTensor>& tensors, std::string_view name) {
  for (const NewTensor& tensor : tensors)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

// Every new tensor has an old one. Throws Error(kFormat).
inline void require_all_known(const std::filesystem::path& file, const std::vector<TensorInfo>& old,
                              const std::vector<NewTensor>& tensors) {
  for (const NewTensor& tensor : tensors) {
    const bool known =
        std::any_of(old.begin(), old.end(), [&](const TensorInfo& info) { return info.name == tensor.name; });
    if (!known)
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: there is no tensor {}", file.string(), quote(tensor.name)));
  }
}

// Whether every new tensor has the type and size of the old one.
inline bool types_stay(const std::vector<TensorInfo>& old, const std::vector<NewTensor>& tensors) {
  return std::all_of(old.begin(), old.end(), [&](const TensorInfo& info) {
    const NewTensor* const tensor = find_new(tensors, info.name);
    return tensor == nullptr || (tensor->type == info.type && tensor->bytes.size() == info.bytes);
  });
}

// The old file with the new tensors' bytes at the old ones' places.
inline FileRewrite replace_in_place(FileRewrite rewrite, std::vector<TensorInfo> old,
                                    const std::vector<NewTensor>& tensors) {
  std::sort(old.begin(), old.end(),
            [](const TensorInfo& a, const TensorInfo& b) { return a.offset < b.offset; });
  std::uint64_t at = 0;
  for (const TensorInfo& info : old) {
    const NewTensor* const tensor = find_new(tensors, info.name);
    if (tensor == nullptr || info.bytes == 0) continue;
    rewrite.keep(at, info.offset - at);
    rewrite.put(tensor->bytes);
    at = info.offset + info.bytes;
  }
  rewrite.keep(at, rewrite.old_bytes().size() - at);
  return rewrite;
}

// `text` as bytes behind `bytes`.
inline void append(std::vector<std::byte>& bytes, std::string_view text) {
  const auto* const data = reinterpret_cast<const std::byte*>(text.data());
  bytes.insert(bytes.end(), data, data + text.size());
}

// An integer, little-endian, behind `bytes`.
template <typename Number>
void append_number(std::vector<std::byte>& bytes, Number number) {
  for (std::size_t i = 0; i < sizeof number; ++i) bytes.push_back(static_cast<std::byte>(number >> (8 * i)));
}

}  // namespace emend
