// A bounds-checked little-endian cursor.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace emend {

// Reads forward through bytes that it does not own. Each read names what it reads; past the end it throws
// Error(kFormat): `SOURCE: ends at byte 40, in the middle of WHAT`.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string source)
      : bytes_(bytes), source_(std::move(source)) {}

  const std::string& source() const { return source_; }
  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return bytes_.size() - position_; }

  // An integer or a float, little-endian, at any alignment.
  template <typename Number>
  Number read(std::string_view what) {
    static_assert(std::is_arithmetic_v<Number> && !std::is_same_v<Number, bool>);
    static_assert(std::endian::native == std::endian::little, "emend runs on little-endian machines only");
    Number number{};
    std::memcpy(&number, take(sizeof number, what).data(), sizeof number);
    return number;
  }

  // The next `count` bytes.
  std::span<const std::byte> take(std::uint64_t count, std::string_view what);
  // A u64 length and as many bytes. The length is checked before anything is allocated.
  std::string read_string(std::string_view what);
  // A u64 count of records of at least `record_bytes` each: more than the rest can hold is an error.
  std::uint64_t read_count(std::uint64_t record_bytes, std::string_view what);

 private:
  [[noreturn]] void fail_short(std::string_view what) const;

  std::span<const std::byte> bytes_;
  std::string source_;
  std::uint64_t position_ = 0;
};

}  // namespace emend
