// Modes and statuses as text.
#include "emend/eval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../base/expect_error.h"
#include "emend/error.h"

namespace emend {
namespace {

using testing::HasSubstr;

TEST(RecordStatus, HasAName) {
  for (const RecordStatus status :
       {RecordStatus::kEdited, RecordStatus::kAlreadyTrue, RecordStatus::kFailed, RecordStatus::kSkipped})
    EXPECT_EQ(parse_record_status(to_string(status)), status);
  EXPECT_EQ(to_string(RecordStatus::kAlreadyTrue), "already true");
  for (const char* other : {"", "Edited", "kept"}) EXPECT_FALSE(parse_record_status(other)) << other;
}

TEST(RecordStatus, MeansAreOverEditedAndFailedRecords) {
  EXPECT_TRUE(is_evaluated(RecordStatus::kEdited));
  EXPECT_TRUE(is_evaluated(RecordStatus::kFailed));
  EXPECT_FALSE(is_evaluated(RecordStatus::kAlreadyTrue));
  EXPECT_FALSE(is_evaluated(RecordStatus::kSkipped));
}

TEST(EvalMode, Reads) {
  EXPECT_EQ(parse_eval_mode("single").text(), "single");
  EXPECT_EQ(parse_eval_mode("batch:10").text(), "batch:10");
  EXPECT_EQ(parse_eval_mode("sequential:1").size, 1);
  for (const char* bad : {"", "batch", "batch:", "batch:0", "batch:-1", "batch:3x", "series:3", "single:2"})
    EXPECT_THAT(test::error_of(ErrorKind::kUsage, [&] { parse_eval_mode(bad); }),
                HasSubstr("the option mode must be"));
}

}  // namespace
}  // namespace emend
