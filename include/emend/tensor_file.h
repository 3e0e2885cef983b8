// Checkpoint files as named tensors over memory-mapped bytes: safetensors (one file, or a folder with shards)
// and GGUF. Layouts: docs/formats.md. Every reader here checks the whole header against the file's length
// before it hands out a byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace emend {

struct BlockFormat;  // io/block_format.h: the grid of a quantised type

// One row of the table of stored element types, of safetensors and of GGUF. `block_elements` neighbours of a
// row share `block_bytes` bytes; where elements are stored one by one, a block is one element.
struct ElementType {
  std::string_view name;        // as the formats spell it: "BF16", "Q4_K"
  std::int64_t ggml_id = -1;    // -1: GGUF has no such type
  bool in_safetensors = false;  // whether safetensors has it
  bool is_float = false;        // elements are floating-point numbers, each stored by itself
  std::uint32_t block_elements = 1;
  std::uint32_t block_bytes = 1;
  // `blocks` blocks at `from` (any alignment) into float32 at `to`; they must not overlap. nullptr: emend
  // does not know what the bytes mean, and only carries them.
  void (*read)(const std::byte* from, float* to, std::size_t blocks) = nullptr;
  // The way back, to the nearest value that the type holds; `from` must be finite. nullptr: emend does not
  // write it.
  void (*write)(const float* from, std::byte* to, std::size_t blocks) = nullptr;
  // nullptr where an element is stored without regard to its neighbours.
  const BlockFormat* format = nullptr;
};

// The row of that name; nullptr if there is no such type.
const ElementType* find_element_type(std::string_view name);
// The same for a name that is known to be there. Throws std::invalid_argument.
const ElementType& element_type(std::string_view name);

struct TensorInfo {
  std::string name;
  const ElementType* type = nullptr;  // never nullptr in an open file
  std::vector<std::int64_t> shape;    // outermost first, also for GGUF (which stores it the other way round)
  std::uint64_t offset = 0;           // of the first byte, from the start of `file`
  std::uint64_t bytes = 0;
  std::filesystem::path file;     // the shard that holds it
  std::int64_t elements() const;  // product of shape; 1 for a scalar
};

// A GGUF metadata value. Integers of every width arrive as int64 (u64 above 2^63-1 is refused), floats as
// double.
using GgufValue = std::variant<bool, std::int64_t, double, std::string, std::vector<bool>,
                               std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>>;

// A checkpoint: its tensors and its metadata. Cheap to move; the mapping lives as long as any span's owner.
// Thread-safe for reading.
class TensorFile {
 public:
  enum class Format { kSafetensors, kGguf };

  virtual ~TensorFile() = default;
  virtual Format format() const = 0;
  virtual const std::filesystem::path& path() const = 0;
  // In file order (shards one after another).
  virtual const std::vector<TensorInfo>& tensors() const = 0;
  // nullptr if there is no tensor of that name.
  virtual const TensorInfo* find(std::string_view name) const = 0;
  // The stored bytes, little-endian; alignment is not promised. Valid as long as `owner()` lives.
  virtual std::span<const std::byte> bytes(const TensorInfo& tensor) const = 0;
  // Keeps every mapping alive.
  virtual std::shared_ptr<const void> owner() const = 0;
  // safetensors: `__metadata__` (of the first shard). Empty for GGUF.
  virtual const std::map<std::string, std::string>& metadata() const = 0;
  // GGUF key-value pairs. Empty for safetensors.
  virtual const std::map<std::string, GgufValue>& gguf_metadata() const = 0;
};

// Opens one safetensors file. Throws Error: kIo (cannot open), kFormat (any rule of the format broken; file
// and tensor named).
std::unique_ptr<TensorFile> open_safetensors(const std::filesystem::path& file);

// Opens a checkpoint folder: model.safetensors, or model.safetensors.index.json and its shards.
std::unique_ptr<TensorFile> open_safetensors_folder(const std::filesystem::path& folder);

// Opens a GGUF file of version 2 or 3, little-endian. Of a split model (NAME-00001-of-00003.gguf) any file
// may be given: all its files are opened, the keys are those of the first. Throws Error(kFormat) also for
// parts that do not belong together, Error(kIo) for a missing one, each named.
std::unique_ptr<TensorFile> open_gguf(const std::filesystem::path& file);

// A folder with safetensors, a .safetensors file or a .gguf file, recognised by its content (magic bytes),
// not by its name alone.
std::unique_ptr<TensorFile> open_checkpoint(const std::filesystem::path& path);

// Turns `tensor` into float32: `out` has tensor.elements() floats. F64 is rounded; F16 and BF16 widen
// exactly; quantised types are dequantised bit for bit as ggml does (ggml-quants.c, dequantize_row_*). Uses
// `threads` threads (>= 1); the result does not depend on it. Throws Error(kFormat) for a type without
// `read`, naming tensor and type.
void read_as_float32(const TensorFile& file, const TensorInfo& tensor, std::span<float> out, int threads = 1);

// One tensor to write: row-major little-endian bytes of a safetensors dtype ("F32", "F64", "I64", ...).
struct TensorToWrite {
  std::string name;
  std::string dtype_name;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

// Writes a whole safetensors file or nothing: temporary name in the same folder, fsync, rename, fsync of the
// folder. Parent folders are created. Order and padding: docs/formats.md. Same input, same bytes, whatever
// the order of `tensors`. A metadata key "format" with the value "pt" is added if it is missing, since other
// loaders ask for it. Throws Error: kIo with path and reason; kFormat for what no safetensors file can hold
// (two tensors of one name, an unknown dtype, bytes that do not make the shape, names that are not UTF-8).
void write_safetensors(const std::filesystem::path& file, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace emend
