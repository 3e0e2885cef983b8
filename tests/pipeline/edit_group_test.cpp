// An edit as a process does it that is not the first of its group.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "base/expect_error.h"
#include "cli/scratch_folder.h"
#include "emend/edit_run.h"
#include "emend/shard_group.h"
#include "pipeline/edit_job.h"
#include "support/keep_notes.h"
#include "support/world.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The first process sends the same numbers each time.
class SecondOfTwo : public ShardGroup {
 public:
  using Numbers = std::vector<std::uint64_t>;
  explicit SecondOfTwo(Numbers of_first) : of_first_(std::move(of_first)) {}
  int rank() const override { return 1; }
  int size() const override { return 2; }
  void sum_to_first(double*, std::int64_t) override {}
  Numbers gather_to_first(const Numbers& numbers) override { return numbers; }
  Numbers gather_to_all(const Numbers& numbers) override {
    Numbers all = of_first_;
    all.insert(all.end(), numbers.begin(), numbers.end());
    return all;
  }
  void wait_for_all() override {}

 private:
  Numbers of_first_;
};

class EditGroupTest : public ::testing::Test {
 protected:
  EditGroupTest() : model_(test::load_world("gpt2")) {
    file_.statistics = folder_ / "stats";
    file_.edits = test::world_edits(2);
    editor_ = make_editor(file_.method, file_.options);
  }
  EditJob job_of(SecondOfTwo& group) {
    EditRunOptions options;
    options.group = &group;
    return make_job(model_, *editor_, file_, options, TrialEdits::kAllowed, notes_);
  }

  Model model_;
  const ScratchFolder folder_;
  EditFile file_;
  std::unique_ptr<Editor> editor_;
  test::KeepNotes notes_;
};

TEST_F(EditGroupTest, TheFirstProcessDecidesTheLayer) {
  for (const int layer : {0, 3}) {
    SecondOfTwo group({static_cast<std::uint64_t>(layer)});
    EXPECT_THAT(job_of(group).context.layers, ElementsAre(layer));
  }
  EXPECT_FALSE(std::filesystem::exists(file_.statistics)) << "nothing is tried here";
}

TEST_F(EditGroupTest, StatisticsThatOnlyTheFirstProcessSeesAreNamed) {
  file_.layer.layers = {2};
  SecondOfTwo group({1});  // it lacks them, and collects
  const EditJob job = job_of(group);
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { load_or_collect(job, file_.edits, notes_); }),
              AllOf(HasSubstr(file_.statistics.string()), HasSubstr("all processes share")));
}

}  // namespace
}  // namespace emend
