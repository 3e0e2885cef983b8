#include "delivery/patch_digest.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/fingerprint.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {

std::string patch_digest(const std::map<std::string, std::string>& metadata,
                         std::vector<TensorToWrite> tensors) {
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorToWrite& a, const TensorToWrite& b) { return a.name < b.name; });
  Sha256 hash;
  for (const auto& [key, value] : metadata) {
    if (!key.starts_with("emend.") || key == kDigestKey) continue;
    hash.update_field(key);
    hash.update_field(value);
  }
  for (const TensorToWrite& tensor : tensors) {
    hash.update_field(tensor.name);
    hash.update_field(tensor.dtype_name);
    hash.update_number(tensor.shape.size());
    for (const std::int64_t size : tensor.shape) hash.update_number(static_cast<std::uint64_t>(size));
    hash.update_field(tensor.bytes);
  }
  return hash.hex();
}

void require_digest(const TensorFile& file, int format) {
  const auto stored = file.metadata().find(kDigestKey);
  if (stored == file.metadata().end()) {
    if (format == 1) return;
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: this patch was altered or damaged after it was written: the metadata has no "
                            "{}, the SHA-256 of the content, which every patch of format {} has",
                            file.path().string(), quote(kDigestKey), format));
  }
  std::vector<TensorToWrite> tensors;
  for (const TensorInfo& info : file.tensors())
    tensors.push_back({info.name, std::string(info.type->name), info.shape, file.bytes(info)});
  const std::string found = patch_digest(file.metadata(), tensors);
  if (found != stored->second)
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: this patch was altered or damaged after it was written: its content has the "
                            "SHA-256 {}, the metadata {} says {}",
                            file.path().string(), found, quote(kDigestKey), quote(stored->second, 64)));
}

}  // namespace emend
