#include "reports/adapter_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reports/export_model_report.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST(AdapterReport, EachWeightIsALine) {
  const AdapterOutcome outcome{"made", {{"h.3.mlp", 3, 2, 1.5, 0}}, true, {}, {}};
  EXPECT_THAT(adapter_text(outcome, 0), AllOf(StartsWith("Written: made\n\n"), HasSubstr("h.3.mlp"),
                                              HasSubstr("1.5"), HasSubstr("read back from the file")));
}

TEST(ExportedModelText, NamesThePatchesThatWereLaidOn) {
  ExportModelOutcome outcome;
  EXPECT_NE(exported_model_text(outcome, {}).find("are those of the GGUF file, exactly."), std::string::npos);
  EXPECT_NE(exported_model_text(outcome, {"a", "b"}).find("the GGUF file as edited by a, b, exactly."),
            std::string::npos);
}

}  // namespace
}  // namespace emend
