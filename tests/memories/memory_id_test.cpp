#include "emend/memory_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "emend/error.h"
#include "emend/model.h"

namespace emend {
namespace {

using testing::HasSubstr;

std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(MemoryId, IsWrittenAndReadBack) {
  EXPECT_EQ(to_string(MemoryId{.layer = 12, .index = 771}), "L12D771");
  EXPECT_EQ(parse_memory_id("L12D771"), (MemoryId{.layer = 12, .index = 771}));
  EXPECT_EQ(parse_memory_id("L0D0"), (MemoryId{}));
}

TEST(MemoryId, RefusesOtherTexts) {
  for (const char* text :
       {"", "L", "L12", "L12D", "12D771", "L12D771 ", "l1d2", "L-1D2", "L1D-2", "L1D99999999999"})
    EXPECT_THAT(refusal([&] { parse_memory_id(text); }), HasSubstr("L12D771")) << text;
}

TEST(MemoryId, NamesTheRangeOfTheModel) {
  ModelConfig config;
  config.layers = 3;
  config.d_ff = 16;
  require_memory(config, {.layer = 2, .index = 15});
  EXPECT_THAT(refusal([&] { require_memory(config, {.layer = 3, .index = 0}); }), HasSubstr("0 to 2"));
  EXPECT_THAT(refusal([&] { require_memory(config, {.layer = 2, .index = 16}); }), HasSubstr("D0 to D15"));
}

}  // namespace
}  // namespace emend
