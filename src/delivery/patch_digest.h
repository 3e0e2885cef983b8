// A patch's content as one number: what tells that a file was altered.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "emend/tensor_file.h"

namespace emend {

// The metadata key that holds it.
inline constexpr const char* kDigestKey = "emend.content_sha256";

// SHA-256 over the metadata whose keys begin with "emend." (but for the digest itself) and over all tensors:
// names, types, shapes, bytes. The order of the tensors changes nothing.
std::string patch_digest(const std::map<std::string, std::string>& metadata,
                         std::vector<TensorToWrite> tensors);

// Throws Error(kFormat) when the file holds a digest that is not its own, or none. A patch of format 1 may
// hold none: the first builds wrote such ones. All that ever wrote format 2 wrote the digest, too.
void require_digest(const TensorFile& file, int format);

}  // namespace emend
