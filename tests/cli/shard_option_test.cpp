#include "cli/shard_option.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../base/expect_error.h"
#include "emend/error.h"

namespace emend {
namespace {

TEST(ShardOption, Reads) {
  EXPECT_EQ(parse_shard("2/8"), std::pair(2, 8));
  EXPECT_EQ(parse_shard("0/1"), std::pair(0, 1));
  EXPECT_EQ(parse_shard(""), std::pair(0, 1));
  for (const char* bad : {"8/8", "0/0", "1", "/", "1/", "/2", "-1/2", "a/2", "1/2/3", "1 /2", "0/1000000"})
    EXPECT_THAT(
        test::error_of(ErrorKind::kUsage, [&] { parse_shard(bad); }),
        testing::HasSubstr("--shard must be i/N with 0 <= i < N, found \"" + std::string(bad) + "\""));
}

}  // namespace
}  // namespace emend
