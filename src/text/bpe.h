// Byte pair encoding of one piece of text: start from single bytes or characters, merge the adjacent pair of
// lowest rank, leftmost on ties, until none is left (Sennrich et al. 2016). A heap over a linked list makes
// it O(n log n) for any piece.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/token_model.h"
#include "text/vocabulary.h"

namespace emend::text {

struct Merge {
  std::int32_t left = 0;
  std::int32_t right = 0;
  std::int32_t merged = 0;
};

enum class WholePieces {
  kMerge,       // every piece goes through the merges
  kTakeAsToken  // a piece that is a token as it stands is that token ("ignore_merges")
};

// Tokens of single bytes, spelled "<0x00>" to "<0xFF>", and what becomes of a character without any token.
struct CharacterFallback {
  bool to_bytes = false;                // a token for each of its bytes, if they all have one
  std::optional<std::int32_t> unknown;  // else this one; without it the character is left out
  bool fuse_unknown = false;            // a run of unknown characters is one token
};

// `merges` of both constructors are in order of rank; of a pair that stands there twice the later one counts.
// The vocabulary must outlive the model.
class Bpe : public TokenModel {
 public:
  // Starts from bytes.
  Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, WholePieces whole_pieces);
  // Starts from characters, as SentencePiece does.
  Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, WholePieces whole_pieces,
      const CharacterFallback& fallback);

  // The bytes that have no token of their own; a piece with such a byte loses it, if it is cut into bytes.
  // Empty for all valid files.
  std::vector<unsigned char> missing_bytes() const;

  void encode(std::string_view piece, TokenBuffers& buffers, std::vector<PieceToken>& tokens) const override;
  std::string_view kind() const override;
  void write_rules(FieldWriter& fields) const override;

 private:
  // Open addressing from a pair of ids to its rank and result.
  struct PairSlot {
    std::uint64_t pair = kNoPair;
    std::int32_t rank = 0;
    std::int32_t merged = 0;
  };
  static constexpr std::uint64_t kNoPair = ~std::uint64_t{0};

  void read_merges(const std::vector<Merge>& merges);
  const PairSlot* find_pair(std::int32_t left, std::int32_t right) const;
  std::size_t slot_of(std::uint64_t pair) const;
  void append_bytes(std::string_view piece, std::vector<TokenBuffers::Symbol>& symbols) const;
  void append_characters(std::string_view piece, std::vector<TokenBuffers::Symbol>& symbols) const;

  const Vocabulary& vocabulary_;
  WholePieces whole_pieces_;
  std::optional<CharacterFallback> fallback_;  // none: starts from bytes
  std::array<std::int32_t, 256> byte_ids_{};   // -1: none
  std::vector<PairSlot> pairs_;                // the size is a power of two
};

// SentencePiece's BPE as GGUF files hold it (tokenizer.ggml.model = llama): no list of merges, but a score a
// token. Of all neighbours that together are a token, those of the highest score merge first, leftmost on
// ties; what is no token in the end falls to bytes (ggml-org/llama.cpp: src/llama-vocab.cpp).
class ScoredBpe : public TokenModel {
 public:
  // One score for each id of the vocabulary, which must outlive this.
  ScoredBpe(const Vocabulary& vocabulary, std::vector<double> scores, const CharacterFallback& fallback);

  void encode(std::string_view piece, TokenBuffers& buffers, std::vector<PieceToken>& tokens) const override;
  std::string_view kind() const override { return "emend scored BPE tokenizer 1"; }
  void write_rules(FieldWriter& fields) const override;

 private:
  const Vocabulary& vocabulary_;
  std::vector<double> scores_;
  std::vector<std::int32_t> rank_of_;  // by id: lower for a higher score; equal scores have equal ranks
  CharacterFallback fallback_;
  std::array<std::int32_t, 256> byte_ids_{};
};

// The ids of "<0x00>" to "<0xFF>"; -1 where there is none.
std::array<std::int32_t, 256> byte_token_ids(const Vocabulary& vocabulary);

// The id of the first of the tokens that stand for the bytes of `text` (with `to_bytes`), or the unknown
// token, appended with their places; fuses with an unknown token in front. `base` is added to all places.
void append_fallback(std::string_view text, std::size_t base, const CharacterFallback& fallback,
                     const std::array<std::int32_t, 256>& byte_ids, std::vector<PieceToken>& tokens);

}  // namespace emend::text
