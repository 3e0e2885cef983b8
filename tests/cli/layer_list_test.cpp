#include "cli/layer_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace emend
