// An aggregation stopped, resumed, in shards and shared by processes.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/expect_error.h"
#include "emend/memory_aggregate.h"
#include "memories/aggregate_visitor.h"
#include "memories/aggregates.h"
#include "memories/first_of_two.h"
#include "memories/scans.h"
#include "support/stop_at.h"

namespace emend {
namespace {

using test::FirstOfTwo;
using test::small_aggregate;
using testing::ElementsAre;
using testing::HasSubstr;

class AggregateRuns : public ::testing::TestWithParam<std::string> {
 protected:
  const Model model_ = test::load_world(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Shapes, AggregateRuns, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

AggregateOptions in_blocks(const Model& model) {
  AggregateOptions options = small_aggregate(model);
  options.tokens = 600;
  options.block_tokens = 120;
  options.examples = 25;
  return options;
}

AggregateOutcome aggregate_into(const Model& model, const AggregateOptions& options,
                                const AggregateFolder& folder) {
  SilentProgress silent;
  return run_aggregate(model, options, folder, silent);
}

TEST_P(AggregateRuns, AStoppedRunGoesOnToTheSameBytes) {
  const test::TempFolder folder;
  const AggregateOptions options = in_blocks(model_);
  aggregate_into(model_, options, {.path = folder / "whole"});
  const std::filesystem::path stopped = folder / "stopped";
  for (int signs = 3; !std::filesystem::exists(stopped / "positions_checkpoint.safetensors"); ++signs) {
    ASSERT_LT(signs, 100);
    test::StopAt stopping(signs);
    test::error_of(ErrorKind::kInterrupted,
                   [&] { run_aggregate(model_, options, {.path = stopped}, stopping); });
  }
  ASSERT_THAT(test::file_names(stopped), ElementsAre("positions_checkpoint.safetensors"));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { aggregate_into(model_, options, {.path = stopped}); }),
              HasSubstr("resume"));
  AggregateOptions other = options;
  other.examples = 24;
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] { aggregate_into(model_, other, {.path = stopped, .resume = true}); }),
              HasSubstr("settings"));
  const AggregateOutcome resumed = aggregate_into(model_, options, {.path = stopped, .resume = true});
  EXPECT_GT(resumed.resumed_blocks, 0);
  EXPECT_EQ(resumed.tokens, 25);
  test::expect_same_folder(folder / "whole", stopped);
  const AggregateOutcome again = aggregate_into(model_, options, {.path = stopped, .resume = true});
  EXPECT_EQ(again.layers[1].active_mean, resumed.layers[1].active_mean) << "read from the file";
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] { aggregate_into(model_, other, {.path = stopped, .resume = true}); }),
              HasSubstr("another run"));
}

TEST_P(AggregateRuns, JoinedShardsHaveTheSameBytes) {
  const test::TempFolder folder;
  AggregateOptions options = in_blocks(model_);
  const AggregateOutcome whole = aggregate_into(model_, options, {.path = folder / "whole"});
  std::vector<std::filesystem::path> parts;
  std::int64_t measured = 0;
  for (int shard = 0; shard < 3; ++shard) {
    AggregateOptions one = options;
    one.shard = shard;
    one.shards = 3;
    parts.push_back(folder / fmt::format("part{}", shard));
    const AggregateOutcome part = aggregate_into(model_, one, {.path = parts.back()});
    EXPECT_TRUE(part.is_part);
    EXPECT_TRUE(part.layers.empty());
    measured += part.tokens;
  }
  EXPECT_EQ(measured, 25) << "each position in one shard";
  const auto joining = [&](const std::vector<std::filesystem::path>& folders) {
    return aggregate_into(model_, options, {.path = folder / "joined", .join = folders});
  };
  const auto refused = [&](const std::vector<std::filesystem::path>& folders, const char* what) {
    EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { joining(folders); }), HasSubstr(what));
  };
  refused({parts[0], parts[2]}, "shard 1 of 3 is not among the folders");
  refused({parts[0], parts[0], parts[1], parts[2]}, "the same shard");
  refused({folder / "whole"}, "holds no part");
  options.seed = 4;
  refused(parts, "seed");
  options.seed = 0;
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { joining({folder / "none"}); }),
              HasSubstr("no such folder"));
  EXPECT_FALSE(std::filesystem::exists(folder / "joined"));
  const AggregateOutcome joined = joining(parts);
  test::expect_same_folder(folder / "whole", folder / "joined");
  EXPECT_EQ(joined.decision_layer, whole.decision_layer);
  EXPECT_EQ(joined.layers.back().zero_agreement.share, whole.layers.back().zero_agreement.share);
}

TEST(AggregateFiles, ABrokenFileOfPositionsIsNamed) {
  const Model model = test::load_world("gpt2");
  const test::TempFolder folder;
  const AggregateOptions options = in_blocks(model);
  aggregate_into(model, options, {.path = folder / "run"});
  const std::filesystem::path file = folder / "run/positions.safetensors";
  const std::string bytes = test::read_all(file);
  std::ofstream(file, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  EXPECT_THAT(
      test::error_of(ErrorKind::kFormat,
                     [&] { aggregate_into(model, options, {.path = folder / "run", .resume = true}); }),
      HasSubstr("positions.safetensors"));
}

TEST(Groups, RefuseAProcessWithAnotherText) {
  const Model model = test::load_world("llama");
  const test::TempFolder folder;
  FirstOfTwo group([](const FirstOfTwo::Numbers& own) { return FirstOfTwo::Numbers{own.at(0) + 1}; });
  EXPECT_THAT(
      test::error_of(
          ErrorKind::kConfig,
          [&] {
            run_aggregate(model, small_aggregate(model), {folder / "a", false, {}}, no_progress(), &group);
          }),
      HasSubstr("process 1"));
  EXPECT_THAT(
      test::error_of(
          ErrorKind::kConfig,
          [&] {
            scan_memories(model, test::small_scan(model), {folder / "b", false}, no_progress(), {}, &group);
          }),
      HasSubstr("process 1"));
}

TEST(Groups, JoinNothingAndPartsAreLookedForBeforeTheCorpus) {
  const Model model = test::load_world("llama");
  const test::TempFolder folder;
  AggregateOptions options = small_aggregate(model);
  options.corpus = {folder / "no text"};
  const AggregateFolder join{folder / "out", false, {folder / "no parts"}};
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { run_aggregate(model, options, join, no_progress()); }),
              HasSubstr("no parts"));
  FirstOfTwo group([](const FirstOfTwo::Numbers& own) { return own; });
  EXPECT_THAT(
      test::error_of(ErrorKind::kUsage, [&] { run_aggregate(model, options, join, no_progress(), &group); }),
      HasSubstr("mpirun"));
}

TEST(Groups, RefusePositionsThatAreNotThere) {
  const Model model = test::load_world("llama");
  AggregateOptions options = small_aggregate(model);
  options.layers = {model.config().layers - 1};
  options.coalitions = 0;
  AggregateVisitor visitor(model, options, {3, 5});
  FirstOfTwo::Numbers sent(3 + kExampleNumbers, 1);
  const auto refusal = [&] {
    FirstOfTwo group([&](const FirstOfTwo::Numbers&) { return sent; });
    return test::error_of(ErrorKind::kConfig, [&] { visitor.reduce(group); });
  };
  sent[0] = 2;
  EXPECT_THAT(refusal(), HasSubstr("position number 2 of 2"));
  sent[0] = 1;
  const FirstOfTwo::Numbers once = sent;
  sent.insert(sent.end(), once.begin(), once.end());
  EXPECT_THAT(refusal(), HasSubstr("two processes"));
  sent.pop_back();
  EXPECT_THAT(refusal(), HasSubstr("other layers"));
}

}  // namespace
}  // namespace emend
