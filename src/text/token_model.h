// What turns a piece of text into tokens of the vocabulary: BPE over bytes or characters (bpe.h), merging by
// scores (bpe.h), unigram (unigram.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fingerprint.h"

namespace emend::text {

struct PieceToken {
  std::int32_t id = 0;
  std::size_t begin = 0;  // bytes of the piece
  std::size_t end = 0;
};

// Memory that encode() uses again from piece to piece; a thread has its own.
struct TokenBuffers {
  // A part of the piece that is no longer than a token.
  struct Symbol {
    std::int32_t id = 0;
    std::int32_t previous = -1;
    std::int32_t next = -1;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  // Two neighbouring symbols that may merge.
  struct Candidate {
    std::int32_t rank = 0;
    std::int32_t left = 0;  // index of the left symbol
    std::int32_t merged = 0;
    std::uint32_t size = 0;  // bytes of both
  };
  // The best way to the end of a prefix of the piece.
  struct BestPath {
    double score = 0;
    std::int32_t id = -1;
    std::int64_t begin = -1;  // of its last token; -1: not reached
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::vector<BestPath> paths;
};

// Fields of a fingerprint: lengths before texts, so that no two lists of fields give the same bytes. Large
// vocabularies have megabytes of them, so they are hashed as they come, a portion at a time.
class FieldWriter {
 public:
  void number(std::int64_t value);
  void decimal(double value);
  void text(std::string_view value);
  void numbers(const std::vector<std::int64_t>& values);
  std::string sha256();

 private:
  void append(std::string_view bytes);
  void flush();

  Sha256 hash_;
  std::string waiting_;  // not hashed yet
};

// Immutable; any thread may call encode() with buffers of its own.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the tokens of `piece` (valid UTF-8), in order. A part that has no token is left out.
  virtual void encode(std::string_view piece, TokenBuffers& buffers,
                      std::vector<PieceToken>& tokens) const = 0;
  // Names the kind of model in a fingerprint.
  virtual std::string_view kind() const = 0;
  // All that ids depend on beside the vocabulary.
  virtual void write_rules(FieldWriter& fields) const = 0;
};

}  // namespace emend::text
