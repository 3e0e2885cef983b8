// Tokens that are cut out of the text before the model sees the rest: control tokens such as <|endoftext|>,
// and those that users added.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "emend/tokenizer.h"
#include "text/vocabulary.h"

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

// Added tokens in the order of the files that name them. A token that the vocabulary holds keeps its id
// there; any other gets the id behind the highest one, whatever id its file states (`tokenizers` does the
// same).
class AddedTokenList {
 public:
  // The vocabulary must outlive this.
  explicit AddedTokenList(const Vocabulary& vocabulary)
      : vocabulary_(vocabulary), next_id_(static_cast<std::int64_t>(vocabulary.count())) {}

  // A content that stands here already keeps its id and takes the new flags. An empty content is left out.
  void add(AddedToken token);

  // nullptr if no token has this content.
  AddedToken* find(std::string_view content);
  bool holds_id(std::int64_t id) const;
  std::vector<AddedToken> take() { return std::move(tokens_); }

 private:
  const Vocabulary& vocabulary_;
  std::int64_t next_id_;
  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string, std::size_t> index_of_;
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
