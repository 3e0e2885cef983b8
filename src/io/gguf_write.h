// Small GGUF files of emend's own making.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "emend/tensor_file.h"

namespace emend {

// Stored as string, f32, u32 and array of strings.
using GgufPair =
    std::pair<std::string, std::variant<std::string, float, std::uint32_t, std::vector<std::string>>>;

// Version 3, alignment 32; keys and tensors in the order given, names of ggml types, shapes outermost first.
// Writes the whole file or nothing. Throws Error(kFormat) for what GGUF cannot hold: a name of 64 bytes or
// more, an unknown type, bytes that do not make the shape; Error(kIo).
void write_gguf(const std::filesystem::path& file, const std::vector<GgufPair>& pairs,
                const std::vector<TensorToWrite>& tensors);

}  // namespace emend
