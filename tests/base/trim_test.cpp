#include "base/trim.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

TEST(Trim, CutsBlanksAtBothEnds) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim("a"), "a");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim(" \n\t "), "");
}

TEST(Trim, CutsBlanksAtTheBackOnly) {
  EXPECT_EQ(trim_back(" a \n"), " a");
  EXPECT_EQ(trim_back("  "), "");
}

}  // namespace
}  // namespace emend
