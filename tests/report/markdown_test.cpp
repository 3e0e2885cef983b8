#include "report/markdown.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

TEST(MarkdownText, ShowsMarkupAsText) {
  EXPECT_EQ(markdown_text("a_b *c* `d` [e](f) | <g> & #h"),
            "a\\_b \\*c\\* \\`d\\` \\[e\\](f) \\| &lt;g> &amp; \\#h");
  EXPECT_EQ(markdown_text("two\nlines"), "two\\\\nlines");
  EXPECT_EQ(markdown_text("97.5 ± 1.2"), "97.5 ± 1.2");
}

TEST(MarkdownTable, HasARuleAndGroups) {
  EXPECT_EQ(markdown_table({"metric", "a|b"}, {{"group"}, {"x", "1"}, {"y"}}),
            "| metric | a\\|b |\n| --- | ---: |\n| **group** |  |\n| x | 1 |\n| **y** |  |\n");
  EXPECT_EQ(markdown_table({"only"}, {{"x"}}), "| only |\n| --- |\n| x |\n");
}

}  // namespace
}  // namespace emend
