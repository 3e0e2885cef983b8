// A walk over text in parts: resumed from a checkpoint, shared by two processes, ended when a visitor has
// enough.
#include <gmock/gmock.h>

#include "analysis/text_visits.h"
#include "base/expect_error.h"
#include "support/stop_at.h"

namespace emend {
namespace {

using test::LargestKeys;
using ::testing::AllOf;
using ::testing::HasSubstr;

class TextWalkParts : public test::TextWalks {};
INSTANTIATE_TEST_SUITE_P(Sources, TextWalkParts, ::testing::Values("text", "self"),
                         [](const auto& source) { return source.param; });

TEST_P(TextWalkParts, AStoppedWalkGoesOnFromItsCheckpoint) {
  const LargestKeys wanted = whole();
  WalkOptions options = walk();
  options.checkpoint = folder_ / "state.safetensors";
  LargestKeys stopped = visitor();
  for (int signs = 1; !std::filesystem::exists(options.checkpoint); ++signs) {
    ASSERT_LT(signs, 1000);
    stopped = visitor();
    test::StopAt stopping(signs);
    EXPECT_EQ(test::error_of(ErrorKind::kInterrupted,
                             [&] { walk_text(model_, *source(), stopped, options, stopping); }),
              "stopped");
  }
  options.resume = true;
  LargestKeys resumed = visitor();
  const Walk done = walk_text(model_, *source(), resumed, options, silent_);
  EXPECT_GT(done.resumed_blocks, 0);
  EXPECT_EQ(done.blocks_done, source()->blocks());
  EXPECT_EQ(resumed.count(), wanted.count());
  for (std::size_t layer = 0; layer < 2; ++layer) EXPECT_EQ(resumed.best(layer), wanted.best(layer));
  options.run.seed = "7";
  LargestKeys other = visitor();
  EXPECT_THAT(
      test::error_of(ErrorKind::kConfig, [&] { walk_text(model_, *source(), other, options, silent_); }),
      AllOf(HasSubstr("another run"), HasSubstr("the seed")));
}

// The other process has called first: what it handed in waits here.
class TwoProcesses : public ShardGroup {
 public:
  explicit TwoProcesses(int rank) : rank_(rank) {}
  void use(TwoProcesses& other) { other_ = &other; }
  int rank() const override { return rank_; }
  int size() const override { return 2; }
  void sum_to_first(double* numbers, std::int64_t count) override {
    for (std::int64_t i = 0; i < count; ++i) {
      if (rank_ == 0)
        numbers[i] += other_->sums_.at(next_sum_++);
      else
        sums_.push_back(numbers[i]);
    }
  }
  std::vector<std::uint64_t> gather_to_first(const std::vector<std::uint64_t>& numbers) override {
    std::vector<std::uint64_t> all = numbers;
    if (rank_ == 0)
      all.insert(all.end(), other_->gathered_.begin(), other_->gathered_.end());
    else
      gathered_ = numbers;
    return all;
  }
  std::vector<std::uint64_t> gather_to_all(const std::vector<std::uint64_t>& numbers) override {
    return gather_to_first(numbers);
  }
  void wait_for_all() override {}

 private:
  int rank_;
  TwoProcesses* other_ = nullptr;
  std::size_t next_sum_ = 0;
  std::vector<double> sums_;
  std::vector<std::uint64_t> gathered_;
};

TEST_P(TextWalkParts, ShardsTogetherAreTheWhole) {
  const LargestKeys wanted = whole();
  LargestKeys first = visitor(), second = visitor();
  const Walk a = walk_text(model_, *source(), first, walk(0, 2), silent_),
             b = walk_text(model_, *source(), second, walk(1, 2), silent_);
  EXPECT_EQ(a.blocks_done + b.blocks_done, source()->blocks());
  EXPECT_LT(first.count(), wanted.count());
  TwoProcesses rank_0(0), rank_1(1);
  rank_0.use(rank_1);
  second.reduce(rank_1);
  first.reduce(rank_0);
  EXPECT_EQ(first.count(), wanted.count());
  for (std::size_t layer = 0; layer < 2; ++layer) EXPECT_EQ(first.best(layer), wanted.best(layer));
}

TEST_P(TextWalkParts, AVisitorThatHasEnoughEndsTheWalkAtABlock) {
  LargestKeys some = visitor(700);
  const Walk done = walk_text(model_, *source(), some, walk(), silent_);
  EXPECT_EQ(done.blocks_done, 2);
  EXPECT_GE(some.count(), 700);
  EXPECT_LT(some.count(), options_.tokens);
}

}  // namespace
}  // namespace emend
