// A text that was made from another one by steps (invalid UTF-8 replaced, characters composed, ...) and still
// knows which bytes of the original each of its bytes stands for.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emend/tokenizer.h"

namespace emend::text {

// A cheap value: it either views the original, or shares rewritten bytes with other slices of them.
class AlignedText {
 public:
  // The original itself, which must outlive this value.
  explicit AlignedText(std::string_view original) : text_(original) {}

  std::string_view text() const { return text_; }

  // The bytes of the original that the bytes [begin, end) of text() stand for. An inserted byte stands for
  // none.
  ByteSpan origin(std::size_t begin, std::size_t end) const;

  AlignedText slice(std::size_t begin, std::size_t end) const;

 private:
  friend class AlignedTextBuilder;
  struct Rewritten {
    std::string bytes;
    std::vector<ByteSpan> origins;  // one a byte, in order
    std::size_t end = 0;            // where the original ends
  };

  std::string_view text_;
  std::size_t offset_ = 0;                      // of text_ in the original, or in the rewritten bytes
  std::shared_ptr<const Rewritten> rewritten_;  // null: text_ views the original
};

// Writes a new text from left to right out of a source. Every range is one of source.text().
class AlignedTextBuilder {
 public:
  explicit AlignedTextBuilder(const AlignedText& source);

  void keep(std::size_t begin, std::size_t end);
  // Each of the new bytes stands for the whole range; an empty range is an insertion.
  void replace(std::string_view bytes, std::size_t begin, std::size_t end);
  // Length of what has been written so far.
  std::size_t size() const { return result_->bytes.size(); }

  AlignedText finish();

 private:
  AlignedText source_;
  std::shared_ptr<AlignedText::Rewritten> result_;
};

// `text` with each ill-formed part read as U+FFFD, which stands for the bytes of that part.
AlignedText read_utf8(std::string_view text);

}  // namespace emend::text
