// GGUF models in several files: NAME-00001-of-00003.gguf and so on, with the keys split.no (from 0),
// split.count and split.tensors.count. The first file has the model's keys; the tensors may lie in any.
#pragma once

#include <filesystem>
#include <vector>

#include "io/gguf_header.h"

namespace emend {

// The files of the model of which `file` is one, in order; `file` alone if its header knows of no others.
// Throws Error(kFormat) for keys that contradict each other or the file's name, Error(kIo) for a shard that
// is missing.
std::vector<std::filesystem::path> gguf_shards(const std::filesystem::path& file, const GgufHeader& header);
// The same, from the file. Throws also what parse_gguf_header throws.
std::vector<std::filesystem::path> gguf_shards(const std::filesystem::path& file);

// `headers` of all `shards`, in order: one header with the first's keys and the tensors of all. Throws
// Error(kFormat) if a header is not that of its part, a tensor is in two, or there are not as many as the
// keys say.
GgufHeader join_shards(const std::vector<std::filesystem::path>& shards, std::vector<GgufHeader> headers);

}  // namespace emend
