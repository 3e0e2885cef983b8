#include "text/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "text/unicode.h"

namespace emend::text {
namespace {

using Symbol = TokenBuffers::Symbol;
using Candidate = TokenBuffers::Candidate;

constexpr std::int32_t kAbsorbed = -1;  // merged into its left neighbour
constexpr std::int32_t kNoToken = -2;   // a character that is no token, though a longer text with it may be

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
         static_cast<std::uint32_t>(right);
}

// For std::push_heap, which keeps the greatest in front: the lowest rank, leftmost on ties.
constexpr auto kComesLater = [](const auto& a, const auto& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
};

struct PairMerge {
  std::int32_t rank = 0;
  std::int32_t merged = 0;
};

// `find` says whether two neighbours merge: (left, right) to std::optional<PairMerge>.
template <typename Find>
void push_candidate(std::int32_t left, TokenBuffers& buffers, const Find& find) {
  if (left < 0) return;
  const Symbol& symbol = buffers.symbols[static_cast<std::size_t>(left)];
  if (symbol.next < 0) return;
  const Symbol& next = buffers.symbols[static_cast<std::size_t>(symbol.next)];
  const std::optional<PairMerge> merge = find(symbol, next);
  if (!merge) return;
  buffers.heap.push_back({merge->rank, left, merge->merged, next.end - symbol.begin});
  std::push_heap(buffers.heap.begin(), buffers.heap.end(), kComesLater);
}

// Merges the symbols of the buffers until no two neighbours do.
template <typename Find>
void merge_all(TokenBuffers& buffers, const Find& find) {
  auto& [symbols, heap, paths] = buffers;
  heap.clear();
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
    push_candidate(static_cast<std::int32_t>(i), buffers, find);
  while (!heap.empty()) {
    const Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end(), kComesLater);
    heap.pop_back();
    Symbol& left = symbols[static_cast<std::size_t>(best.left)];
    if (left.id == kAbsorbed || left.next < 0) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    if (right.end - left.begin != best.size) continue;  // a merge around here made it stale
    left.id = best.merged;
    left.end = right.end;
    left.next = right.next;
    right.id = kAbsorbed;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = best.left;
    push_candidate(left.previous, buffers, find);
    push_candidate(best.left, buffers, find);
  }
}

void append_symbol(std::int32_t id, std::size_t begin, std::size_t end, std::vector<Symbol>& symbols) {
  const auto index = static_cast<std::int32_t>(symbols.size());
  if (index > 0) symbols.back().next = index;
  symbols.push_back({id, index - 1, -1, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
}

void append_tokens(const std::vector<Symbol>& symbols, std::vector<PieceToken>& tokens) {
  for (const Symbol& symbol : symbols)
    if (symbol.id >= 0) tokens.push_back({symbol.id, symbol.begin, symbol.end});
}

void write_fallback(const CharacterFallback& fallback, FieldWriter& fields) {
  fields.number(fallback.to_bytes);
  fields.number(fallback.unknown.value_or(-1));
  fields.number(fallback.fuse_unknown);
}

}  // namespace

Bpe::Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, WholePieces whole_pieces)
    : vocabulary_(vocabulary), whole_pieces_(whole_pieces) {
  for (int byte = 0; byte < 256; ++byte) {
    const char one = static_cast<char>(byte);
    byte_ids_[byte] = vocabulary.find_bytes(std::string_view(&one, 1)).value_or(-1);
  }
  read_merges(merges);
}

Bpe::Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, WholePieces whole_pieces,
         const CharacterFallback& fallback)
    : vocabulary_(vocabulary),
      whole_pieces_(whole_pieces),
      fallback_(fallback),
      byte_ids_(byte_token_ids(vocabulary)) {
  read_merges(merges);
}

void Bpe::read_merges(const std::vector<Merge>& merges) {
  pairs_.resize(std::bit_ceil(2 * merges.size() + 16));
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

void Bpe::append_bytes(std::string_view piece, std::vector<Symbol>& symbols) const {
  for (std::size_t i = 0; i < piece.size(); ++i) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(piece[i])];
    if (id >= 0) append_symbol(id, i, i + 1, symbols);
  }
}

void Bpe::append_characters(std::string_view piece, std::vector<Symbol>& symbols) const {
  std::vector<PieceToken> stand_ins;  // of the characters without a token, since the last one that has one
  const auto flush = [&] {
    for (const PieceToken& token : stand_ins) append_symbol(token.id, token.begin, token.end, symbols);
    stand_ins.clear();
  };
  for (std::size_t i = 0; i < piece.size();) {
    const std::string_view character = piece.substr(i, code_point_at(piece, i).length);
    if (const auto id = vocabulary_.find_bytes(character)) {
      flush();
      append_symbol(*id, i, i + character.size(), symbols);
    } else {
      append_fallback(character, i, *fallback_, byte_ids_, stand_ins);
    }
    i += character.size();
  }
  flush();
}

void Bpe::encode(std::string_view piece, TokenBuffers& buffers, std::vector<PieceToken>& tokens) const {
  if (whole_pieces_ == WholePieces::kTakeAsToken) {
    if (const std::optional<std::int32_t> id = vocabulary_.find_bytes(piece)) {
      tokens.push_back({*id, 0, piece.size()});
      return;
    }
  }
  buffers.symbols.clear();
  if (fallback_)
    append_characters(piece, buffers.symbols);
  else
    append_bytes(piece, buffers.symbols);
  merge_all(buffers, [&](const Symbol& left, const Symbol& right) -> std::optional<PairMerge> {
    const PairSlot* pair = find_pair(left.id, right.id);
    return pair == nullptr ? std::nullopt : std::optional(PairMerge{pair->rank, pair->merged});
  });
  append_tokens(buffers.symbols, tokens);
}

std::string_view Bpe::kind() const {
  return fallback_ ? "emend character BPE tokenizer 1" : "emend byte-level tokenizer 1";
}

void Bpe::write_rules(FieldWriter& fields) const {
  std::vector<PairSlot> in_order;
  for (const PairSlot& slot : pairs_)
    if (slot.pair != kNoPair) in_order.push_back(slot);
  std::sort(in_order.begin(), in_order.end(),
            [](const PairSlot& a, const PairSlot& b) { return a.rank < b.rank; });
  fields.number(static_cast<std::int64_t>(in_order.size()));
  for (const PairSlot& slot : in_order) {
    fields.number(static_cast<std::int64_t>(slot.pair >> 32));
    fields.number(static_cast<std::int64_t>(slot.pair & 0xFFFFFFFFu));
    fields.number(slot.merged);
  }
  fields.number(static_cast<std::int64_t>(whole_pieces_));
  if (fallback_) write_fallback(*fallback_, fields);
}

namespace {

// Whole numbers that 32 bits hold: as most files have them, since a score is the place in a list of merges,
// negated.
bool is_place(double score) {
  return std::abs(score) < 0x1p31 && score == std::trunc(score);
}

// By id, lower for a higher score; equal scores have equal ranks. Only the order of ranks counts.
std::vector<std::int32_t> ranks_of(const std::vector<double>& scores) {
  std::vector<std::int32_t> ranks(scores.size());
  if (std::all_of(scores.begin(), scores.end(), is_place)) {
    std::transform(scores.begin(), scores.end(), ranks.begin(),
                   [](double score) { return static_cast<std::int32_t>(-score); });
    return ranks;
  }
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  std::int32_t rank = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && scores[order[i]] != scores[order[i - 1]]) ++rank;
    ranks[order[i]] = rank;
  }
  return ranks;
}

}  // namespace

ScoredBpe::ScoredBpe(const Vocabulary& vocabulary, std::vector<double> scores,
                     const CharacterFallback& fallback)
    : vocabulary_(vocabulary),
      scores_(std::move(scores)),
      rank_of_(ranks_of(scores_)),
      fallback_(fallback),
      byte_ids_(byte_token_ids(vocabulary)) {}

void ScoredBpe::encode(std::string_view piece, TokenBuffers& buffers, std::vector<PieceToken>& tokens) const {
  buffers.symbols.clear();
  for (std::size_t i = 0; i < piece.size();) {
    const std::size_t length = code_point_at(piece, i).length;
    append_symbol(vocabulary_.find_bytes(piece.substr(i, length)).value_or(kNoToken), i, i + length,
                  buffers.symbols);
    i += length;
  }
  merge_all(buffers, [&](const Symbol& left, const Symbol& right) -> std::optional<PairMerge> {
    const auto id = vocabulary_.find_bytes(piece.substr(left.begin, right.end - left.begin));
    return id ? std::optional(PairMerge{rank_of_[static_cast<std::size_t>(*id)], *id}) : std::nullopt;
  });
  for (const Symbol& symbol : buffers.symbols) {
    if (symbol.id >= 0)
      tokens.push_back({symbol.id, symbol.begin, symbol.end});
    else if (symbol.id == kNoToken)
      append_fallback(piece.substr(symbol.begin, symbol.end - symbol.begin), symbol.begin, fallback_,
                      byte_ids_, tokens);
  }
}

void ScoredBpe::write_rules(FieldWriter& fields) const {
  fields.number(static_cast<std::int64_t>(scores_.size()));
  for (const double score : scores_) fields.decimal(score);
  write_fallback(fallback_, fields);
}

std::array<std::int32_t, 256> byte_token_ids(const Vocabulary& vocabulary) {
  std::array<std::int32_t, 256> ids{};
  for (int byte = 0; byte < 256; ++byte)
    ids[static_cast<std::size_t>(byte)] = vocabulary.find(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  return ids;
}

void append_fallback(std::string_view text, std::size_t base, const CharacterFallback& fallback,
                     const std::array<std::int32_t, 256>& byte_ids, std::vector<PieceToken>& tokens) {
  const auto id_of = [&](char byte) { return byte_ids[static_cast<unsigned char>(byte)]; };
  if (fallback.to_bytes && std::all_of(text.begin(), text.end(), [&](char c) { return id_of(c) >= 0; })) {
    for (std::size_t i = 0; i < text.size(); ++i) tokens.push_back({id_of(text[i]), base + i, base + i + 1});
    return;
  }
  if (!fallback.unknown) return;
  const bool joins = fallback.fuse_unknown && !tokens.empty() && tokens.back().id == *fallback.unknown &&
                     tokens.back().end == base;
  if (joins)
    tokens.back().end = base + text.size();
  else
    tokens.push_back({*fallback.unknown, base, base + text.size()});
}

}  // namespace emend::text
