#include "text/bpe.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <utility>

#include "text/byte_alphabet.h"

namespace emend::text {
namespace {

std::string spelled(int byte) {
  return spelling_of_bytes(std::string(1, static_cast<char>(byte)));
}

// A vocabulary of all bytes and `count` random merges over the letters a to d.
struct RandomModel {
  Vocabulary vocabulary{600};
  std::vector<Merge> merges;

  RandomModel(std::mt19937& random, int count) {
    for (int byte = 0; byte < 256; ++byte) vocabulary.add(byte, spelled(byte));
    std::vector<std::int32_t> ids = {'a', 'b', 'c', 'd'};
    while (static_cast<int>(merges.size()) < count) {
      const std::int32_t left = ids[random() % ids.size()], right = ids[random() % ids.size()];
      const std::string joined = vocabulary.bytes(left) + vocabulary.bytes(right);
      if (joined.size() > 9) continue;
      const auto known = vocabulary.find_bytes(joined);
      const std::int32_t merged = known ? *known : static_cast<std::int32_t>(vocabulary.size());
      if (!known) {
        vocabulary.add(merged, joined);
        ids.push_back(merged);
      }
      merges.push_back({left, right, merged});
    }
  }

  // The definition, word for word.
  std::vector<std::int32_t> encode_slowly(const std::string& piece) const {
    std::map<std::pair<std::int32_t, std::int32_t>, std::size_t> ranks;
    for (std::size_t rank = 0; rank < merges.size(); ++rank)
      ranks[{merges[rank].left, merges[rank].right}] = rank;
    std::vector<std::int32_t> ids;
    for (const char c : piece) ids.push_back(static_cast<unsigned char>(c));
    while (true) {
      std::size_t best = merges.size(), at = 0;
      for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
        const auto rank = ranks.find({ids[i], ids[i + 1]});
        if (rank == ranks.end() || rank->second >= best) continue;
        best = rank->second;
        at = i;
      }
      if (best == merges.size()) return ids;
      ids[at] = merges[best].merged;
      ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
  }
};

TEST(Bpe, EqualsTheDefinitionOnRandomVocabularies) {
  std::mt19937 random(1);
  for (int round = 0; round < 30; ++round) {
    const RandomModel model(random, 60);
    const Bpe bpe(model.vocabulary, model.merges, WholePieces::kMerge);
    TokenBuffers buffers;
    for (int i = 0; i < 100; ++i) {
      std::string piece;
      for (std::size_t length = 1 + random() % 50; length > 0; --length)
        piece += static_cast<char>('a' + random() % 4);
      std::vector<PieceToken> tokens;
      bpe.encode(piece, buffers, tokens);
      std::vector<std::int32_t> ids;
      std::size_t at = 0;
      for (const PieceToken& token : tokens) {
        ids.push_back(token.id);
        EXPECT_EQ(token.begin, at);
        at = token.end;
      }
      EXPECT_EQ(at, piece.size());
      EXPECT_EQ(ids, model.encode_slowly(piece)) << piece;
    }
  }
}

TEST(Bpe, TakesAWholePieceAsTokenOnlyWhenAsked) {
  Vocabulary vocabulary(8);
  vocabulary.add(0, "a");
  vocabulary.add(1, "b");
  vocabulary.add(2, "ba");
  TokenBuffers buffers;
  std::vector<PieceToken> merged, whole;
  Bpe(vocabulary, {}, WholePieces::kMerge).encode("ba", buffers, merged);
  Bpe(vocabulary, {}, WholePieces::kTakeAsToken).encode("ba", buffers, whole);
  EXPECT_EQ(merged.size(), 2u);
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].id, 2);
  EXPECT_EQ(whole[0].end, 2u);
}

TEST(Bpe, ARepeatedPairHasItsLastRank) {
  Vocabulary vocabulary(8);
  for (const auto& [id, spelling] :
       std::map<int, std::string>{{0, "a"}, {1, "b"}, {2, "c"}, {3, "ab"}, {4, "bc"}}) {
    vocabulary.add(id, spelling);
  }
  const Bpe bpe(vocabulary, {{0, 1, 3}, {1, 2, 4}, {0, 1, 3}}, WholePieces::kMerge);
  TokenBuffers buffers;
  std::vector<PieceToken> tokens;
  bpe.encode("abc", buffers, tokens);
  ASSERT_EQ(tokens.size(), 2u);
  EXPECT_EQ(tokens[0].id, 0);
  EXPECT_EQ(tokens[1].id, 4);
}

TEST(Bpe, LeavesOutBytesThatAreNoTokens) {
  Vocabulary vocabulary(8);
  vocabulary.add(0, "a");
  const Bpe bpe(vocabulary, {}, WholePieces::kMerge);
  EXPECT_EQ(bpe.missing_bytes().size(), 255u);
  TokenBuffers buffers;
  std::vector<PieceToken> tokens;
  bpe.encode("xax", buffers, tokens);
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_EQ(tokens[0].begin, 1u);
  EXPECT_EQ(tokens[0].end, 2u);
}

// A quadratic algorithm would need minutes for it.
TEST(Bpe, EncodesAPieceOfAMillionBytes) {
  Vocabulary vocabulary(8);
  vocabulary.add(0, "a");
  vocabulary.add(1, "aa");
  vocabulary.add(2, "aaaa");
  const Bpe bpe(vocabulary, {{0, 0, 1}, {1, 1, 2}}, WholePieces::kMerge);
  TokenBuffers buffers;
  std::vector<PieceToken> tokens;
  bpe.encode(std::string(1'000'003, 'a'), buffers, tokens);
  EXPECT_EQ(tokens.size(), 250'002u);
}

}  // namespace
}  // namespace emend::text
