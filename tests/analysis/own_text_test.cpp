#include "analysis/own_text.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "analysis/text_visits.h"
#include "emend/statistics_run.h"

namespace emend {
namespace {

ModelConfig config(std::int64_t max_positions = 1024) {
  ModelConfig c;
  c.max_positions = max_positions;
  return c;
}

void expect_shape(const OwnTextShape& shape, std::int64_t rows, std::int64_t length) {
  EXPECT_EQ(shape.rows, rows);
  EXPECT_EQ(shape.length, length);
}

TEST(OwnTextShape, LetsMoreTextsGrowWhereEachStillGets48Tokens) {
  expect_shape(own_text_shape(config(), 640), 64, 11);
  expect_shape(own_text_shape(config(), 6143), 64, 97);
  expect_shape(own_text_shape(config(), 6144), 128, 49);
  expect_shape(own_text_shape(config(), 7680, 2), 128, 62);
  expect_shape(own_text_shape(config(), kOwnTextBlock), 256, 65);
  expect_shape(own_text_shape(config(), 10 * kOwnTextBlock), 256, 256);
}

TEST(OwnTextShape, EndsTextsWhereTheModelDoes) {
  expect_shape(own_text_shape(config(40), 6000), 64, 40);
  ModelConfig long_turns = config();
  long_turns.rotary.emplace_back();
  long_turns.rotary.back().long_from = 16;
  expect_shape(own_text_shape(long_turns, 6000), 64, 16);
}

class OwnTextGrows : public ::testing::TestWithParam<std::string> {
 protected:
  OwnTextGrows() : model_(test::load_world(GetParam())) {
    options_.prefix = model_.tokenizer().automatic_prefix();
    options_.tokens = 700;
    settle_text_options(model_, false, options_);
  }
  ~OwnTextGrows() override { at::set_num_threads(threads_); }

  test::LargestKeys visited(int threads) {
    at::set_num_threads(threads);
    test::LargestKeys keys({1, 3}, model_.config().d_ff);
    WalkOptions walk;
    walk.stage = "largest keys";
    SilentProgress silent;
    const auto text = make_own_text(model_, options_);
    held_ = text->held_text();
    walk_text(model_, *text, keys, walk, silent);
    return keys;
  }

  const int threads_ = at::get_num_threads();
  Model model_;
  TextOptions options_;
  std::vector<TokenIds> held_;
};
INSTANTIATE_TEST_SUITE_P(World, OwnTextGrows, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

// The same tokens at the same places with the same keys, to the last bit.
TEST_P(OwnTextGrows, TheSameOnAnyNumberOfThreads) {
  const test::LargestKeys one = visited(1), three = visited(3);
  EXPECT_EQ(one.count(), 700);
  EXPECT_EQ(three.count(), 700);
  for (const std::size_t layer : {0, 1}) EXPECT_EQ(one.best(layer), three.best(layer));
}

TEST_P(OwnTextGrows, WithoutChangingTheCallersThreads) {
  visited(3);
  EXPECT_EQ(at::get_num_threads(), 3);
}

TEST_P(OwnTextGrows, AsLongAsTheTrialExpectsAndLeavesNoTrace) {
  const test::LargestKeys before = visited(2);
  EXPECT_GT(own_text_seconds_a_token(model_, options_), 0);
  EXPECT_EQ(visited(2).best(0), before.best(0));
}

}  // namespace
}  // namespace emend
