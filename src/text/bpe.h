// Byte pair encoding of one piece of text: start from single bytes, merge the adjacent pair of lowest rank,
// leftmost on ties, until none is left (Sennrich et al. 2016). A heap over a linked list makes it O(n log n)
// for any piece.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

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

// Immutable; any thread may call encode() with buffers of its own.
class Bpe {
 public:
  struct PieceToken {
    std::int32_t id = 0;
    std::size_t begin = 0;  // bytes of the piece
    std::size_t end = 0;
  };
  class Buffers;

  // `merges` in order of rank; of a pair that stands there twice the later one counts. The vocabulary must
  // outlive this.
  Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, WholePieces whole_pieces);

  // The bytes that have no token of their own; a piece with such a byte loses it. Empty for all valid files.
  std::vector<unsigned char> missing_bytes() const;

  // Appends the tokens of `piece`, in order.
  void encode(std::string_view piece, Buffers& buffers, std::vector<PieceToken>& tokens) const;

 private:
  // Open addressing from a pair of ids to its rank and result.
  struct PairSlot {
    std::uint64_t pair = kNoPair;
    std::int32_t rank = 0;
    std::int32_t merged = 0;
  };
  static constexpr std::uint64_t kNoPair = ~std::uint64_t{0};

  const PairSlot* find_pair(std::int32_t left, std::int32_t right) const;
  std::size_t slot_of(std::uint64_t pair) const;
  void push_candidate(std::int32_t left, Buffers& buffers) const;

  const Vocabulary& vocabulary_;
  WholePieces whole_pieces_;
  std::array<std::int32_t, 256> byte_ids_{};  // -1: none
  std::vector<PairSlot> pairs_;               // the size is a power of two
};

// Memory that encode() uses again from piece to piece.
class Bpe::Buffers {
 private:
  friend class Bpe;
  struct Symbol {
    std::int32_t id = 0;  // -1: merged into its left neighbour
    std::int32_t previous = -1;
    std::int32_t next = -1;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  struct Candidate {
    std::int32_t rank = 0;
    std::int32_t left = 0;  // index of the left symbol
    std::int32_t merged = 0;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

}  // namespace emend::text
