#include "base/number_text.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

TEST(NumberText, ReadsDigitsAlone) {
  EXPECT_EQ(whole_number("042"), 42);
  EXPECT_EQ(whole_number("123456", 6), 123456);
  for (const char* bad : {"", "-1", "+1", "1 ", "0x1", "1.0"})
    EXPECT_EQ(whole_number(bad), std::nullopt) << bad;
  EXPECT_EQ(whole_number("1234567", 6), std::nullopt);
}

TEST(NumberText, ReadsSizes) {
  EXPECT_EQ(byte_count("1.5KiB"), 1536);
  EXPECT_EQ(byte_count("4G"), 4000000000);
  for (const char* bad : {"", "x", "0", "-1G", "4X", "1e30", "nan"})
    EXPECT_EQ(byte_count(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace emend
