#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../base/expect_error.h"
#include "../../cli/scratch_folder.h"
#include "../../support/npz_builder.h"
#include "eval/metrics/consistency.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using test::bytes_of;
using test::npy;

std::string doubles(const std::vector<double>& numbers) {
  std::string bytes;
  for (const double number : numbers) bytes += bytes_of(number);
  return bytes;
}

// What reading says of these weights; empty when it takes them.
std::string refusal(const std::string& weights) {
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
  EXPECT_EQ(refusal(npy("<f8", "1,", doubles({1}))), "");
  EXPECT_EQ(refusal(npy("<f4", "1, 2", test::floats({0.5, 3}))), "");
  EXPECT_EQ(refusal(npy("<f4", "2, 1", test::floats({0.5, 3}), true)), "");
}

TEST(IdfFile, RefusesOtherArraysByName) {
  const std::string one = doubles({1});
  EXPECT_THAT(refusal("no array"), HasSubstr("idf.npy: this is not a .npy array"));
  EXPECT_THAT(refusal(npy("<i8", "1,", one)), AllOf(HasSubstr("idf.npy"), HasSubstr("its type is \"<i8\"")));
  EXPECT_THAT(refusal(npy(">f8", "1,", one)), HasSubstr("its type is"));
  EXPECT_THAT(refusal(npy("<f8", "2, 2", doubles({1, 2, 3, 4}))), HasSubstr("its shape"));
  EXPECT_THAT(refusal(npy("<f8", "", one)), HasSubstr("its shape"));
  EXPECT_THAT(refusal(npy("<f8", "0,", "")), HasSubstr("its shape"));
  EXPECT_THAT(refusal(npy("<f8", "2,", one)), HasSubstr("shorter than its shape says"));
}

}  // namespace
}  // namespace emend
