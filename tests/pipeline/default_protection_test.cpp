// What an edit file that does not say `protect` is protected by.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/expect_error.h"
#include "cli/scratch_folder.h"
#include "emend/edit_run.h"
#include "pipeline/edit_job.h"
#include "support/keep_notes.h"
#include "support/world.h"

namespace emend {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class DefaultProtectionTest : public ::testing::Test {
 protected:
  DefaultProtectionTest() : model_(test::load_world("gpt2")) {
    file_.statistics = folder_ / "stats";
    file_.edits = {test::request_of("one", "Workis Tellond was trained as a", "Workis Tellond", "painter")};
    file_.layer.layers = {2};
    use({{"steps", "8"}, {"contexts", "2"}, {"covariance", "false"}});
  }
  void use(const std::map<std::string, std::string>& options) {
    file_.options.clear();
    for (const auto& [name, value] : options) file_.options[name] = {value, "test"};
  }
  EditOutcome run() {
    EditRunOptions options;
    options.keep_going = true;
    return run_edit(model_, file_, options, notes_);
  }

  Model model_;
  const ScratchFolder folder_;
  EditFile file_;
  test::KeepNotes notes_;
};

TEST_F(DefaultProtectionTest, IsAutoByAMethodThatCan) {
  EXPECT_EQ(run().protect, Protect::kAuto);
  file_.protect = Protect::kNone;
  EXPECT_EQ(run().protect, Protect::kNone);
  file_.protect.reset();
  use({{"preset", "paper"}, {"steps", "8"}, {"contexts", "2"}, {"covariance", "false"}});
  EXPECT_EQ(run().protect, Protect::kNone);
}

TEST_F(DefaultProtectionTest, WhatCannotBeProtectedIsNoFault) {
  file_.edits = {test::request_of("odd", "Workis Tellond zqx zqx zqx", "Workis Tellond", "painter")};
  file_.edits[0].bleed = {{"New Workis Tellond", ""}};
  file_.edits[0].neighbours = {{"Workis Tellond lives in", "Paris"}};
  const EditOutcome outcome = run();
  EXPECT_EQ(outcome.protect, Protect::kAuto);
  EXPECT_THAT(outcome.patch.edit.warnings, Not(Contains(HasSubstr("names no other subjects"))));
  file_.protect = Protect::kAuto;
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { run(); }), HasSubstr("cannot be protected"));
}

TEST_F(DefaultProtectionTest, EndsAtAHundredEditsAndSaysSo) {
  const auto editor = make_editor(file_.method, file_.options);
  const EditJob job{&model_, editor.get(), &file_, {}, {}};
  std::vector<std::string> warnings;
  file_.edits.resize(kMostProtectedEdits, file_.edits[0]);
  EXPECT_EQ(protection_of(file_, *editor), Protect::kAuto);
  file_.edits.resize(kMostProtectedEdits + 1, file_.edits[0]);
  const Protect protect = protection_of(file_, *editor);
  EXPECT_EQ(protect, Protect::kNone);
  protect_subjects(job, {}, protect, {}, warnings, notes_);
  EXPECT_THAT(notes_.notes, Contains(HasSubstr("101 edits are more than the 100")));
  notes_.notes.clear();
  file_.protect = Protect::kNone;
  protect_subjects(job, {}, protection_of(file_, *editor), {}, warnings, notes_);
  EXPECT_THAT(notes_.notes, IsEmpty()) << "it is what the file asks for";
}

}  // namespace
}  // namespace emend
