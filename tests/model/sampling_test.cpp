// Draws are those of the plain formula over whole rows.
#include "model/sampling.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/random.h"

namespace emend {
namespace {

at::Tensor random_logits(std::int64_t rows, std::int64_t columns) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(7);
  return 4 * at::randn({rows, columns}, generator, at::kFloat);
}

// Softmax, cumulative sums in float64, the first that exceeds u times the last.
std::vector<std::int64_t> plain_draws(const at::Tensor& logits, const std::vector<std::uint64_t>& streams,
                                      const std::vector<std::uint64_t>& index, const DrawOptions& options) {
  const at::Tensor sums = at::softmax(logits / options.temperature, 1).to(at::kDouble).cumsum(1);
  std::vector<std::int64_t> ids;
  for (std::int64_t row = 0; row < logits.size(0); ++row) {
    const double* sum = sums[row].const_data_ptr<double>();
    const auto r = static_cast<std::size_t>(row);
    const double threshold = Random(options.seed, streams[r]).uniform(index[r]) * sum[logits.size(1) - 1];
    std::int64_t id = 0;
    while (id + 1 < logits.size(1) && sum[id] <= threshold) ++id;
    ids.push_back(id);
  }
  return ids;
}

TEST(DrawTokens, AreThoseOfTheWholeDistributionAtAnyLengthOfRow) {
  for (const std::int64_t columns : {1, 2, 511, 512, 513, 1024, 20001}) {
    const at::Tensor logits = random_logits(48, columns);
    std::vector<std::uint64_t> streams, index;
    for (std::uint64_t row = 0; row < 48; ++row) {
      streams.push_back(row % 5);
      index.push_back(3 * row);
    }
    for (const double temperature : {1.0, 0.7}) {
      const DrawOptions options{.temperature = temperature, .top_k = 0, .seed = 11};
      EXPECT_EQ(draw_tokens(logits, streams, index, options), plain_draws(logits, streams, index, options))
          << columns;
    }
  }
}

TEST(DrawTokens, NeverTakeAnIdWithoutProbability) {
  at::Tensor logits = at::full({1, 2000}, -std::numeric_limits<float>::infinity());
  logits[0][1300] = 0.0;
  logits[0][1700] = 0.0;
  std::vector<int> seen(2000);
  for (std::uint64_t i = 0; i < 200; ++i)
    ++seen[static_cast<std::size_t>(draw_tokens(logits, {1}, {i}, {})[0])];
  EXPECT_EQ(seen[1300] + seen[1700], 200);
  EXPECT_GT(seen[1300], 60);
  EXPECT_GT(seen[1700], 60);
}

TEST(DrawTokens, OfTheLikeliestAreAmongThem) {
  const at::Tensor logits = random_logits(1, 3000);
  const at::Tensor likeliest = std::get<1>(logits.topk(3, 1));
  for (std::uint64_t i = 0; i < 50; ++i) {
    const std::int64_t id = draw_tokens(logits, {2}, {i}, {.temperature = 1, .top_k = 3, .seed = 0})[0];
    EXPECT_TRUE(likeliest.eq(id).any().item<bool>());
  }
}

}  // namespace
}  // namespace emend
