// Ctrl-C: exit 130, and no file that was not there before.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "world_edit.h"

namespace emend {
namespace {

using testing::HasSubstr;

class Interruption : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
  const ScratchFolder folder_;
};

TEST_F(Interruption, OfStatisticsLeavesNothing) {
  for (const int signal : {SIGINT, SIGTERM}) {
    RunningEmend running(
        {"stats", "--model", world_model("gpt2"), "--out", folder_ / "stats", "--tokens", "50000000"});
    ASSERT_TRUE(running.wait_for_stderr("50"));  // the stage with its total has begun
    running.send(signal);
    const Finished run = running.wait();
    EXPECT_EQ(run.code, 130) << run.err;
    EXPECT_THAT(run.err, HasSubstr("interrupted"));
    EXPECT_EQ(folder_.listing(), "");
  }
}

TEST_F(Interruption, OfAnEditLeavesNothing) {
  folder_.write("a.yaml", "model: " + world_model("gpt2") + "\nstatistics: stats\n" + world_edits(0, 100));
  RunningEmend running({"edit", folder_ / "a.yaml", "--json", folder_ / "j"});
  ASSERT_TRUE(running.wait_for_stderr(":"));
  running.send(SIGINT);
  const Finished run = running.wait();
  EXPECT_EQ(run.code, 130) << run.err;
  // Whole statistics may be there already.
  EXPECT_THAT(folder_.listing(), testing::AnyOf("a.yaml", testing::StartsWith("a.yaml stats")));
}

// A tiny model has too few positions to be interrupted among them.
TEST(InterruptionOfALargeModel, EndsTextBetweenTwoTokens) {
  const std::string model = std::string(EMEND_SOURCE_DIR) + "/models/smollm2-135m-instruct.gguf";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "no " << model;
  RunningEmend running({"generate", "Once upon a time", "--model", model, "--max-new", "8000"});
  ASSERT_TRUE(running.wait_for_stderr("tensors in"));  // it is loaded
  std::this_thread::sleep_for(std::chrono::seconds(2));
  running.send(SIGINT);
  const auto began = std::chrono::steady_clock::now();
  const Finished run = running.wait();
  EXPECT_EQ(run.code, 130) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));  // all: minutes
}

}  // namespace
}  // namespace emend
