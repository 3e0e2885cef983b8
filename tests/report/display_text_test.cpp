#include "report/display_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emend {
namespace {

using testing::ElementsAre;

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("Rome"), 4U);
  EXPECT_EQ(display_width("Zürich"), 6U);
  EXPECT_EQ(display_width("e\xCC\x81"), 1U);  // e and a combining acute accent
  EXPECT_EQ(display_width("東京"), 4U);
}

TEST(DisplayWidth, CountsEachBrokenByteAsOneColumn) {
  EXPECT_EQ(display_width("a\xFF\xFE"), 3U);
}

TEST(OneLine, EscapesWhatWouldMoveTheCursor) {
  EXPECT_EQ(one_line("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(one_line("\x1B[31mred"), "\\x1B[31mred");
  EXPECT_EQ(one_line("\xE2\x80\xA8"), "\\u2028");
  EXPECT_EQ(one_line("a\xE2\x80\xAE"
                     "b"),
            "a\\u202Eb");  // right-to-left override
  EXPECT_EQ(one_line("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(one_line("Zürich 東京"), "Zürich 東京");
}

TEST(CutToWidth, LeavesWhatFits) {
  EXPECT_EQ(cut_to_width("Rome", 4), "Rome");
  EXPECT_EQ(cut_to_width("", 0), "");
}

TEST(CutToWidth, MarksTheCut) {
  EXPECT_EQ(cut_to_width("The Eiffel Tower", 8), "The Eif…");
  EXPECT_EQ(cut_to_width("Rome", 1), "…");
  EXPECT_EQ(cut_to_width("Rome", 0), "");
}

TEST(CutToWidth, NeverHalvesAWideCharacterOrPartsAMark) {
  EXPECT_EQ(cut_to_width("東京都", 4), "東…");
  EXPECT_EQ(cut_to_width("ae\xCC\x81xyz", 3), "ae\xCC\x81…");
}

TEST(PadToWidth, FillsByColumns) {
  EXPECT_EQ(pad_to_width("東京", 6, Align::kLeft), "東京  ");
  EXPECT_EQ(pad_to_width("é", 3, Align::kRight), "  é");
  EXPECT_EQ(pad_to_width("long", 2, Align::kLeft), "long");
}

TEST(WrapToWidth, BreaksAtSpaces) {
  EXPECT_THAT(wrap_to_width("The tower stands in Rome", 10), ElementsAre("The tower", "stands in", "Rome"));
}

TEST(WrapToWidth, BreaksInsideAWordThatIsTooLong) {
  EXPECT_THAT(wrap_to_width("abcdefgh", 3), ElementsAre("abc", "def", "gh"));
  EXPECT_THAT(wrap_to_width("東京", 1), ElementsAre("東", "京"));
}

TEST(WrapToWidth, KeepsLineFeeds) {
  EXPECT_THAT(wrap_to_width("a\n\nb", 10), ElementsAre("a", "", "b"));
  EXPECT_THAT(wrap_to_width("", 10), ElementsAre(""));
}

}  // namespace
}  // namespace emend
