// Edits of many facts from the command line: a run that was killed, a limit of memory, a budget of drift.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/files.h"
#include "world_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ManyEdits : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
  std::string edits(std::size_t count, const std::string& more = "") const {
    return folder_.write(
        "a.yaml",
        "model: " + world_model("llama") + "\nstatistics: stats\nmethod: bulk\n" + "layer: [1, 2]\n" + more +
            "checks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}\n" + world_edits(0, count));
  }
  const ScratchFolder folder_;
};

TEST_F(ManyEdits, AKilledRunGoesOnAndWritesTheSameBytes) {
  const std::string file = edits(24);
  const Finished whole = run_emend({"edit", file, "--out", folder_ / "whole"});
  ASSERT_EQ(whole.code, 0) << whole.err;
  const fs::path run_file = folder_ / "killed/a.safetensors.run";
  {
    RunningEmend running({"edit", file, "--out", folder_ / "killed"});
    for (int i = 0; i < 600 && !fs::exists(run_file); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    running.send(SIGKILL);
    EXPECT_EQ(running.wait().code, 128 + SIGKILL);
  }
  ASSERT_TRUE(fs::exists(run_file));
  EXPECT_FALSE(fs::exists(folder_ / "killed/a.safetensors"));
  const Finished again = run_emend({"edit", file, "--out", folder_ / "killed"});
  EXPECT_EQ(again.code, 3);
  EXPECT_THAT(again.err, AllOf(HasSubstr("a.safetensors.run holds the values"), HasSubstr("--resume")));
  const Finished other = run_emend({"edit", file, "--out", folder_ / "killed", "--resume", "--seed", "1"});
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.err, HasSubstr("differs in the seed"));
  const Finished resumed =
      run_emend({"edit", file, "--out", folder_ / "killed", "--resume", "--json", folder_ / "j"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_GT(read_json(folder_ / "j").at("resumed_values"), 0);
  EXPECT_FALSE(fs::exists(run_file)) << "it is of no use once the patch is there";
  EXPECT_EQ(read_text_file(folder_ / "killed/a.safetensors"),
            read_text_file(folder_ / "whole/a.safetensors"));
}

TEST_F(ManyEdits, ADryRunSaysWhatTheEditWillHold) {
  const std::string file = edits(6);
  const Finished plain = run_emend({"edit", file, "--dry-run", "--json", folder_ / "j"});
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_THAT(plain.out, AllOf(HasSubstr("at the peak"), HasSubstr("second moments"), HasSubstr("4 F^2 m")));
  const auto memory = read_json(folder_ / "j").at("memory");
  EXPECT_GT(memory.at("bytes"), 0);
  EXPECT_TRUE(memory.at("search_tokens").is_null());
  const Finished refused = run_emend({"edit", file, "--dry-run", "--memory", "1M"});
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("--memory is too little"), HasSubstr("the least is --memory"),
                                 HasSubstr("second moments"), HasSubstr("; and one at a time of ")));
  const Finished wrong = run_emend({"edit", file, "--memory", "much"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("--memory"));
}

TEST_F(ManyEdits, ABudgetThatIsSpentLeavesFactsOutWithExitCodeFour) {
  const std::string file = edits(4);
  const Finished all = run_emend({"edit", file, "--budget-drift", "1000", "--json", folder_ / "j"});
  ASSERT_EQ(all.code, 0) << all.err;
  EXPECT_THAT(all.out, AllOf(HasSubstr("4 of 4 facts are in"), Not(HasSubstr("Left out"))));
  EXPECT_EQ(read_json(folder_ / "j").at("budget").at("in"), 4);
  const Finished none =
      run_emend({"edit", file, "--budget-drift", "kl:0", "--budget-batch", "2", "--json", folder_ / "j"});
  EXPECT_EQ(none.code, 4) << none.err;
  EXPECT_THAT(none.out, AllOf(HasSubstr("0 of 4 facts are in"), HasSubstr("Left out:")));
  EXPECT_THAT(none.out, HasSubstr("No patch was written; " + (folder_ / "a.safetensors") +
                                  " is that of an earlier run."));
  const Finished first = run_emend({"edit", file, "--budget-drift", "kl:0", "--out", folder_ / "empty"});
  EXPECT_THAT(first.out, HasSubstr("No patch was written.")) << first.err;
  EXPECT_FALSE(fs::exists(folder_ / "a.safetensors.run")) << "a run that ended leaves nothing to resume";
  const auto budget = read_json(folder_ / "j").at("budget");
  EXPECT_EQ(budget.at("measure"), "kl");
  EXPECT_EQ(budget.at("left_out").size(), 4u);
  for (const std::string bad : {"0.5", "kl:-1", "x", "1.1x", "kl:"}) {
    const Finished refused = run_emend({"edit", file, "--budget-drift", bad});
    EXPECT_EQ(refused.code, 2) << bad;
    EXPECT_THAT(refused.err, HasSubstr("--budget-drift must be")) << bad;
  }
  EXPECT_EQ(run_emend({"edit", file, "--budget-batch", "2"}).code, 2);
  EXPECT_EQ(run_emend({"edit", file, "--budget-drift", "2", "--dry-run"}).code, 2);
  EXPECT_EQ(run_emend({"edit", file, "--resume", "--dry-run"}).code, 2);
}

}  // namespace
}  // namespace emend
