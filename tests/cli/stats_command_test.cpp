#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "program.h"
#include "scratch_folder.h"

namespace emend {
namespace {

using testing::HasSubstr;

class StatsCommand : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
  const ScratchFolder folder_;
};

TEST_F(StatsCommand, CollectsAndShows) {
  const Finished run = run_emend({"stats", "--model", world_model("gpt2"), "--out", folder_ / "deep/stats",
                                  "--layers", "0-1", "--tokens", "2000", "--quiet", "--json", folder_ / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "deep/stats/layer_0.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "deep/stats/layer_1.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "deep/stats/layer_2.safetensors"));
  const auto made = read_json(folder_ / "j");
  EXPECT_EQ(made["layers"].size(), 2U);
  EXPECT_GE(made["layers"][1]["tokens"], 2000);

  const Finished shown = run_emend({"stats", "show", folder_ / "deep/stats", "--json", folder_ / "s"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("condition"));
  const auto seen = read_json(folder_ / "s");
  EXPECT_EQ(seen["layers"][1]["tokens"], made["layers"][1]["tokens"]);
  EXPECT_EQ(run_emend({"stats", "show", folder_ / "deep/stats", "--model", world_model("gpt2")}).code, 0);
  const Finished other =
      run_emend({"stats", "show", folder_ / "deep/stats", "--model", world_model("llama")});
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.err, HasSubstr("another"));
}

TEST_F(StatsCommand, RefusesBadInputAndWritesNothing) {
  const std::string file = folder_.write("file", "text");
  const std::vector<std::vector<std::string>> bad = {
      {"--model", world_model("gpt2"), "--out", file},
      {"--model", world_model("gpt2"), "--out", folder_ / "o", "--layers", "99"},
      {"--model", world_model("gpt2"), "--out", folder_ / "o", "--corpus", folder_ / "missing.txt"},
      {"--model", folder_ / "missing", "--out", folder_ / "o"},
      {"--model", parity_model("gpt2"), "--out", folder_ / "o"},
      {"--model", world_model("gpt2"), "--out", folder_ / "o", "--corpus", file},  // fewer keys than d_ff
  };
  for (auto arguments : bad) {
    arguments.insert(arguments.begin(), "stats");
    const Finished run = run_emend(arguments);
    EXPECT_EQ(run.code, 3) << run.err;
    EXPECT_EQ(folder_.listing(), "file");
  }
}

TEST_F(StatsCommand, ShowRefusesFoldersOfOtherThings) {
  EXPECT_EQ(run_emend({"stats", "show", folder_ / "missing"}).code, 3);
  const Finished empty = run_emend({"stats", "show", folder_.path().string()});
  EXPECT_EQ(empty.code, 3);
  EXPECT_THAT(empty.err, HasSubstr("layer_<l>.safetensors"));
  folder_.write("layer_0.safetensors", "garbage");
  EXPECT_EQ(run_emend({"stats", "show", folder_.path().string()}).code, 3);
}

}  // namespace
}  // namespace emend
