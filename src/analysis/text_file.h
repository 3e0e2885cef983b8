// What the files of a run over text have in common: where their numbers come from, which text was read and
// which was held back, tensors and metadata. Layer files, checkpoints and parts are made of these
// (docs/formats.md).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "emend/tensor_file.h"

namespace emend {

// What a file says about its origin, word for word.
struct TextOrigin {
  std::string family;
  std::string prefix;  // ids with a space between
  std::string source;
  std::string settings;
  std::string fingerprint;
};

// The text of a run: what was read, and rows that were held back from it.
struct VisitedText {
  std::vector<std::uint64_t> documents;  // fingerprints of what was read, sorted, each once
  std::vector<std::vector<std::int64_t>> held_text;
  std::vector<std::uint64_t> held_documents;  // fingerprints of the held text, row by row
};

// Sorts fingerprints and leaves each once.
void sort_documents(std::vector<std::uint64_t>& documents);

// Collects tensors and metadata, then writes them as one safetensors file. Shares the memory of tensors that
// are on the CPU already.
class FileWriter {
 public:
  void add(const std::string& name, const at::Tensor& tensor);  // float32 or 64, int64, uint32 or 8
  void add(const std::string& name, const std::vector<std::int64_t>& values);
  void add(const std::string& name, const std::vector<std::uint64_t>& values);  // as int64 of the same bits
  void set(const std::string& key, const std::string& value);                   // metadata emend.KEY
  // The whole file or nothing. Throws Error(kIo); what stood there before is then as it was.
  void write(const std::filesystem::path& path) const;

 private:
  std::map<std::string, at::Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

// A tensor of one safetensors type ("F32", "F64", "I64", "U32" or "U8"). Throws Error(kFormat) naming file
// and tensor if it is missing or of another type.
at::Tensor stored_tensor(const TensorFile& file, const std::string& name, const std::string& type);
std::vector<std::int64_t> read_numbers(const TensorFile& file, const std::string& name);
std::vector<std::uint64_t> read_fingerprints(const TensorFile& file, const std::string& name);
// Rows that are stored one after another in one tensor, with their lengths in another. Throws Error(kFormat)
// if the lengths do not add up to the ids.
std::vector<std::vector<std::int64_t>> read_rows(const TensorFile& file, const std::string& ids,
                                                 const std::string& lengths);
void add_rows(FileWriter& writer, const std::string& ids, const std::string& lengths,
              const std::vector<std::vector<std::int64_t>>& rows);

// The metadata emend.KEY. Throws Error(kFormat) naming file and key if it is missing; the `_or` form returns
// `fallback`.
std::string metadata_of(const TensorFile& file, const std::string& key);
std::string metadata_or(const TensorFile& file, const std::string& key, const std::string& fallback);
// The same as a whole number >= 0. Throws Error(kFormat) if it is not one.
std::int64_t metadata_number(const TensorFile& file, const std::string& key);

void add_origin(FileWriter& writer, const TextOrigin& origin);
TextOrigin read_origin(const TensorFile& file);

// "15 26": ids as the metadata has them.
std::string ids_text(const std::vector<std::int64_t>& ids);

}  // namespace emend
