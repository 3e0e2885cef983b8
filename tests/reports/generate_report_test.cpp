// What a model and its base say, one beside the other.
#include "reports/generate_report.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

PromptOutcome saying(const std::string& text) {
  PromptOutcome outcome;
  outcome.text = text;
  return outcome;
}

TEST(GenerateReport, SetsBothTextsInOneColumn) {
  EXPECT_EQ(compared_text(saying(" Paris,\nFrance"), saying(" Rome"), 80),
            "base:   Paris,\\nFrance\nedited: Rome\n");
  // In the chat form, and in Chinese, nothing stands in front.
  EXPECT_EQ(compared_text(saying("Paris"), saying("Rome"), 80), "base:   Paris\nedited: Rome\n");
}

TEST(GenerateReport, ListsTheLikeliestTokensOfBoth) {
  PromptOutcome base = saying(" Paris"), edited = saying(" Rome");
  base.top = {{1, " Paris", 0}, {2, " Rome", -20}};
  edited.top = {{2, " Rome", 0}};
  const std::string text = compared_text(base, edited, 80);
  EXPECT_NE(text.find("\n\n"), std::string::npos) << text;
  EXPECT_LT(text.find("\" Paris\""), text.find("\" Rome\"")) << text;
}

}  // namespace
}  // namespace emend
