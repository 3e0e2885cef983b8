#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"

namespace emend::text {
namespace {

bool ends_with_word(std::string_view text) {
  std::size_t last = text.size();
  while (last > 0) {
    --last;
    if ((static_cast<unsigned char>(text[last]) & 0xC0) != 0x80) break;
  }
  return !text.empty() && is_word(code_point_at(text, last).code_point);
}

bool begins_with_word(std::string_view text) {
  return !text.empty() && is_word(code_point_at(text, 0).code_point);
}

}  // namespace

void AddedTokenList::add(AddedToken token) {
  if (token.content.empty()) return;
  if (AddedToken* known = find(token.content)) {
    token.id = known->id;
    *known = std::move(token);
    return;
  }
  const auto in_vocabulary = vocabulary_.find(token.content);
  token.id = in_vocabulary ? *in_vocabulary : next_id_;
  next_id_ = std::max(next_id_, token.id + 1);
  index_of_.emplace(token.content, tokens_.size());
  tokens_.push_back(std::move(token));
}

AddedToken* AddedTokenList::find(std::string_view content) {
  const auto found = index_of_.find(std::string(content));
  return found == index_of_.end() ? nullptr : &tokens_[found->second];
}

bool AddedTokenList::holds_id(std::int64_t id) const {
  return std::any_of(tokens_.begin(), tokens_.end(),
                     [id](const AddedToken& token) { return token.id == id; });
}

AddedTokenMatcher::AddedTokenMatcher(const std::vector<std::pair<const AddedToken*, std::string>>& patterns)
    : nodes_(1) {
  for (const auto& [token, pattern] : patterns) {
    if (pattern.empty()) continue;
    begins_[static_cast<unsigned char>(pattern.front())] = true;
    std::uint32_t at = 0;
    for (const char c : pattern) {
      const auto byte = static_cast<unsigned char>(c);
      if (const Node* known = child(nodes_[at], byte)) {
        at = static_cast<std::uint32_t>(known - nodes_.data());
      } else {
        const auto made = static_cast<std::uint32_t>(nodes_.size());
        nodes_[at].children.emplace_back(byte, made);
        nodes_.emplace_back();
        at = made;
      }
    }
    nodes_[at].token = token;
  }
}

const AddedTokenMatcher::Node* AddedTokenMatcher::child(const Node& node, unsigned char byte) const {
  for (const auto& [edge, index] : node.children) {
    if (edge == byte) return &nodes_[index];
  }
  return nullptr;
}

AddedTokenMatcher::Match AddedTokenMatcher::longest_at(std::string_view text, std::size_t begin) const {
  Match best;
  const Node* node = &nodes_.front();
  for (std::size_t i = begin; i < text.size(); ++i) {
    node = child(*node, static_cast<unsigned char>(text[i]));
    if (node == nullptr) break;
    if (node->token != nullptr) best = {node->token, {begin, i + 1}};
  }
  return best;
}

std::vector<AddedTokenMatcher::Match> AddedTokenMatcher::find_all(std::string_view text) const {
  std::vector<Match> matches;
  if (empty()) return matches;
  std::size_t free_from = 0;  // end of the last match with the white space that it took
  for (std::size_t i = 0; i < text.size();) {
    if (!begins_[static_cast<unsigned char>(text[i])]) {
      ++i;
      continue;
    }
    Match match = longest_at(text, i);
    if (match.token == nullptr) {
      ++i;
      continue;
    }
    i = match.span.end;
    const std::string_view before = text.substr(0, match.span.begin);
    const std::string_view after = text.substr(match.span.end);
    if (match.token->single_word && (ends_with_word(before) || begins_with_word(after))) continue;
    if (match.token->lstrip) {
      match.span.begin = std::max(trailing_white_space(before), std::min(free_from, match.span.begin));
    }
    // A token that begins with white space which the one before it took: that one gives it back.
    if (match.span.begin < free_from) matches.back().span.end = match.span.begin;
    if (match.token->rstrip) match.span.end += leading_white_space(after);
    free_from = match.span.end;
    matches.push_back(match);
  }
  return matches;
}

}  // namespace emend::text
