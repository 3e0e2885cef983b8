#include "text/unigram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace emend::text {
namespace {

using testing::ElementsAre;

struct SmallModel {
  Vocabulary vocabulary;
  std::vector<double> scores;

  explicit SmallModel(const std::vector<std::pair<std::string, double>>& entries)
      : vocabulary(entries.size(), Spelling::kPlain) {
    for (const auto& [piece, score] : entries) {
      vocabulary.add(static_cast<std::int64_t>(scores.size()), piece);
      scores.push_back(score);
    }
  }
};

std::vector<std::int32_t> ids_of(const TokenModel& model, const std::string& piece) {
  TokenBuffers buffers;
  std::vector<PieceToken> tokens;
  model.encode(piece, buffers, tokens);
  std::vector<std::int32_t> ids;
  for (const PieceToken& token : tokens) ids.push_back(token.id);
  return ids;
}

TEST(Unigram, TakesTheLikeliestWay) {
  const SmallModel small({{"<unk>", 0}, {"a", -1}, {"b", -1}, {"ab", -1.5}, {"ba", -3}, {"aba", -2.6}});
  const Unigram model(small.vocabulary, small.scores, {false, 0, true});
  EXPECT_THAT(ids_of(model, "ab"), ElementsAre(3));                     // -1.5 against -2
  EXPECT_THAT(ids_of(model, "aba"), ElementsAre(3, 1));                 // -2.5 against -2.6 and -4
  EXPECT_THAT(ids_of(model, "ba"), ElementsAre(2, 1));                  // -2 against -3
  EXPECT_THAT(ids_of(model, "ab\u00e9\u00e9b"), ElementsAre(3, 0, 2));  // one unknown token for both
}

TEST(Unigram, FallsToBytes) {
  const SmallModel small({{"<unk>", 0}, {"a", -1}, {"<0xC3>", -5}, {"<0xA9>", -5}});
  const Unigram model(small.vocabulary, small.scores, {true, 0, true});
  EXPECT_THAT(ids_of(model, "a\u00e9a"), ElementsAre(1, 2, 3, 1));
  EXPECT_THAT(ids_of(model, "\u00e8"), ElementsAre(0)) << "not all of its bytes are tokens";
}

// All ways tried one by one.
double best_score(const SmallModel& small, const std::string& piece, std::size_t begin) {
  if (begin == piece.size()) return 0;
  double best = -std::numeric_limits<double>::infinity();
  for (std::size_t id = 0; id < small.scores.size(); ++id) {
    const std::string& token = small.vocabulary.bytes(static_cast<std::int64_t>(id));
    if (piece.compare(begin, token.size(), token) != 0) continue;
    best = std::max(best, small.scores[id] + best_score(small, piece, begin + token.size()));
  }
  return best;
}

TEST(Unigram, EqualsTheDefinitionOnRandomModels) {
  std::mt19937 random(3);
  for (int round = 0; round < 40; ++round) {
    std::vector<std::pair<std::string, double>> entries = {{"a", -2}, {"b", -2}, {"c", -2}};
    for (int i = 0; i < 12; ++i) {
      std::string token;
      for (std::size_t length = 2 + random() % 3; length > 0; --length)
        token += static_cast<char>('a' + random() % 3);
      entries.emplace_back(token, -1.0 - static_cast<double>(random() % 1000) / 200);
    }
    SmallModel small({});
    for (const auto& [token, score] : entries)
      if (small.vocabulary.add(static_cast<std::int64_t>(small.scores.size()), token))
        small.scores.push_back(score);
    const Unigram model(small.vocabulary, small.scores, {});
    for (int i = 0; i < 20; ++i) {
      std::string piece;
      for (std::size_t length = 1 + random() % 10; length > 0; --length)
        piece += static_cast<char>('a' + random() % 3);
      double score = 0;
      for (const std::int32_t id : ids_of(model, piece)) score += small.scores[static_cast<std::size_t>(id)];
      EXPECT_NEAR(score, best_score(small, piece, 0), 1e-12) << piece;
    }
  }
}

TEST(ScoredBpe, MergesByScoreAndNotByPlace) {
  SmallModel small({{"a", -10}, {"b", -10}, {"c", -10}, {"ab", -2}, {"bc", -1}, {"abc", -5}});
  const ScoredBpe model(small.vocabulary, small.scores, {});
  TokenBuffers buffers;
  std::vector<PieceToken> tokens;
  model.encode("abcab", buffers, tokens);
  ASSERT_EQ(tokens.size(), 2u);  // bc first, then a + bc; ab of what is left
  EXPECT_EQ(tokens[0].id, 5);
  EXPECT_EQ(tokens[1].id, 3);
  EXPECT_EQ(tokens[1].begin, 3u);
  EXPECT_EQ(tokens[1].end, 5u);
}

// Whole scores are taken as ranks, others are sorted: fractions, and numbers that 32 bits do not hold.
TEST(ScoredBpe, OnlyTheOrderOfScoresCounts) {
  std::mt19937 random(5);
  const auto text = [&](std::size_t length) {
    std::string letters;
    for (; length > 0; --length) letters += static_cast<char>('a' + random() % 3);
    return letters;
  };
  for (int round = 0; round < 40; ++round) {
    SmallModel small({{"a", 0}, {"b", 3}, {"c", -1000}});
    for (int i = 0; i < 12; ++i)
      if (small.vocabulary.add(static_cast<std::int64_t>(small.scores.size()), text(2 + random() % 3)))
        small.scores.push_back(2.0 - static_cast<double>(random() % 8));  // some are equal
    std::vector<double> fractions, large;
    for (const double score : small.scores) {
      fractions.push_back(score / 3 + 0.25);
      large.push_back(score * 0x1p31);
    }
    const ScoredBpe model(small.vocabulary, small.scores, {});
    const ScoredBpe of_fractions(small.vocabulary, fractions, {}), of_large(small.vocabulary, large, {});
    for (int i = 0; i < 20; ++i) {
      const std::string piece = text(1 + random() % 12);
      EXPECT_EQ(ids_of(of_fractions, piece), ids_of(model, piece)) << piece;
      EXPECT_EQ(ids_of(of_large, piece), ids_of(model, piece)) << piece;
    }
  }
}

TEST(ScoredBpe, MergesACharacterThatIsNoTokenIntoOneThatHoldsIt) {
  SmallModel small({{"a", -1}, {"ax", -1}, {"<0x78>", 0}});
  const ScoredBpe model(small.vocabulary, small.scores, {true, std::nullopt, false});
  TokenBuffers buffers;
  std::vector<PieceToken> tokens;
  model.encode("axx", buffers, tokens);
  ASSERT_EQ(tokens.size(), 2u);
  EXPECT_EQ(tokens[0].id, 1);
  EXPECT_EQ(tokens[1].id, 2) << "by its byte";
}

}  // namespace
}  // namespace emend::text
