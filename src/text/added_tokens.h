// Tokens that are cut out of the text before the model sees the rest: control tokens such as <|endoftext|>,
// and those that users added.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emend/tokenizer.h"

namespace emend::text {

struct AddedToken {
  std::int64_t id = 0;
  std::string content;
  bool single_word = false;  // not where a letter, digit or `_` adjoins
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and that behind it
  bool normalized = false;   // looked for in the normalised text, in normalised form
  bool special = false;      // decode may leave it out; no influence on matching
};

// Finds tokens in a text: leftmost first, the longest of those that begin there. Immutable.
class AddedTokenMatcher {
 public:
  struct Match {
    const AddedToken* token = nullptr;
    ByteSpan span;
  };

  AddedTokenMatcher() = default;
  // A token and the bytes to look for, its content or that normalised. Empty ones are never found. The tokens
  // must outlive this.
  explicit AddedTokenMatcher(const std::vector<std::pair<const AddedToken*, std::string>>& patterns);

  bool empty() const { return nodes_.size() <= 1; }

  // In order; the flags single_word, lstrip and rstrip are applied.
  std::vector<Match> find_all(std::string_view text) const;

 private:
  struct Node {
    std::vector<std::pair<unsigned char, std::uint32_t>> children;  // few a node
    const AddedToken* token = nullptr;                              // whose pattern ends here
  };
  const Node* child(const Node& node, unsigned char byte) const;
  // The longest pattern that begins at `begin`; its span is empty when there is none.
  Match longest_at(std::string_view text, std::size_t begin) const;

  std::vector<Node> nodes_;  // a trie; the root is the first
  std::vector<bool> begins_ = std::vector<bool>(256, false);
};

}  // namespace emend::text
