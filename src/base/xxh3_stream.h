// XXH3-128 of a stream of bytes: what xxh3_128_hex (base/fingerprint.h) gives for all of them in one piece.
#pragma once

#include <xxhash.h>

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string>

namespace emend {

// One thread at a time.
class Xxh3Stream {
 public:
  Xxh3Stream() : state_(XXH3_createState()) {
    if (!state_) throw std::bad_alloc();
    XXH3_128bits_reset(state_.get());
  }

  void update(std::span<const std::byte> bytes) {
    XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
  }

  // Of all so far, 32 lower-case hex digits; more may follow.
  std::string hex() const {
    constexpr char kDigits[] = "0123456789abcdef";
    XXH128_canonical_t canonical{};
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    std::string digits;
    for (const unsigned char byte : canonical.digest) {
      digits += kDigits[byte >> 4];
      digits += kDigits[byte & 15];
    }
    return digits;
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

}  // namespace emend
