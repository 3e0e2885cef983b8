// The reducer against the whole table of logits in float64 (fixture F5).
#include "memories/vocab_reducer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/model_files.h"
#include "support/random_matrices.h"

namespace emend {
namespace {

at::Tensor logits_of(const VocabularyTask& task) {
  at::Tensor z = at::matmul(task.rows.to(at::kDouble), task.table.to(at::kDouble).t());
  if (task.offset.defined()) z = z + task.offset.to(at::kDouble);
  return task.soft_cap > 0 ? at::tanh(z / task.soft_cap) * task.soft_cap : z;
}

at::Tensor entropy_of(const at::Tensor& z) {
  const at::Tensor logs = at::log_softmax(z, 1);
  return -(logs.exp() * logs).sum(1);
}

// Ranks of one row, largest first, ties to the lower id.
std::vector<std::int64_t> ranked(const at::Tensor& row) {
  const at::Tensor order = std::get<1>(at::sort(row, /*stable=*/true, 0, /*descending=*/true));
  return {order.const_data_ptr<std::int64_t>(), order.const_data_ptr<std::int64_t>() + order.numel()};
}

std::int64_t rank_of(const std::vector<std::int64_t>& order, std::int64_t id) {
  return std::find(order.begin(), order.end(), id) - order.begin();
}

// All of a result against logits in float64; `tolerance` of sums and logits.
void expect_naive(const VocabularyTask& task, double tolerance) {
  const VocabularyResult found = reduce_vocabulary(task);
  const at::Tensor z = logits_of(task);
  EXPECT_TRUE(test::near(found.log_sum, at::logsumexp(z, {1}), tolerance));
  EXPECT_TRUE(test::near(found.low_log_sum, at::logsumexp(-z, {1}), tolerance));
  EXPECT_TRUE(test::near(found.entropy, entropy_of(z), tolerance));
  EXPECT_TRUE(test::near(found.low_entropy, entropy_of(-z), tolerance));
  for (std::int64_t r = 0; r < z.size(0); ++r) {
    const std::vector<std::int64_t> order = ranked(z[r]), low = ranked(-z[r]);
    for (std::int64_t k = 0; k < task.keep; ++k) {
      const auto at = static_cast<std::size_t>(k);
      ASSERT_EQ(found.top_ids[r][k].item<std::int64_t>(), order[at]) << r << " " << k;
      ASSERT_EQ(found.bottom_ids[r][k].item<std::int64_t>(), low[at]) << r << " " << k;
      ASSERT_NEAR(found.top_logits[r][k].item<double>(), z[r][order[at]].item<double>(), tolerance);
      ASSERT_NEAR(found.bottom_logits[r][k].item<double>(), z[r][low[at]].item<double>(), tolerance);
    }
    for (std::int64_t t = 0; task.targets.defined() && t < task.targets.size(1); ++t) {
      const auto id = task.targets[r][t].item<std::int64_t>();
      EXPECT_EQ(found.target_ranks[r][t].item<std::int64_t>(), id < 0 ? -1 : rank_of(order, id));
      EXPECT_EQ(found.target_low_ranks[r][t].item<std::int64_t>(), id < 0 ? -1 : rank_of(low, id));
      if (id < 0)
        EXPECT_TRUE(std::isnan(found.target_logits[r][t].item<double>()));
      else
        EXPECT_NEAR(found.target_logits[r][t].item<double>(), z[r][id].item<double>(), tolerance);
    }
  }
}

// Whole numbers, so that products are exact and equal logits are equal in every order of the sums.
at::Tensor whole_numbers(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  return (test::normals(rows, columns, seed) * 3).round().to(at::kFloat).contiguous();
}

at::Tensor some_targets(std::int64_t rows, std::int64_t count, std::int64_t vocabulary) {
  at::Tensor ids = (at::arange(rows * count) * 7919 + 13).remainder(vocabulary).view({rows, count});
  ids[0][0] = -1;
  ids[1][0] = 0;
  ids[2][0] = vocabulary - 1;
  return ids.contiguous();
}

VocabularyTask random_task(std::int64_t rows, std::int64_t vocabulary, std::int64_t width) {
  VocabularyTask task;
  task.rows = test::normals(rows, width, 1).to(at::kFloat).contiguous();
  task.table = test::normals(vocabulary, width, 2).to(at::kFloat).contiguous();
  task.targets = some_targets(rows, 2, vocabulary);
  return task;
}

TEST(VocabReducer, EqualsTheWholeTableInDoublePrecision) {
  VocabularyTask task = random_task(37, 5003, 24);
  task.keep = 50;
  expect_naive(task, 2e-5);
}

TEST(VocabReducer, TiesGoToTheLowerIdAtBothEnds) {
  VocabularyTask task;
  task.rows = whole_numbers(9, 4, 3);
  task.table = whole_numbers(1500, 4, 4);  // 4 numbers of -9 to 9: hundreds of equal logits
  task.table.narrow(0, 700, 300).copy_(task.table.narrow(0, 100, 300));  // and rows that occur twice
  task.table.narrow(0, 1200, 300).copy_(task.table.narrow(0, 100, 300));
  task.rows[3].zero_();  // all logits equal
  task.targets = some_targets(9, 3, 1500);
  for (const std::int64_t keep : {1, 7, 1500}) {
    task.keep = keep;
    expect_naive(task, 1e-4);
  }
}

TEST(VocabReducer, TilesAndThreadsChangeNothing) {
  VocabularyTask task;
  task.rows = whole_numbers(300, 8, 5);
  task.table = whole_numbers(9001, 8, 6);
  task.targets = some_targets(300, 1, 9001);
  task.keep = 20;
  const VocabularyResult wanted = reduce_vocabulary(task);
  const auto same_tokens = [&](const VocabularyResult& found) {
    return at::equal(found.top_ids, wanted.top_ids) && at::equal(found.top_logits, wanted.top_logits) &&
           at::equal(found.bottom_ids, wanted.bottom_ids) &&
           at::equal(found.bottom_logits, wanted.bottom_logits) &&
           at::equal(found.target_ranks, wanted.target_ranks) &&
           at::equal(found.target_low_ranks, wanted.target_low_ranks);
  };
  for (const auto& [rows, tokens] : {std::pair<std::int64_t, std::int64_t>(1, 9001), {64, 100}, {300, 17}}) {
    task.row_tile = rows;
    task.token_tile = tokens;
    const VocabularyResult found = reduce_vocabulary(task);
    EXPECT_TRUE(same_tokens(found)) << rows << " x " << tokens;
    EXPECT_TRUE(test::near(found.log_sum, wanted.log_sum, 1e-5));
    EXPECT_TRUE(test::near(found.entropy, wanted.entropy, 1e-4));
  }
}

TEST(VocabReducer, ThreadsGiveTheSameBytes) {
  VocabularyTask task = random_task(520, 9001, 16);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const VocabularyResult one = reduce_vocabulary(task);
  at::set_num_threads(3);
  const VocabularyResult three = reduce_vocabulary(task);
  at::set_num_threads(threads);
  for (const auto member :
       {&VocabularyResult::top_logits, &VocabularyResult::bottom_logits, &VocabularyResult::top_ids,
        &VocabularyResult::bottom_ids, &VocabularyResult::log_sum, &VocabularyResult::low_log_sum,
        &VocabularyResult::entropy, &VocabularyResult::target_ranks})
    EXPECT_TRUE(at::equal(one.*member, three.*member));
}

TEST(VocabReducer, OffsetAndSoftCapAreThoseOfTheHead) {
  VocabularyTask task = random_task(12, 900, 16);
  task.offset = test::normals(1, 900, 8).to(at::kFloat).flatten().contiguous();
  task.soft_cap = 5;
  expect_naive(task, 2e-5);
}

// Of one and three tokens: shorter than a tile and than sixteen lanes.
TEST(VocabReducer, VocabulariesOfAFewTokens) {
  for (const std::int64_t vocabulary : {3, 16, 33}) {
    VocabularyTask task = random_task(5, vocabulary, 8);
    task.keep = 3;
    expect_naive(task, 2e-5);
  }
}

// Logits so far apart that all but one probability are 0, and sums that a portion in the middle rules.
TEST(VocabReducer, LargeLogitsKeepTheirSums) {
  VocabularyTask task = random_task(4, 3000, 8);
  task.table[1700] *= 200;
  task.keep = 5;
  const VocabularyResult found = reduce_vocabulary(task);
  const at::Tensor z = logits_of(task);
  EXPECT_TRUE(test::near(found.log_sum / at::logsumexp(z, {1}), at::ones({4}), 1e-6));
  EXPECT_TRUE(test::near(found.entropy, entropy_of(z), 1e-3));
}

TEST(VocabReducer, TellsHowManyRowsAreDone) {
  VocabularyTask task = random_task(50, 300, 8);
  task.row_tile = 8;
  std::int64_t last = 0;
  task.on_rows = [&](std::int64_t done) {
    EXPECT_GE(done, last);
    last = done;
  };
  reduce_vocabulary(task);
  EXPECT_GT(last, 0);
  EXPECT_LE(last, 50);
  task.on_rows = [](std::int64_t) { throw std::runtime_error("stop"); };
  EXPECT_THROW(reduce_vocabulary(task), std::runtime_error);
}

TEST(VocabReducer, RefusesOtherShapesAndTypes) {
  const VocabularyTask good = random_task(5, 30, 8);
  const auto refused = [&](const std::function<void(VocabularyTask&)>& spoil) {
    VocabularyTask task = good;
    spoil(task);
    EXPECT_THROW(reduce_vocabulary(task), std::invalid_argument);
  };
  refused([](VocabularyTask& task) { task.keep = 31; });
  refused([](VocabularyTask& task) { task.keep = 0; });
  refused([](VocabularyTask& task) { task.rows = task.rows.to(at::kDouble); });
  refused([](VocabularyTask& task) { task.table = task.table.t(); });
  refused([](VocabularyTask& task) { task.targets = task.targets + 30; });
  refused([](VocabularyTask& task) { task.offset = at::zeros({29}); });
}

}  // namespace
}  // namespace emend
