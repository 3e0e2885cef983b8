// Edits that are stopped in the middle and taken up again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "base/expect_error.h"
#include "base/files.h"
#include "cli/scratch_folder.h"
#include "emend/edit_run.h"
#include "support/keep_notes.h"
#include "support/shared_statistics.h"
#include "support/stop_at.h"
#include "support/world.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// Counts the values that searches did not have to find.
class Watch : public SilentProgress {
 public:
  void update(std::int64_t done, std::string_view note) override {
    if (note.find("taken from") == std::string_view::npos) return;
    taken += done;
  }
  std::int64_t taken = 0;
};

struct Case {
  std::string method;
  std::vector<int> layers;
};

class Resume : public ::testing::TestWithParam<Case> {
 protected:
  Resume() : model_(test::load_world("llama")) {
    file_.method = GetParam().method;
    file_.layer.layers = GetParam().layers;
    file_.statistics = test::shared_statistics();
    file_.edits = test::world_edits(6);
    file_.options["gradient_tokens"] = {"1", "test"};  // each value is a batch
    file_.options["contexts"] = {"4", "test"};
    options_.run_file = folder_ / "p.run";
    options_.run_file_seconds = 0;
  }
  std::string patch_bytes(Progress& progress) {
    save_patch(run_edit(model_, file_, options_, progress).patch, folder_ / "p.safetensors");
    return read_text_file(folder_ / "p.safetensors");
  }
  // The run that nothing stops.
  struct Whole {
    std::string bytes;  // without a run file
    int signs;          // of progress that its searches give
  };
  const Whole& whole() {
    static std::map<std::string, Whole> kept;  // by method
    const auto found = kept.find(file_.method);
    if (found != kept.end()) return found->second;
    const EditRunOptions options = std::exchange(options_, {});
    const std::string bytes = patch_bytes(silent_);
    options_ = options;
    test::StopInSearch count(-1);
    EXPECT_EQ(patch_bytes(count), bytes);
    fs::remove(options_.run_file);
    return kept[file_.method] = {bytes, count.seen()};
  }
  void stop_at(int sign) {
    test::StopInSearch stop(sign);
    EXPECT_THROW(run_edit(model_, file_, options_, stop), Error) << sign;
  }

  SilentProgress silent_;
  Model model_;
  const ScratchFolder folder_;
  EditFile file_;
  EditRunOptions options_;
};
INSTANTIATE_TEST_SUITE_P(Methods, Resume,
                         ::testing::Values(Case{"bulk", {1, 2}}, Case{"memit", {1, 2}}, Case{"rome", {2}}),
                         [](const auto& its) { return its.param.method; });

TEST_P(Resume, SaysWhatItTookAndWhereThereWasNothing) {
  stop_at(whole().signs / 2);
  ASSERT_TRUE(fs::exists(options_.run_file));
  options_.resume = true;
  test::KeepNotes took;
  const EditOutcome outcome = run_edit(model_, file_, options_, took);
  ASSERT_GT(outcome.resumed_values, 0);
  EXPECT_THAT(took.notes,
              Contains(AllOf(HasSubstr("the option resume: " + std::to_string(outcome.resumed_values)),
                             HasSubstr("taken from " + options_.run_file.string()))));
  fs::remove(options_.run_file);
  test::KeepNotes anew;
  run_edit(model_, file_, options_, anew);
  EXPECT_THAT(anew.notes,
              Contains(HasSubstr("there is no " + options_.run_file.string() + ", so the run begins anew")));
  EXPECT_THAT(anew.notes, Not(Contains(HasSubstr("taken from"))));
}

TEST_P(Resume, EndsWithTheBytesOfARunThatWasNotStopped) {
  const auto& [bytes, all] = whole();
  std::int64_t most = 0;
  for (const int quarters : {1, 2, 4}) {  // early, in the middle, at the end
    SCOPED_TRACE(quarters);
    options_.resume = false;
    stop_at(std::min(all * quarters / 4, all - 1));
    ASSERT_TRUE(fs::exists(options_.run_file));
    options_.resume = true;
    Watch watch;
    EXPECT_EQ(patch_bytes(watch), bytes);
    EXPECT_GT(watch.taken, most);
    most = watch.taken;
    fs::remove(options_.run_file);
  }
}

TEST_P(Resume, ARunThatIsStoppedTwiceGoesOnFromTheSecondTime) {
  const auto& [bytes, all] = whole();
  stop_at(all / 4);
  options_.resume = true;
  stop_at(all / 4);
  const EditOutcome outcome = run_edit(model_, file_, options_, silent_);
  EXPECT_GT(outcome.resumed_values, 1);
  EXPECT_EQ(patch_bytes(silent_), bytes);
}

TEST_P(Resume, AFileOfAnotherRunIsRefusedWithWhatDiffers) {
  stop_at(whole().signs - 1);
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { run_edit(model_, file_, options_, silent_); }),
              AllOf(HasSubstr("p.run holds the values of a run"), HasSubstr("the option resume")));
  options_.resume = true;
  const auto refusal = [&] {
    return error_of(ErrorKind::kConfig, [&] { run_edit(model_, file_, options_, silent_); });
  };
  options_.seed = 3;
  EXPECT_THAT(refusal(),
              HasSubstr(R"(p.run is of another run, which differs in the seed ("0" there, "3" here))"));
  options_.seed = 0;
  file_.options["clamp"] = {"5", "test"};
  EXPECT_THAT(refusal(), HasSubstr("in the option clamp"));
  file_.options.erase("clamp");
  std::swap(file_.edits[0], file_.edits[1]);
  EXPECT_THAT(refusal(), HasSubstr("in the list of edits"));
  std::swap(file_.edits[0], file_.edits[1]);
  file_.layer.layers = {3};
  EXPECT_THAT(refusal(), HasSubstr("in the layers"));
  file_.layer.layers = GetParam().layers;
  const fs::path own = file_.statistics;
  file_.statistics = folder_ / "other";
  options_.run_file = folder_ / "q.run";
  options_.seed = 7;  // of the text that the model writes
  options_.resume = false;
  const std::vector<EditRequest> all = file_.edits;
  file_.edits.resize(1);  // it is for the statistics that it leaves
  run_edit(model_, file_, options_, silent_);
  file_.edits = all;
  options_.run_file = folder_ / "p.run";
  options_.seed = 0;
  options_.resume = true;
  EXPECT_THAT(refusal(), HasSubstr("in the statistics"));
}

TEST_P(Resume, ABrokenFileIsRefusedByName) {
  folder_.write("p.run", "no such file");
  options_.resume = true;
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { run_edit(model_, file_, options_, silent_); }),
              HasSubstr("p.run"));
}

TEST(ResumeOfOthers, AMethodThatSearchesNothingIsRefused) {
  Model model = test::load_world("llama");
  EditFile file;
  file.method = "ft";
  file.edits = test::world_edits(1);
  EditRunOptions options;
  options.resume = true;
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { run_edit(model, file, options, no_progress()); }),
              AllOf(HasSubstr("ft"), HasSubstr("cannot resume")));
}

}  // namespace
}  // namespace emend
