// The unigram language model (Kudo 2018): of all ways to cut a piece into tokens, the one with the highest
// sum of log-probabilities, found by Viterbi's algorithm.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "text/bpe.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace emend::text {

// A character that is no token has the lowest score less 10; a run of such characters is one unknown token,
// or falls to bytes.
class Unigram : public TokenModel {
 public:
  // One score for each id of the vocabulary, which must outlive this. All its tokens are plain text.
  Unigram(const Vocabulary& vocabulary, std::vector<double> scores, const CharacterFallback& fallback);

  void encode(std::string_view piece, TokenBuffers& buffers, std::vector<PieceToken>& tokens) const override;
  std::string_view kind() const override { return "emend unigram tokenizer 1"; }
  void write_rules(FieldWriter& fields) const override;

 private:
  // A trie over the bytes of all tokens. Children of a node are sorted by byte and lie together.
  struct Node {
    std::uint32_t first_child = 0;
    std::uint16_t children = 0;
    unsigned char byte = 0;  // on the way from the parent
    std::int32_t id = -1;    // of the token that ends here
  };

  void build_trie(const Vocabulary& vocabulary);
  const Node* child(const Node& node, unsigned char byte) const;
  // Goes on from `begin`, which has been reached, by all tokens and at least by one character.
  void extend(std::string_view piece, std::size_t begin, std::vector<TokenBuffers::BestPath>& paths) const;

  const Vocabulary& vocabulary_;
  std::vector<double> scores_;
  CharacterFallback fallback_;
  double unknown_score_ = 0;
  std::array<std::int32_t, 256> byte_ids_{};
  std::vector<Node> nodes_;  // the root is the first
};

}  // namespace emend::text
