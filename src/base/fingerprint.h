// Fingerprints: SHA-256 for identity that others can check, XXH3-128 for speed. Never mix the two in one
// field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace emend {

// SHA-256 of a stream of bytes. One thread at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  // Raw bytes: update("ab") and update("a"), update("b") give the same.
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  // The length as 8 bytes, little-endian, then the bytes: fields "ab", "c" and "a", "bc" differ.
  void update_field(std::span<const std::byte> bytes);
  void update_field(std::string_view text);
  // 8 bytes, little-endian.
  void update_number(std::uint64_t number);

  // Of all so far, 64 lower-case hex digits; more may follow.
  std::string hex() const;

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// SHA-256 of one piece.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

// XXH3-128 (seed 0) in its canonical, big-endian form as 32 lower-case hex digits, as `xxhsum -H2` prints it.
std::string xxh3_128_hex(std::span<const std::byte> bytes);

}  // namespace emend
