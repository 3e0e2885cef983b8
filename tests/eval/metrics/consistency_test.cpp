#include "eval/metrics/consistency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../../base/expect_error.h"
#include "../../cli/scratch_folder.h"
#include "../../support/npz_builder.h"
#include "emend/error.h"

namespace emend {
namespace {

using test::bytes_of;
using test::npy;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kSnippets = R"([
  {"relation_id": "P1", "target_id": "Q1", "samples": [{"name": "x", "text": "red apple"}, {"name": "y", "text": "Red sky"}]},
  {"relation_id": "P1", "target_id": "Q2", "samples": [{"name": "z", "text": "blue sky"}]},
  {"relation_id": "P1", "target_id": "Q3", "samples": []}])";

TEST(TfidfWords, AreRunsOfTwoWordCharacters) {
  EXPECT_THAT(tfidf_words("A Red-Apple, x2 of_it I'm ÉTÉ"),
              ElementsAre("red", "apple", "x2", "of_it", "été"));
}

TEST(Idf, IsSmooth) {
  const Idf idf = Idf::of({"red apple", "red red sky", "blue"});
  EXPECT_EQ(idf.size(), 4u);
  EXPECT_NEAR(idf.weight("red"), std::log(4.0 / 3) + 1, 1e-12);
  EXPECT_NEAR(idf.weight("blue"), std::log(4.0 / 2) + 1, 1e-12);
  EXPECT_EQ(idf.weight("green"), 0);
}

TEST(TfidfCosine, IsThatOfCountsTimesWeights) {
  const Idf idf({{"red", 2}, {"sky", 1}});
  // (2*2, 1) and (2, 1): (8 + 1) / (sqrt(17) sqrt(5))
  EXPECT_NEAR(*tfidf_cosine(idf, "Red sky, red", "red sky green"), 9 / std::sqrt(85.0), 1e-12);
  EXPECT_NEAR(*tfidf_cosine(idf, "red", "red red"), 1, 1e-12);
  EXPECT_EQ(*tfidf_cosine(idf, "red", "sky"), 0);
  EXPECT_FALSE(tfidf_cosine(idf, "green", "sky").has_value());
}

TEST(Snippets, ScoreGeneratedTexts) {
  ScratchFolder folder;
  const Snippets snippets(folder.write("snippets.json", kSnippets));
  EXPECT_EQ(snippets.samples(), 3u);
  EXPECT_EQ(snippets.fingerprint().size(), 64u);
  // N = 3: red 2 documents, sky 2, apple 1, blue 1. Reference "red apple Red sky".
  const double common = std::log(4.0 / 3) + 1, rare = std::log(4.0 / 2) + 1;
  const double reference = std::sqrt(4 * common * common + rare * rare + common * common);
  EXPECT_NEAR(*snippets.consistency({"red", "sky."}, "P1", "Q1"),
              (2 * common * common + common * common) / (reference * std::sqrt(2.0) * common), 1e-12);
  EXPECT_NEAR(*snippets.consistency({"blue sky"}, "P1", "Q2"), 1, 1e-12);
  EXPECT_FALSE(snippets.consistency({"nothing known"}, "P1", "Q1").has_value());
  EXPECT_FALSE(snippets.consistency({"red"}, "P2", "Q1").has_value());
  EXPECT_TRUE(snippets.has("P1", "Q2"));
  EXPECT_FALSE(snippets.has("P1", "Q3")) << "no samples";
}

TEST(Snippets, TakeWeightsFromElsewhere) {
  ScratchFolder folder;
  const Snippets snippets(folder.write("snippets.json", kSnippets), Idf({{"red", 1}}));
  EXPECT_NEAR(*snippets.consistency({"red sky"}, "P1", "Q1"), 1, 1e-12);
}

std::string refusal(const std::string& content) {
  ScratchFolder folder;
  try {
    Snippets(folder.write("snippets.json", content));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kFormat);
    return error.what();
  }
  return "";
}

TEST(Snippets, RefuseBrokenFilesByPlace) {
  EXPECT_THAT(refusal(R"([{"relation_id": "P1", "target_id": "Q1", "samples": [{"name": "x"}]}])"),
              HasSubstr("snippets.json: \"[0].samples[0]"));
  EXPECT_THAT(refusal(R"([{"relation_id": 1, "target_id": "Q1", "samples": []}])"),
              HasSubstr("[0].relation_id"));
  EXPECT_THAT(refusal("{}"), HasSubstr("must be an array"));
  EXPECT_THAT(refusal("[]"), HasSubstr("there is no text in it"));
  EXPECT_THAT(refusal("[{"), HasSubstr("snippets.json"));
  EXPECT_THROW(Snippets("/nowhere/snippets.json"), Error);
}

// --- the words' weights of a file

std::string doubles(const std::vector<double>& numbers) {
  std::string bytes;
  for (const double number : numbers) bytes += bytes_of(number);
  return bytes;
}

// What reading says of these weights; empty when it takes them.
std::string idf_refusal(const std::string& weights) {
  const ScratchFolder folder;
  folder.write("idf.npy", weights);
  folder.write("tfidf_vocab.json", R"({"sky": 0})");
  try {
    read_idf(folder.path());
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kFormat);
    return error.what();
  }
  return "";
}

TEST(IdfFile, GivesWordsTheirWeights) {
  const ScratchFolder folder;
  folder.write("idf.npy", npy("<f8", "2,", doubles({2, 1})));
  folder.write("tfidf_vocab.json", R"({"sky": 1, "red": 0})");
  const IdfFiles files = read_idf(folder.path());
  EXPECT_EQ(files.idf.size(), 2u);
  EXPECT_EQ(files.idf.weight("red"), 2);
  EXPECT_EQ(files.idf.weight("sky"), 1);
  EXPECT_EQ(files.fingerprint.size(), 64u);
  folder.write("tfidf_vocab.json", R"({"sky": 2})");
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { read_idf(folder.path()); }),
              HasSubstr("the word \"sky\" is at place 2, and"));
}

TEST(IdfFile, TakesOneRowOfEitherFloatType) {
  EXPECT_EQ(idf_refusal(npy("<f8", "1,", doubles({1}))), "");
  EXPECT_EQ(idf_refusal(npy("<f4", "1, 2", test::floats({0.5, 3}))), "");
  EXPECT_EQ(idf_refusal(npy("<f4", "2, 1", test::floats({0.5, 3}), true)), "");
}

TEST(IdfFile, RefusesOtherArraysByName) {
  const std::string one = doubles({1});
  EXPECT_THAT(idf_refusal("no array"), HasSubstr("idf.npy: this is not a .npy array"));
  EXPECT_THAT(idf_refusal(npy("<i8", "1,", one)),
              AllOf(HasSubstr("idf.npy"), HasSubstr("its type is \"<i8\"")));
  EXPECT_THAT(idf_refusal(npy(">f8", "1,", one)), HasSubstr("its type is"));
  EXPECT_THAT(idf_refusal(npy("<f8", "2, 2", doubles({1, 2, 3, 4}))), HasSubstr("its shape"));
  EXPECT_THAT(idf_refusal(npy("<f8", "", one)), HasSubstr("its shape"));
  EXPECT_THAT(idf_refusal(npy("<f8", "0,", "")), HasSubstr("its shape"));
  EXPECT_THAT(idf_refusal(npy("<f8", "2,", one)), HasSubstr("shorter than its shape says"));
}

}  // namespace
}  // namespace emend
