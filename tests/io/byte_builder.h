// Files made byte by byte.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace emend::test {

// A number's little-endian bytes.
template <typename Number>
std::string little(Number number) {
  static_assert(std::is_arithmetic_v<Number>);
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

inline std::string u32(std::uint32_t number) {
  return little(number);
}
inline std::string u64(std::uint64_t number) {
  return little(number);
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// A safetensors file of this header and `data_bytes` bytes of data.
inline std::string safetensors(std::string_view header, std::size_t data_bytes = 0) {
  return u64(header.size()) + std::string(header) + std::string(data_bytes, '\x01');
}

// GGUF's u64 length and bytes.
inline std::string gguf_string(std::string_view text) {
  return u64(text.size()) + std::string(text);
}

// One metadata pair with its value's bytes.
inline std::string gguf_pair(std::string_view key, std::uint32_t type, std::string_view value) {
  return gguf_string(key) + u32(type) + std::string(value);
}

// One tensor record; `ne` innermost first, as stored.
inline std::string gguf_tensor(std::string_view name, const std::vector<std::uint64_t>& ne,
                               std::uint32_t type, std::uint64_t offset) {
  std::string record = gguf_string(name) + u32(static_cast<std::uint32_t>(ne.size()));
  for (const std::uint64_t n : ne) record += u64(n);
  return record + u32(type) + u64(offset);
}

// A whole GGUF file: pairs, tensor records, padding to `alignment`, data.
struct GgufFile {
  std::vector<std::string> pairs;
  std::vector<std::string> tensors;
  std::string data;
  std::size_t alignment = 32;

  std::string bytes() const {
    std::string out = "GGUF" + u32(3) + u64(tensors.size()) + u64(pairs.size());
    for (const std::string& pair : pairs) out += pair;
    for (const std::string& tensor : tensors) out += tensor;
    out.append((alignment - out.size() % alignment) % alignment, '\0');
    return out + data;
  }
};

}  // namespace emend::test
