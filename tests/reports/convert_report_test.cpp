#include "reports/convert_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emend {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

ConvertOutcome outcome() {
  ConvertOutcome found;
  found.asked = {"counterfact", "in.json", "out.yaml", 2};
  found.read = 1200;
  found.written = 2;
  found.left_out = {{"beyond the limit", 1198}};
  found.left_out_questions = {{"empty", 3}};
  found.examples = {"record 17: no subject"};
  found.notes = {"Paraphrases are drawn."};
  return found;
}

TEST(ConvertReport, CountsWhatWasLeftOutByReason) {
  EXPECT_THAT(convert_text(outcome(), 0),
              AllOf(HasSubstr("1,200"), HasSubstr("records left out: beyond the limit"),
                    HasSubstr("questions left out: empty"),
                    EndsWith("Left out: record 17: no subject\nNote: Paraphrases are drawn.\n"
                             "Written to out.yaml\n")));
}

TEST(ConvertReport, TellsTheSameAsJson) {
  const ResultJson json = convert_json(outcome());
  EXPECT_EQ(json["dataset"], "counterfact");
  EXPECT_EQ(json["left_out"]["beyond the limit"], 1198);
  EXPECT_EQ(json["outputs"], ResultJson::array({"out.yaml"}));
}

}  // namespace
}  // namespace emend
