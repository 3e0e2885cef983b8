#include "reports/adapter_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reports/export_model_report.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(AdapterReport, EachWeightIsALine) {
  const AdapterOutcome outcome{"made", {{"h.3.mlp", 3, 2, 1.5, 0}}, true, {}, {}};
  EXPECT_THAT(adapter_text(outcome, 0), AllOf(StartsWith("Written: made\n\n"), HasSubstr("h.3.mlp"),
                                              HasSubstr("1.5"), HasSubstr("read back from the file")));
}

NamedPatch patch_about(const std::string& subject, const std::string& name) {
  NamedPatch named;
  named.name = name;
  FactRecord fact;
  fact.request.subject = subject;
  fact.status = FactStatus::kEdited;
  named.patch.edit.facts = {fact};
  return named;
}

TEST(ExportedModelText, NamesThePatchesThatWereLaidOn) {
  ExportModelOutcome outcome;
  EXPECT_THAT(exported_model_text(outcome, {}),
              AllOf(HasSubstr("are those of the GGUF file, exactly."), Not(HasSubstr("Subjects"))));
  const std::string edited =
      exported_model_text(outcome, {patch_about("Lyon", "a"), patch_about("Bern", "b")});
  EXPECT_THAT(edited, AllOf(HasSubstr("the GGUF file as edited by a, b, exactly."),
                            HasSubstr("\nSubjects: Lyon, Bern\n")));
}

}  // namespace
}  // namespace emend
