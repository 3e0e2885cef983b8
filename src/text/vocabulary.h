// The model's own tokens (added tokens apart): ids, their spelling in the file and the bytes that they stand
// for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emend::text {

// How a file writes a token's bytes.
enum class Spelling {
  kByteAlphabet,  // byte-level BPE: "\u0120the" (byte_alphabet.h)
  kPlain          // the text itself: "\u2581the", as the model sees it after normalisation
};

// Immutable after the last add().
class Vocabulary {
 public:
  explicit Vocabulary(std::size_t expected_tokens, Spelling spelling = Spelling::kByteAlphabet);

  // Both the id and the spelling must be new: false (and no change) otherwise. `id` >= 0.
  bool add(std::int64_t id, std::string_view spelling);
  // Brings the place of a token that will be added soon into the cache: large tables lie outside of it.
  void prepare(std::string_view spelling) const;

  // By spelling: as in the file ("Ġthe"), or with characters outside the byte alphabet.
  std::optional<std::int32_t> find(std::string_view spelling) const;
  // By bytes (" the"); finds no token that is spelled with characters outside the byte alphabet.
  std::optional<std::int32_t> find_bytes(std::string_view bytes) const;

  // One past the highest id, and how many ids are taken.
  std::int64_t size() const { return static_cast<std::int64_t>(tokens_.size()); }
  std::size_t count() const { return count_; }

  bool contains(std::int64_t id) const;
  // For an id that is there. A token spelled outside the alphabet stands for its own UTF-8.
  const std::string& bytes(std::int64_t id) const { return tokens_[static_cast<std::size_t>(id)].bytes; }
  std::string spelling(std::int64_t id) const;

 private:
  enum class Kind : std::uint8_t { kHole, kBytes, kVerbatim };
  struct Token {
    std::string bytes;
    Kind kind = Kind::kHole;
  };
  // Open addressing over ids; the slot that holds the token, or the empty one where it would go.
  // Bytes and kind of a spelling; the kind is never kHole.
  Token read_spelling(std::string_view spelling) const;
  std::size_t slot_of(std::string_view bytes, Kind kind) const;
  std::optional<std::int32_t> look_up(std::string_view bytes, Kind kind) const;
  void grow();

  Spelling spelling_;
  std::vector<Token> tokens_;
  std::vector<std::int32_t> slots_;  // -1: empty; the size is a power of two
  std::size_t count_ = 0;
};

}  // namespace emend::text
