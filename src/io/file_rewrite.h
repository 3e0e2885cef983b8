// A new file made of pieces of an old one and of new bytes: what changes when some tensors are written anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "emend/tensor_file.h"
#include "io/mapped_file.h"

namespace emend {

// Bytes of the new file, in its order.
struct FilePiece {
  std::span<const std::byte> bytes;
  std::optional<std::uint64_t> old_offset;  // where they lie in the old file; std::nullopt: they are new
};

// Owns the mapping of the old file and the new bytes. Movable; spans stay valid.
class FileRewrite {
 public:
  // Maps `file`, which must not be empty. Throws Error(kIo).
  explicit FileRewrite(const std::filesystem::path& file) : file_(file), old_(file) {}

  const std::filesystem::path& file() const { return file_; }
  std::span<const std::byte> old_bytes() const { return old_.bytes(); }
  const std::vector<FilePiece>& pieces() const { return pieces_; }
  std::uint64_t size() const { return size_; }

  // Appends bytes of the old file, or new ones. Nothing is appended for a length of 0.
  void keep(std::uint64_t offset, std::uint64_t length);
  void put(std::vector<std::byte> bytes);
  void put_zeros(std::uint64_t count);

 private:
  std::filesystem::path file_;
  MappedFile old_;
  std::deque<std::vector<std::byte>> new_;
  std::vector<FilePiece> pieces_;
  std::uint64_t size_ = 0;
};

// A tensor that takes the place of the one of its name: the same shape, perhaps of another type.
struct NewTensor {
  std::string name;
  const ElementType* type = nullptr;
  std::vector<std::byte> bytes;
};

// One safetensors file with these tensors in place of its own. While all types stay, only the tensors' bytes
// differ; else the records of the header change too, but not its metadata or the order of tensors. Throws
// Error(kFormat) for a broken file, a tensor that does not exist, and a type that safetensors does not have.
FileRewrite rewrite_safetensors(const std::filesystem::path& file, const std::vector<NewTensor>& tensors);

// The same for a GGUF file. While all types stay, only the tensors' bytes differ; else types and offsets in
// the tensor records change, all tensors lie one after another in the order of the records, each padded with
// zeros to the file's alignment, and the keys are as they were, byte for byte. Throws Error(kFormat) also for
// rows that are not a whole number of blocks of the new type.
FileRewrite rewrite_gguf(const std::filesystem::path& file, const std::vector<NewTensor>& tensors);

}  // namespace emend
