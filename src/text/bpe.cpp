#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <optional>

namespace emend::text {
namespace {

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
         static_cast<std::uint32_t>(right);
}

// For std::push_heap, which keeps the greatest in front: the lowest rank, leftmost on ties.
constexpr auto kComesLater = [](const auto& a, const auto& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
};

}  // namespace

Bpe::Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, WholePieces whole_pieces)
    : vocabulary_(vocabulary), whole_pieces_(whole_pieces), pairs_(std::bit_ceil(2 * merges.size() + 16)) {
  for (int byte = 0; byte < 256; ++byte) {
    const char one = static_cast<char>(byte);
    byte_ids_[byte] = vocabulary.find_bytes(std::string_view(&one, 1)).value_or(-1);
  }
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::uint64_t pair = pair_key(merges[rank].left, merges[rank].right);
    pairs_[slot_of(pair)] = {pair, static_cast<std::int32_t>(rank), merges[rank].merged};
  }
}

std::vector<unsigned char> Bpe::missing_bytes() const {
  std::vector<unsigned char> missing;
  for (int byte = 0; byte < 256; ++byte) {
    if (byte_ids_[byte] < 0) missing.push_back(static_cast<unsigned char>(byte));
  }
  return missing;
}

std::size_t Bpe::slot_of(std::uint64_t pair) const {
  const std::size_t mask = pairs_.size() - 1;
  const std::uint64_t mixed = pair * 0x9E3779B97F4A7C15u;
  std::size_t slot = static_cast<std::size_t>(mixed ^ (mixed >> 32)) & mask;
  while (pairs_[slot].pair != pair && pairs_[slot].pair != kNoPair) slot = (slot + 1) & mask;
  return slot;
}

const Bpe::PairSlot* Bpe::find_pair(std::int32_t left, std::int32_t right) const {
  const PairSlot& slot = pairs_[slot_of(pair_key(left, right))];
  return slot.pair == kNoPair ? nullptr : &slot;
}

void Bpe::push_candidate(std::int32_t left, Buffers& buffers) const {
  if (left < 0) return;
  const Buffers::Symbol& symbol = buffers.symbols[static_cast<std::size_t>(left)];
  if (symbol.next < 0) return;
  const PairSlot* pair = find_pair(symbol.id, buffers.symbols[static_cast<std::size_t>(symbol.next)].id);
  if (pair == nullptr) return;
  buffers.heap.push_back({pair->rank, left, pair->merged});
  std::push_heap(buffers.heap.begin(), buffers.heap.end(), kComesLater);
}

void Bpe::encode(std::string_view piece, Buffers& buffers, std::vector<PieceToken>& tokens) const {
  if (whole_pieces_ == WholePieces::kTakeAsToken) {
    if (const std::optional<std::int32_t> id = vocabulary_.find_bytes(piece)) {
      tokens.push_back({*id, 0, piece.size()});
      return;
    }
  }
  auto& symbols = buffers.symbols;
  symbols.clear();
  for (std::size_t i = 0; i < piece.size(); ++i) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(piece[i])];
    if (id < 0) continue;
    const auto index = static_cast<std::int32_t>(symbols.size());
    if (index > 0) symbols.back().next = index;
    symbols.push_back({id, index - 1, -1, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i + 1)});
  }

  auto& heap = buffers.heap;
  heap.clear();
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) push_candidate(static_cast<std::int32_t>(i), buffers);
  while (!heap.empty()) {
    const Buffers::Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end(), kComesLater);
    heap.pop_back();
    Buffers::Symbol& left = symbols[static_cast<std::size_t>(best.left)];
    if (left.id < 0 || left.next < 0) continue;
    Buffers::Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    // A merge around here may have made this candidate stale.
    const PairSlot* pair = find_pair(left.id, right.id);
    if (pair == nullptr || pair->merged != best.merged) continue;
    left.id = best.merged;
    left.end = right.end;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = best.left;
    push_candidate(left.previous, buffers);
    push_candidate(best.left, buffers);
  }

  for (const Buffers::Symbol& symbol : symbols) {
    if (symbol.id >= 0) tokens.push_back({symbol.id, symbol.begin, symbol.end});
  }
}

}  // namespace emend::text
