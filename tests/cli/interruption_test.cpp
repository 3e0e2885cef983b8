// Ctrl-C: exit 130, and no file that was not there before.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

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

// Stdin of this process, and of programs that it starts, is a terminal on which nobody types.
class SilentTerminal {
 public:
  SilentTerminal() : before_(dup(STDIN_FILENO)), master_(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    if (master_ < 0 || grantpt(master_) != 0 || unlockpt(master_) != 0) return;
    const int terminal = open(ptsname(master_), O_RDWR | O_NOCTTY);
    dup2(terminal, STDIN_FILENO);
    close(terminal);
  }
  ~SilentTerminal() {
    dup2(before_, STDIN_FILENO);
    close(before_);
    hang_up();
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;
  // Whoever still reads there comes to an end.
  void hang_up() {
    if (master_ >= 0) close(master_);
    master_ = -1;
  }

 private:
  int before_, master_;
};

TEST_F(Interruption, EndsALoopThatWaitsForALine) {
  SilentTerminal terminal;
  if (isatty(STDIN_FILENO) == 0) GTEST_SKIP() << "no terminal can be made";
  RunningEmend running({"generate", "--loop", "--model", world_model("gpt2"), "--quiet"});
  ASSERT_TRUE(running.wait_for_stderr("> "));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  running.send(SIGINT);
  EXPECT_TRUE(running.wait_for_stderr("interrupted"));
  terminal.hang_up();
  const Finished run = running.wait();
  EXPECT_EQ(run.code, 130) << run.err;
  EXPECT_EQ(run.out, "");
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

// One pass over 4,096 tokens takes half a minute on a core, and nothing in it looks at the signal.
TEST(InterruptionOfALargeModel, EndsALongPassWithinSeconds) {
  const std::string model = std::string(EMEND_SOURCE_DIR) + "/models/smollm2-135m-instruct.gguf";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "no " << model;
  const ScratchFolder folder;
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "one two three ";
  const std::string file = folder.write("text", text);
  RunningEmend running({"eval", "kl", "--model", model, "--write-base", folder / "b.kld", "--text", file,
                        "--context", "4096", "--threads", "1"});
  ASSERT_TRUE(running.wait_for_stderr("writing what the model says"));
  running.send(SIGTERM);
  const auto began = std::chrono::steady_clock::now();
  const Finished run = running.wait();
  EXPECT_EQ(run.code, 130) << run.err;
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(6));  // a busy machine included
  EXPECT_EQ(folder.listing(), "text");
}

}  // namespace
}  // namespace emend
