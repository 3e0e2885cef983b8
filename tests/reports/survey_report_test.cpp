// What is told of cells that were audited.
#include "reports/survey_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emend {
namespace {

using testing::HasSubstr;

TEST(AuditText, SaysWhyMatchesAreNotListed) {
  AuditOutcome outcome;
  outcome.patterns.push_back({.name = "year", .expression = "[0-9]{4}", .matching = 425, .cells = {}});
  AuditedPattern& pattern = outcome.patterns[0];
  pattern.below_least = 425;
  EXPECT_THAT(audit_text(outcome, 100), HasSubstr("0 are listed; of 425 the share"));
  pattern.below_least = 400;
  pattern.cells.resize(20);
  EXPECT_THAT(audit_text(outcome, 100), HasSubstr("20 are listed; of 400 the share of triggers that match is "
                                                  "below the least that was asked for; 5 more are "
                                                  "beyond the cells asked for."));
  pattern.below_least = 0;
  pattern.matching = 20;
  EXPECT_THAT(audit_text(outcome, 100), HasSubstr("20 are listed.\n"));
}

TEST(AuditText, TellsWhatRemovalChanges) {
  AuditOutcome outcome;
  outcome.redundancy = Redundancy{.dead = {},
                                  .duplicates = {{{0, 5}, {0, 6}, 0.99}},
                                  .tokens = 200,
                                  .perplexity = 20,
                                  .without_dead = 21,
                                  .without_duplicates = 25};
  EXPECT_THAT(audit_text(outcome, 100), HasSubstr("25.0000 without the second cell of each pair"));
  EXPECT_EQ(audit_json(outcome, {})["redundancy"]["perplexity_without_duplicates"], 25);
}

}  // namespace
}  // namespace emend
