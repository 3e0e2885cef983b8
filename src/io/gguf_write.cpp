#include "io/gguf_write.h"

#include <fmt/format.h>

#include <bit>

#include "base/atomic_file.h"
#include "io/element_types.h"
#include "io/gguf_header.h"
#include "io/rewrite_parts.h"

namespace emend {
namespace {

constexpr std::uint64_t kAlignment = 32;

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
  throw Error(ErrorKind::kFormat, fmt::format("cannot write {}: {}", file.string(), what));
}

std::uint64_t padding(std::uint64_t size) {
  return (kAlignment - size % kAlignment) % kAlignment;
}

void append_text(std::vector<std::byte>& bytes, const std::string& text) {
  append_number(bytes, static_cast<std::uint64_t>(text.size()));
  append(bytes, text);
}

void append_pair(std::vector<std::byte>& bytes, const GgufPair& pair) {
  constexpr std::uint32_t kU32 = 4, kF32 = 6, kString = 8, kArray = 9;
  append_text(bytes, pair.first);
  if (const auto* const text = std::get_if<std::string>(&pair.second)) {
    append_number(bytes, kString);
    append_text(bytes, *text);
  } else if (const auto* const number = std::get_if<float>(&pair.second)) {
    append_number(bytes, kF32);
    append_number(bytes, std::bit_cast<std::uint32_t>(*number));
  } else if (const auto* const texts = std::get_if<std::vector<std::string>>(&pair.second)) {
    append_number(bytes, kArray);
    append_number(bytes, kString);
    append_number(bytes, static_cast<std::uint64_t>(texts->size()));
    for (const std::string& item : *texts) append_text(bytes, item);
  } else {
    append_number(bytes, kU32);
    append_number(bytes, std::get<std::uint32_t>(pair.second));
  }
}

const ElementType& check_tensor(const std::filesystem::path& file, const TensorToWrite& tensor) {
  const std::string name = "tensor " + quote(tensor.name);
  if (tensor.name.empty() || tensor.name.size() > kMostGgufNameBytes)
    fail(file, name + ": a name has 1 to 63 bytes");
  const ElementType* const type = find_ggml_type(tensor.dtype_name);
  if (type == nullptr) fail(file, fmt::format("{}: there is no type {}", name, quote(tensor.dtype_name)));
  const auto elements = checked_elements(tensor.shape);
  if (!elements || tensor.shape.empty() ||
      static_cast<std::uint64_t>(tensor.shape.back()) % type->block_elements != 0 ||
      *elements / type->block_elements * type->block_bytes != tensor.bytes.size())
    fail(file, fmt::format("{}: {} bytes do not make {} {}", name, tensor.bytes.size(), tensor.dtype_name,
                           shape_text(tensor.shape)));
  return *type;
}

}  // namespace

void write_gguf(const std::filesystem::path& file, const std::vector<GgufPair>& pairs,
                const std::vector<TensorToWrite>& tensors) {
  constexpr std::uint32_t kVersion = 3;
  std::vector<std::byte> header;
  append(header, "GGUF");
  append_number(header, kVersion);
  append_number(header, static_cast<std::uint64_t>(tensors.size()));
  append_number(header, static_cast<std::uint64_t>(pairs.size()));
  for (const GgufPair& pair : pairs) append_pair(header, pair);
  std::uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    const ElementType& type = check_tensor(file, tensor);
    append_text(header, tensor.name);
    append_number(header, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size)  // ggml: innermost first
      append_number(header, static_cast<std::uint64_t>(*size));
    append_number(header, static_cast<std::uint32_t>(type.ggml_id));
    append_number(header, offset);
    offset += tensor.bytes.size() + padding(tensor.bytes.size());
  }
  header.resize(header.size() + padding(header.size()));
  AtomicFile out(file);
  out.write(header);
  for (const TensorToWrite& tensor : tensors) {
    out.write(tensor.bytes);
    out.write(std::vector<std::byte>(padding(tensor.bytes.size())));
  }
  out.commit();
}

}  // namespace emend
