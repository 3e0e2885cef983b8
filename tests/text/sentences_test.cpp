#include "text/sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emend {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Sentences, EndMarksAndLinesEndThem) {
  EXPECT_THAT(split_sentences("It rained. Did it stop? No!  Not at all"),
              ElementsAre("It rained.", "Did it stop?", "No!", "Not at all"));
  EXPECT_THAT(split_sentences("A heading\nIts text.\n\n"), ElementsAre("A heading", "Its text."));
  EXPECT_THAT(split_sentences("He said \"Go.\" Then he left."),
              ElementsAre("He said \"Go.\"", "Then he left."));
  EXPECT_THAT(split_sentences("Well... He left (at last). Good."),
              ElementsAre("Well...", "He left (at last).", "Good."));
  EXPECT_THAT(split_sentences(" \n \t"), IsEmpty());
  EXPECT_THAT(split_sentences("..."), ElementsAre("..."));
}

TEST(Sentences, FullStopsInsideEndNone) {
  EXPECT_THAT(split_sentences("It costs 3.50 at example.com today. Then more."),
              ElementsAre("It costs 3.50 at example.com today.", "Then more."));
  EXPECT_THAT(split_sentences("Dr. J. Smith met Mrs. Jones, e.g. Ann. They left."),
              ElementsAre("Dr. J. Smith met Mrs. Jones, e.g. Ann.", "They left."));
  EXPECT_THAT(split_sentences("about 5 p.m. they left"), ElementsAre("about 5 p.m. they left"));
  EXPECT_THAT(split_sentences("It was I. Nobody else."), ElementsAre("It was I.", "Nobody else."));
}

TEST(Sentences, ScriptsWithoutSpacesEndAtTheirMarks) {
  EXPECT_THAT(split_sentences("斑马有条纹。真的吗？是的！"),
              ElementsAre("斑马有条纹。", "真的吗？", "是的！"));
  EXPECT_THAT(split_sentences("「行く。」と言った。"), ElementsAre("「行く。」", "と言った。"));
}

// Each mark of a run is looked at once; before, every one of them went through the rest of the run.
TEST(Sentences, LongRunsOfMarksTakeNoTime) {
  const std::string dots(100'000, '.');
  EXPECT_THAT(split_sentences("one" + dots + "two"), ElementsAre("one" + dots + "two"));
  EXPECT_THAT(split_sentences("one" + dots + " two"), ElementsAre("one" + dots + " two"));
  EXPECT_THAT(split_sentences("Well.?。then"), ElementsAre("Well.?。", "then"));
}

TEST(Sentences, NothingButSpacesIsLost) {
  const std::string text = "One. two? Three!\nfour (five.) Six \xff\xfe. seven... \"Eight\" 9. 10";
  std::string joined, wanted;
  for (const std::string_view sentence : split_sentences(text)) joined += sentence;
  for (std::string* one : {&joined, &wanted}) {
    if (one == &wanted) wanted = text;
    std::erase_if(*one, [](char c) { return c == ' ' || c == '\n'; });
  }
  EXPECT_EQ(joined, wanted);
}

}  // namespace
}  // namespace emend
