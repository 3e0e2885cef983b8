// Plans, checkpoints, shards and stated errors of a collection.
#include "emend/statistics_run.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <optional>

#include "analysis/key_sums.h"
#include "analysis/statistics_plan.h"
#include "analysis/statistics_quality.h"
#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Stops the work once `keys` are summed.
class Stopping : public Progress {
 public:
  explicit Stopping(std::int64_t keys) : keys_(keys) {}
  void begin(std::string_view stage, std::int64_t, std::string_view) override {
    summing_ = stage.starts_with("statistics");
  }
  void update(std::int64_t done, std::string_view) override {
    if (summing_ && done >= keys_) throw Error(ErrorKind::kInterrupted, "stopped");
  }
  void end() override {}

 private:
  std::int64_t keys_;
  bool summing_ = false;
};

class StatisticsRuns : public ::testing::TestWithParam<std::string> {
 protected:
  StatisticsRuns() : model_(test::load_world("gpt2")) {
    options_.layers = {1, 3};
    options_.prefix = model_.tokenizer().automatic_prefix();
    if (GetParam() == "text") options_.corpus = {test::data_path("world/text.txt")};
    options_.tokens = 2500;
    options_.block_tokens = 600;
  }
  StatisticsReport run_into(const fs::path& folder, bool resume = false) {
    return StatisticsRun(model_, options_, silent_).collect_into({folder, resume, false}, silent_);
  }
  void stop_after(const fs::path& folder, std::int64_t keys, bool resume = false) {
    Stopping stopping(keys);
    EXPECT_EQ(test::error_of(
                  ErrorKind::kInterrupted,
                  [&] {
                    StatisticsRun(model_, options_, silent_).collect_into({folder, resume, false}, stopping);
                  }),
              "stopped");
  }

  Model model_;
  StatisticsOptions options_;
  SilentProgress silent_;
  test::TempFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Sources, StatisticsRuns, ::testing::Values("text", "self"),
                         [](const auto& source) { return source.param; });

TEST_P(StatisticsRuns, AStoppedRunGoesOnToTheSameBytes) {
  run_into(folder_ / "whole");
  stop_after(folder_ / "parts", 1300);
  ASSERT_TRUE(fs::exists(folder_ / "parts/checkpoint_1-3.safetensors"));
  ASSERT_FALSE(fs::exists(folder_ / "parts/layer_1.safetensors"));
  stop_after(folder_ / "parts", 1900, true);
  const StatisticsReport report = run_into(folder_ / "parts", true);
  EXPECT_GE(report.resumed_blocks, 2);
  for (const char* name : {"layer_1.safetensors", "layer_3.safetensors", "held_text.safetensors"})
    EXPECT_EQ(test::read_all(folder_ / ("parts/" + std::string(name))),
              test::read_all(folder_ / ("whole/" + std::string(name))))
        << name;
  EXPECT_FALSE(fs::exists(folder_ / "parts/checkpoint_1-3.safetensors"));
  EXPECT_EQ(run_into(folder_ / "parts", true).resumed_blocks,
            StatisticsRun(model_, options_, silent_).plan().blocks)
      << "a finished run is left as it is";
}

// Killed after the layers were written and before the checkpoint went: going on takes it away.
TEST_P(StatisticsRuns, ACheckpointOfAFinishedRunIsRemoved) {
  stop_after(folder_ / "parts", 1300);
  const std::string checkpoint = test::read_all(folder_ / "parts/checkpoint_1-3.safetensors");
  run_into(folder_ / "parts", true);
  folder_.write("parts/checkpoint_1-3.safetensors", checkpoint);
  run_into(folder_ / "parts", true);
  EXPECT_FALSE(fs::exists(folder_ / "parts/checkpoint_1-3.safetensors"));
}

TEST_P(StatisticsRuns, ACheckpointOfOtherLayersOrShardsIsRefused) {
  stop_after(folder_ / "parts", 1300);
  options_.layers = {1, 4};
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { run_into(folder_ / "parts", true); }),
              AllOf(HasSubstr("checkpoint_1-3"), HasSubstr("other layers, shards")));
  options_.layers = {1, 3};
  options_.shards = 2;
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { run_into(folder_ / "parts", true); }),
              HasSubstr("checkpoint_1-3"));
}

TEST_P(StatisticsRuns, AShardThatIsDoneIsNotDoneAgain) {
  options_.shards = 2;
  run_into(folder_ / "shard");
  const auto written = fs::last_write_time(folder_ / "shard/sums_1-3_shard_0_of_2.safetensors");
  const StatisticsReport again = run_into(folder_ / "shard", true);
  EXPECT_GT(again.resumed_blocks, 0);
  EXPECT_GT(again.layers.at(3).tokens, 0);
  EXPECT_EQ(fs::last_write_time(folder_ / "shard/sums_1-3_shard_0_of_2.safetensors"), written);
}

// The curve is looked at in the same places, so that the run stops at the same one.
TEST_P(StatisticsRuns, AStoppedRunUntilAnErrorGoesOnToTheSameBytes) {
  options_.tokens = kAllTokens;
  if (GetParam() == "self") options_.tokens = 12000;
  options_.block_tokens = 300;
  options_.layers = {1};
  options_.until = 0.055;
  const StatisticsReport whole = run_into(folder_ / "whole");
  ASSERT_TRUE(whole.reached_until);
  const std::vector<std::int64_t> stops =
      GetParam() == "self" ? std::vector<std::int64_t>{4700} : std::vector<std::int64_t>{4700, 5900};
  for (const std::int64_t keys : stops) {
    const fs::path parts = folder_ / ("parts" + std::to_string(keys));
    stop_after(parts, keys);
    EXPECT_TRUE(run_into(parts, true).reached_until);
    EXPECT_EQ(test::read_all(folder_ / "whole/layer_1.safetensors"),
              test::read_all(parts / "layer_1.safetensors"));
    EXPECT_TRUE(run_into(parts, true).reached_until) << "also when there is nothing left to do";
  }
}

TEST_P(StatisticsRuns, ACheckpointOfAnotherRunIsRefusedWithWhatDiffers) {
  const fs::path folder = folder_ / "run";
  stop_after(folder, 1300);
  const std::string before = test::read_all(folder / "checkpoint_1-3.safetensors");
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { run_into(folder); }),
              AllOf(HasSubstr("checkpoint_1-3"), HasSubstr("option resume")));
  const auto refusal = [&] { return test::error_of(ErrorKind::kConfig, [&] { run_into(folder, true); }); };
  options_.seed = 5;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("another run"), HasSubstr("seed")));
  options_.seed = 0;
  options_.tokens = 2000;
  EXPECT_THAT(refusal(), HasSubstr("number of tokens"));
  options_.tokens = 2500;
  const std::int64_t blocks = StatisticsRun(model_, options_, silent_).plan().blocks;
  options_.block_tokens = 610;  // as many blocks of another size
  ASSERT_EQ(StatisticsRun(model_, options_, silent_).plan().blocks, blocks);
  EXPECT_THAT(refusal(), HasSubstr("different is the block size (\"600\", here \"610\")"));
  options_.block_tokens = 600;
  options_.prefix = {3};
  EXPECT_THAT(refusal(), HasSubstr("BOS"));
  options_.prefix = model_.tokenizer().automatic_prefix();
  EXPECT_EQ(test::read_all(folder / "checkpoint_1-3.safetensors"), before);
  folder_.write("run/checkpoint_1-3.safetensors", before.substr(0, before.size() - 9));
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { run_into(folder, true); }),
              HasSubstr("checkpoint_1-3"));
}

TEST_P(StatisticsRuns, ShardsTogetherAreTheWholeRun) {
  const StatisticsReport whole = run_into(folder_ / "whole");
  options_.shards = 3;
  for (options_.shard = 0; options_.shard < 3; ++options_.shard) run_into(folder_ / "shards");
  const MergeReport merged = merge_statistics({folder_ / "shards"}, folder_ / "merged", silent_);
  EXPECT_EQ(merged.fingerprint, whole.fingerprint);
  const Statistics a = load_statistics(model_, {1, 3}, options_.prefix, folder_ / "whole");
  const Statistics b = load_statistics(model_, {1, 3}, options_.prefix, folder_ / "merged");
  for (const int layer : {1, 3}) {
    EXPECT_EQ(b.layers.at(layer).tokens, options_.tokens);
    EXPECT_LT((a.layers.at(layer).C - b.layers.at(layer).C).abs().max().item<double>(),
              1e-6 * a.layers.at(layer).C.abs().max().item<double>());
    EXPECT_EQ(a.layers.at(layer).quality.error_estimate.has_value(),
              b.layers.at(layer).quality.error_estimate.has_value());
  }
  EXPECT_EQ(a.held_text, b.held_text);
  EXPECT_EQ(a.documents, b.documents);
}

TEST_P(StatisticsRuns, LittleMemoryMeansMorePassesAndTheSameLayers) {
  const StatisticsRun roomy(model_, options_, silent_);
  ASSERT_THAT(roomy.plan().passes, ElementsAre(std::vector<int>{1, 3}));
  const Statistics whole = roomy.collect(silent_);
  options_.memory_bytes = 1;
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { StatisticsRun(model_, options_, silent_); }),
              HasSubstr("one layer"));
  EXPECT_THAT(group_layers({0, 1, 2, 3, 4, 5, 6}, 3),
              ElementsAre(std::vector<int>{0}, std::vector<int>{1, 2, 3}, std::vector<int>{4, 5, 6}));
  EXPECT_THAT(group_layers({4, 7}, 9), ElementsAre(std::vector<int>{4, 7}));
  // Room for one layer and a half beside what the process holds. That changes from call to call by more than
  // a layer's sums of this small model now and then; the plan is then another one, or refused.
  const std::int64_t half_a_layer = KeySums::bytes_a_layer(model_.config().d_ff) / 2;
  std::optional<StatisticsRun> tight;
  for (int tries = 0; tries < 100 && (!tight || tight->plan().passes.size() == 1); ++tries) {
    options_.memory_bytes = 0;
    options_.memory_bytes = StatisticsRun(model_, options_, silent_).plan().peak_bytes - half_a_layer;
    try {
      tight.emplace(model_, options_, silent_);
    } catch (const Error& error) {
      ASSERT_THAT(error.what(), HasSubstr("one layer"));
      continue;
    }
    EXPECT_LE(tight->plan().peak_bytes, options_.memory_bytes);
  }
  ASSERT_TRUE(tight);
  EXPECT_THAT(tight->plan().passes, ElementsAre(std::vector<int>{1}, std::vector<int>{3}));
  const Statistics parts = tight->collect(silent_);
  for (const int layer : {1, 3})
    EXPECT_LT((parts.layers.at(layer).C - whole.layers.at(layer).C).norm().item<double>(),
              1e-5 * whole.layers.at(layer).C.norm().item<double>());
}

TEST_P(StatisticsRuns, ImpossibleOptionsAreRefused) {
  const auto refusal = [&](ErrorKind kind = ErrorKind::kUsage) {
    return test::error_of(kind, [&] { StatisticsRun(model_, options_, silent_); });
  };
  options_.shards = 2;
  options_.shard = 2;
  EXPECT_THAT(refusal(), HasSubstr("shard 2 of 2"));
  options_.shard = 1;
  options_.until = 0.1;
  EXPECT_THAT(refusal(), HasSubstr("until"));
  options_.shards = 1;
  options_.shard = 0;
  options_.until.reset();
  options_.window = 0;
  EXPECT_THAT(refusal(), HasSubstr("window must be at least 1"));
  options_.window = 8;
  EXPECT_THAT(refusal(ErrorKind::kConfig), HasSubstr("window"));
}

TEST(StatisticsRun, StopsWhenTheErrorAskedForIsReached) {
  const Model model = test::load_world("llama");
  SilentProgress silent;
  StatisticsOptions options;
  options.layers = {1};
  options.prefix = model.tokenizer().automatic_prefix();
  options.corpus = {test::data_path("world/text.txt")};
  options.tokens = kAllTokens;
  options.block_tokens = 1000;
  options.until = 0.2;
  const test::TempFolder folder;
  const StatisticsRun run(model, options, silent);
  const StatisticsReport report = run.collect_into({folder / "s", false, false}, silent);
  EXPECT_TRUE(report.reached_until);
  EXPECT_LE(*report.layers.at(1).quality.error_estimate, 0.2);
  EXPECT_LT(report.layers.at(1).tokens, run.plan().tokens);
  ASSERT_FALSE(report.curve.empty());
  EXPECT_EQ(report.curve.back().tokens, report.layers.at(1).tokens);
}

TEST(StatisticsRun, AKeyThatIsNotANumberIsNamedByLayerAndDocument) {
  const Model model = test::load_world("gpt2");
  SilentProgress silent;
  // One token's embedding is broken: only documents with it are.
  const test::TempFolder folder;
  const auto file = folder.write(
      "text.txt", "The home of Tristola is the city of Thidov.\nPerkel Gemover grew up speaking Jatish.\n");
  const auto ids =
      model.tokenizer().encode("Perkel Gemover grew up speaking Jatish.", SpecialTokens::kNone).ids;
  const auto other =
      model.tokenizer().encode("The home of Tristola is the city of Thidov.", SpecialTokens::kNone).ids;
  std::int64_t broken = -1;
  for (const std::int64_t id : ids)
    if (std::find(other.begin(), other.end(), id) == other.end()) broken = id;
  ASSERT_GE(broken, 0);
  at::Tensor embedding = model.weights().token_embedding;
  embedding[broken].fill_(std::numeric_limits<float>::quiet_NaN());
  StatisticsOptions options;
  options.layers = {2};
  options.corpus = {file};
  options.tokens = kAllTokens;
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { collect_statistics(model, options, silent); }),
              AllOf(HasSubstr("layer 2"), HasSubstr("text.txt:2"), HasSubstr("NaN")));
}

TEST(StatisticsRun, AProbeThatIsNotANumberIsNamedByLayerAndText) {
  const Model model = test::load_world("gpt2");
  SilentProgress silent;
  StatisticsOptions options;
  options.layers = {1, 2};
  options.corpus = {test::data_path("world/text.txt")};
  options.tokens = 500;
  const auto held = collect_statistics(model, options, silent).held_text;
  ASSERT_GE(held.size(), 3u);
  // The embedding of a token that stands in one of the held texts alone is broken.
  constexpr std::size_t kBroken = 2;
  std::int64_t only_there = -1;
  for (const std::int64_t id : held[kBroken]) {
    std::size_t texts = 0;
    for (const auto& row : held) texts += std::find(row.begin(), row.end(), id) != row.end() ? 1 : 0;
    if (texts == 1) only_there = id;
  }
  ASSERT_GE(only_there, 0);
  at::Tensor embedding = model.weights().token_embedding;
  embedding[only_there].fill_(std::numeric_limits<float>::quiet_NaN());
  const test::TempFolder folder;
  EXPECT_THAT(test::error_of(
                  ErrorKind::kNumeric,
                  [&] {
                    StatisticsRun(model, options, silent).collect_into({folder / "s", false, false}, silent);
                  }),
              AllOf(HasSubstr("layer 1"), HasSubstr("held text 2"), HasSubstr("NaN")));
  EXPECT_FALSE(fs::exists(folder / "s")) << "nothing was written";
}

// Keys whose second moment is known: the estimate from two halves against the true distance of the whole.
TEST(StatisticsError, EstimateAgreesWithTheDistanceToTheTruth) {
  constexpr std::int64_t kSize = 96, kHalf = 480, kProbes = 200;
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU).clone();
  generator.set_current_seed(11);
  const at::Tensor scale = at::logspace(0, -1.5, kSize, 10.0, at::kDouble);
  const auto draw = [&](std::int64_t n) {
    return at::empty({n, kSize}, at::kDouble).normal_(0, 1, generator) * scale;
  };
  const auto moment = [](const at::Tensor& k) {
    return at::matmul(k.t(), k) / static_cast<double>(k.size(0));
  };
  const at::Tensor a = draw(kHalf), b = draw(kHalf), probes = draw(kProbes);
  const auto estimate = estimate_error({moment(a), moment(b), kHalf, kHalf}, probes);
  ASSERT_TRUE(estimate.has_value());
  const at::Tensor found = at::linalg_solve(moment(at::cat({a, b})), probes.t()),
                   limit = probes.t() / scale.square().unsqueeze(1);
  const double truth = 1 - at::cosine_similarity(found, limit, 0).mean().item<double>();
  EXPECT_NEAR(*estimate / truth, 1, 0.15) << "m / 2N is " << static_cast<double>(kSize) / (4 * kHalf);
  EXPECT_FALSE(estimate_error({moment(a), moment(b), kSize, kHalf}, probes).has_value())
      << "too few keys in one half";
  EXPECT_FALSE(estimate_error({moment(a), moment(b), kHalf, kHalf}, {}).has_value()) << "no probes";
}

TEST(StatisticsError, EffectiveRankCountsDirections) {
  EXPECT_NEAR(*quality_of(at::eye(20, at::kDouble)).effective_rank, 20, 1e-9);
  at::Tensor one = at::zeros({20, 20}, at::kDouble);
  one[3][3] = 2;
  EXPECT_NEAR(*quality_of(one).effective_rank, 1, 1e-9);
  EXPECT_FALSE(quality_of(one).condition.has_value());
}

TEST(LeadingKeys, AreTakenAwayWhereTheyCarryHalfOfTheTrace) {
  // A basis that no axis belongs to: a reflection.
  const at::Tensor u = at::ones({20, 1}, at::kDouble) / std::sqrt(20.0);
  const at::Tensor Q = at::eye(20, at::kDouble) - 2 * at::matmul(u, u.t());
  at::Tensor values = at::ones({20}, at::kDouble);
  values[19] = 0.5;
  const auto find = [&] {
    return find_leading_keys(at::matmul(Q * values, Q.t()), (values.max() / values.min()).item<double>());
  };
  EXPECT_FALSE(find().has_value());
  values[3] = 19;  // the others have 18.5 together
  EXPECT_TRUE(find().has_value());
  values[3] = 18;
  EXPECT_FALSE(find().has_value());
  values[3] = 1000;
  const auto one = find();
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->directions, 1);
  EXPECT_NEAR(one->share, 1000 / 1018.5, 1e-6);
  EXPECT_NEAR(one->trace, 18.5, 1e-4);
  EXPECT_NEAR(one->effective_rank, 18.5 * 18.5 / 18.25, 1e-3);
  EXPECT_NEAR(*one->condition, 2, 1e-3);
  values[7] = 100;
  const auto two = find();
  ASSERT_TRUE(two.has_value());
  EXPECT_EQ(two->directions, 2);
  EXPECT_NEAR(two->trace, 17.5, 1e-4);
  EXPECT_FALSE(find_leading_keys(at::eye(20, at::kDouble), std::nullopt).has_value());
}

}  // namespace
}  // namespace emend
