#include "text/unigram.h"

#include <algorithm>
#include <string>

#include "text/unicode.h"

namespace emend::text {
namespace {

using BestPath = TokenBuffers::BestPath;

constexpr double kUnknownPenalty = 10;
constexpr std::int32_t kUnknown = -1;  // in a path: no token

// A token replaces another way to the same place only if it is better.
void offer(double score, std::int32_t id, std::size_t begin, BestPath& path) {
  if (path.begin >= 0 && score <= path.score) return;
  path = {score, id, static_cast<std::int64_t>(begin)};
}

}  // namespace

Unigram::Unigram(const Vocabulary& vocabulary, std::vector<double> scores, const CharacterFallback& fallback)
    : vocabulary_(vocabulary),
      scores_(std::move(scores)),
      fallback_(fallback),
      byte_ids_(byte_token_ids(vocabulary)) {
  if (!scores_.empty()) unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
  build_trie(vocabulary);
}

void Unigram::build_trie(const Vocabulary& vocabulary) {
  // Tokens by their bytes: those of a node lie together, and its own comes first.
  std::vector<std::int32_t> ids;
  for (std::int64_t id = 0; id < vocabulary.size(); ++id)
    if (vocabulary.contains(id) && !vocabulary.bytes(id).empty())
      ids.push_back(static_cast<std::int32_t>(id));
  std::sort(ids.begin(), ids.end(),
            [&](std::int32_t a, std::int32_t b) { return vocabulary.bytes(a) < vocabulary.bytes(b); });
  struct Range {
    std::size_t node, begin, end, depth;
  };
  nodes_.assign(1, {});
  std::vector<Range> open = {{0, 0, ids.size(), 0}};
  for (std::size_t at = 0; at < open.size(); ++at) {
    const Range range = open[at];
    std::size_t i = range.begin;
    if (i < range.end && vocabulary.bytes(ids[i]).size() == range.depth) nodes_[range.node].id = ids[i++];
    nodes_[range.node].first_child = static_cast<std::uint32_t>(nodes_.size());
    while (i < range.end) {
      const char byte = vocabulary.bytes(ids[i])[range.depth];
      std::size_t end = i;
      while (end < range.end && vocabulary.bytes(ids[end])[range.depth] == byte) ++end;
      open.push_back({nodes_.size(), i, end, range.depth + 1});
      nodes_.push_back({0, 0, static_cast<unsigned char>(byte), -1});
      ++nodes_[range.node].children;
      i = end;
    }
  }
}

const Unigram::Node* Unigram::child(const Node& node, unsigned char byte) const {
  const auto begin = nodes_.begin() + node.first_child;
  const auto end = begin + node.children;
  const auto found =
      std::lower_bound(begin, end, byte, [](const Node& a, unsigned char wanted) { return a.byte < wanted; });
  return found == end || found->byte != byte ? nullptr : &*found;
}

void Unigram::extend(std::string_view piece, std::size_t begin, std::vector<BestPath>& paths) const {
  const double here = paths[begin].score;
  const std::size_t character = code_point_at(piece, begin).length;
  bool has_character = false;
  const Node* node = &nodes_.front();
  for (std::size_t end = begin; end < piece.size();) {
    node = child(*node, static_cast<unsigned char>(piece[end]));
    if (node == nullptr) break;
    ++end;
    if (node->id < 0) continue;
    offer(scores_[static_cast<std::size_t>(node->id)] + here, node->id, begin, paths[end]);
    has_character = has_character || end - begin == character;
  }
  if (!has_character) offer(unknown_score_ + here, kUnknown, begin, paths[begin + character]);
}

void Unigram::encode(std::string_view piece, TokenBuffers& buffers, std::vector<PieceToken>& tokens) const {
  auto& paths = buffers.paths;
  paths.assign(piece.size() + 1, {});
  paths[0].begin = 0;
  for (std::size_t i = 0; i < piece.size(); i += code_point_at(piece, i).length) extend(piece, i, paths);

  // From the end backwards; neighbouring unknown characters become one part.
  std::vector<PieceToken> parts;
  const auto is_unknown = [&](std::int32_t id) {
    return id == kUnknown || (fallback_.unknown && id == *fallback_.unknown);
  };
  for (std::size_t end = piece.size(); end > 0;) {
    const BestPath& path = paths[end];
    const auto begin = static_cast<std::size_t>(path.begin);
    const bool unknown = is_unknown(path.id);
    if (unknown && fallback_.fuse_unknown && !parts.empty() && parts.back().id == kUnknown)
      parts.back().begin = begin;
    else
      parts.push_back({unknown ? kUnknown : path.id, begin, end});
    end = begin;
  }
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const std::string_view text = piece.substr(part->begin, part->end - part->begin);
    const auto id = part->id == kUnknown ? vocabulary_.find_bytes(text) : std::optional(part->id);
    if (id)
      tokens.push_back({*id, part->begin, part->end});
    else
      append_fallback(text, part->begin, fallback_, byte_ids_, tokens);
  }
}

void Unigram::write_rules(FieldWriter& fields) const {
  fields.number(static_cast<std::int64_t>(scores_.size()));
  for (const double score : scores_) fields.decimal(score);
  fields.number(fallback_.to_bytes);
  fields.number(fallback_.unknown.value_or(-1));
  fields.number(fallback_.fuse_unknown);
}

}  // namespace emend::text
