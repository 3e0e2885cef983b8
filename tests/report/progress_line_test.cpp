#include "report/progress_line.h"

#include <gtest/gtest.h>

#include "report/display_text.h"

namespace emend {
namespace {

const ProgressState kHalfway = {"search", "steps", "loss 0.31", 15, 30, 5};

TEST(ProgressLine, TellsShareRateAndTimeLeft) {
  EXPECT_EQ(progress_bar(kHalfway, 200),
            "search  [##########..........]  50 %  15/30 steps  3.00 steps/s  5.00 s left  loss 0.31");
  EXPECT_EQ(progress_text(kHalfway), "search: 15/30 steps, 3.00 steps/s, 5.00 s left, loss 0.31");
  EXPECT_EQ(progress_end({"search", "steps", "", 30, 30, 9.68}), "search: 30 steps in 9.68 s");
}

TEST(ProgressLine, TellsOneUnitInTheSingular) {
  EXPECT_EQ(progress_begin({"trace", "facts", "", 0, 1, 0}), "trace: 1 fact");
  EXPECT_EQ(progress_begin({"trace", "facts", "", 0, 2000, 0}), "trace: 2,000 facts");
  EXPECT_EQ(progress_begin({"reading", "prefixes", "", 0, 0, 0}), "reading: started");
  EXPECT_EQ(progress_text({"trace", "facts", "", 0, 1, 0}), "trace: 0/1 fact");
  EXPECT_EQ(progress_text({"trace", "facts", "", 1, 3, 0}), "trace: 1/3 facts");
  EXPECT_EQ(progress_end({"trace", "facts", "", 1, 1, 2}), "trace: 1 fact in 2.00 s");
  EXPECT_EQ(progress_end({"reading", "prefixes", "", 1, 0, 2}), "reading: 1 prefix in 2.00 s");
}

TEST(ProgressLine, NeverExceedsTheTerminal) {
  ProgressState state = kHalfway;
  state.note = "東京東京東京東京東京";
  for (std::size_t columns = 0; columns < 120; ++columns)
    EXPECT_LE(display_width(progress_bar(state, columns)), columns);
}

TEST(ProgressLine, DoesWithoutAKnownTotal) {
  EXPECT_EQ(progress_bar({"load", "tensors", "", 3, 0, 1}, 200), "load  3 tensors  3.00 tensors/s");
}

TEST(ProgressLine, SaysNothingOfRatesBeforeTheFirstUnit) {
  EXPECT_EQ(progress_text({"load", "tensors", "", 0, 4, 0}), "load: 0/4 tensors");
}

TEST(ProgressLine, StaysWholeWhenMoreIsDoneThanWasAnnounced) {
  EXPECT_EQ(progress_bar({"load", "tensors", "", 9, 4, 0}, 200),
            "load  [####################]  100 %  9/4 tensors");
}

TEST(ProgressLine, KeepsNotesOnOneLine) {
  EXPECT_EQ(progress_text({"load", "tensors", "a\nb", 0, 4, 0}), "load: 0/4 tensors, a\\nb");
}

}  // namespace
}  // namespace emend
