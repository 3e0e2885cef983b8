// Text in fixed blocks, and the passes over a block that show its vectors to a visitor.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analysis/text_visitor.h"

namespace emend {

struct TextDocument {
  std::string name;  // "document FILE:LINE", "text of the model's own"
  std::uint64_t fingerprint = 0;
  std::int64_t number = 0;  // in the corpus in the order given, from 0
};

// A row of given text and its place.
struct PlacedRow {
  std::int64_t document = 0;  // TextDocument::number
  std::int64_t window = 0;    // which row of that document
  std::uint64_t address = 0;  // of its first token; the others follow
  std::uint64_t sampled = 0;  // TextToken::document
  std::span<const std::int64_t> ids;
};

// What a run reads. Its blocks depend on the text and the options alone, never on batches, threads or other
// blocks, so that any process can visit them. Block after block gives the same bits wherever a run begins
// again.
class TextSource {
 public:
  // Told how many tokens of a block have been visited.
  using OnTokens = std::function<void(std::int64_t tokens)>;

  virtual ~TextSource() = default;
  virtual std::int64_t blocks() const = 0;
  // Tokens of a block that are visited: all but those at position 0.
  virtual std::int64_t tokens_of(std::int64_t block) const = 0;
  // Shows the visitor all portions of one block.
  virtual void visit(std::int64_t block, TextVisitor& visitor, const OnTokens& on_tokens) const = 0;

  // Fingerprints of the documents of a block, in any order.
  virtual std::vector<std::uint64_t> documents(std::int64_t block) const = 0;
  // The document that a token names.
  virtual TextDocument document(std::uint64_t number) const = 0;

  // All rows of all blocks by document and window; addresses ascend with them. Empty for text that the model
  // writes itself. The ids live as long as this object.
  virtual std::vector<PlacedRow> rows() const { return {}; }

  // Rows that are kept out of all blocks, each with its first token, and their fingerprints.
  virtual const std::vector<std::vector<std::int64_t>>& held_text() const = 0;
  virtual const std::vector<std::uint64_t>& held_documents() const = 0;

  virtual std::string description() const = 0;  // "text: 3 files, 1.2 MB"
  virtual std::string fingerprint() const = 0;  // of all that the blocks depend on, except model and BOS

  std::int64_t tokens() const {
    std::int64_t total = 0;
    for (std::int64_t b = 0; b < blocks(); ++b) total += tokens_of(b);
    return total;
  }
};

}  // namespace emend
