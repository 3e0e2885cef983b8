// The tokenizer that a checkpoint carries: in GGUF metadata, or in the files beside the tensors.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "emend/tensor_file.h"
#include "emend/tokenizer.h"
#include "model/families/config_values.h"
#include "text/tokenizer_files.h"

namespace emend {

// nullptr where there is none: a folder without tokenizer.json and vocab.json, a GGUF file without
// "tokenizer.ggml.model" or with "none" there. Throws Error(kFormat) for a broken one and Error(kModel) for
// one of an unknown kind.
std::unique_ptr<Tokenizer> read_tokenizer(const TensorFile& file, const ConfigValues& values,
                                          const std::filesystem::path& path);

// The tokenizer of a GGUF file as the files that transformers reads; none where it has none. Throws Error as
// text::tokenizer_files_of does.
std::optional<text::TokenizerFiles> gguf_tokenizer_files(const TensorFile& file);

// That of the files in a folder; nullptr where there are none. `model_type`: what config.json says.
std::unique_ptr<Tokenizer> folder_tokenizer(const std::filesystem::path& folder,
                                            const std::string& model_type);

// "PATH has no tokenizer; ...": what to do about it. An empty path: a model made in memory.
std::string no_tokenizer_text(const std::filesystem::path& path);

}  // namespace emend
