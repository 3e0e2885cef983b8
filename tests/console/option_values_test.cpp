#include "console/option_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../base/expect_error.h"
#include "emend/error.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ErrorKind kind_of(const std::string& text) {
  try {
    parse_layers(text, 8);
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::kNumeric;  // accepted
}

TEST(LayerList, TakesNumbersRangesAndAll) {
  EXPECT_THAT(parse_layers("0,3,5-7", 8), ElementsAre(0, 3, 5, 6, 7));
  EXPECT_THAT(parse_layers("all", 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(parse_layers("3,1,1,0-1", 8), ElementsAre(0, 1, 3));
}

TEST(LayerList, RefusesOtherForms) {
  for (const std::string text : {"", ",", "1,", "x", "-1", "3-", "5-3", "1 2", "1.5", "1-2-3", "99999999999"})
    EXPECT_EQ(kind_of(text), ErrorKind::kUsage) << text;
}

TEST(LayerList, RefusesLayersThatTheModelHasNot) {
  for (const std::string text : {"8", "0-8", "7-99"}) EXPECT_EQ(kind_of(text), ErrorKind::kConfig) << text;
}

TEST(RequireLayer, SaysHowManyThereAre) {
  EXPECT_NO_THROW(require_layer("--layer", 11, 12));
  for (const int layer : {-1, 12}) {
    try {
      require_layer("--layer", layer, 12);
      FAIL() << layer;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("12 layers, 0 to 11"));
      EXPECT_THAT(error.what(), HasSubstr("no layer " + std::to_string(layer)));
    }
  }
}

TEST(ShardOption, Reads) {
  EXPECT_EQ(parse_shard("2/8"), std::pair(2, 8));
  EXPECT_EQ(parse_shard("0/1"), std::pair(0, 1));
  EXPECT_EQ(parse_shard(""), std::pair(0, 1));
  for (const char* bad : {"8/8", "0/0", "1", "/", "1/", "/2", "-1/2", "a/2", "1/2/3", "1 /2", "0/1000000"})
    EXPECT_THAT(
        test::error_of(ErrorKind::kUsage, [&] { parse_shard(bad); }),
        testing::HasSubstr("--shard must be i/N with 0 <= i < N, found \"" + std::string(bad) + "\""));
}

TEST(ParseBytes, TakesUnitsOfThousandsAndOf1024) {
  EXPECT_EQ(parse_bytes("memory", "1000000"), 1000000);
  EXPECT_EQ(parse_bytes("memory", "4G"), 4000000000);
  EXPECT_EQ(parse_bytes("memory", "500MB"), 500000000);
  EXPECT_EQ(parse_bytes("memory", "1.5KiB"), 1536);
  for (const char* bad : {"x", "0", "-1G", "4X", "1e30"})
    EXPECT_THAT(
        test::error_of(ErrorKind::kUsage, [&] { parse_bytes("memory", bad); }),
        HasSubstr("--memory must be a size such as 500M, 4G or 4GiB, found \"" + std::string(bad) + "\""));
}

}  // namespace
}  // namespace emend
