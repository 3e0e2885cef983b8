#include "linalg/known_solutions.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "linalg/response_solver.h"
#include "support/random_matrices.h"

namespace emend {
namespace {

constexpr std::int64_t kRows = KnownSolutions::kLeastRows;

// Halves columns and counts them.
struct Halver {
  std::vector<std::int64_t> calls;
  at::Tensor operator()(const at::Tensor& K) {
    calls.push_back(K.size(1));
    return K / 2;
  }
};

TEST(KnownSolutions, SolveEachColumnOnce) {
  KnownSolutions known;
  Halver halver;
  const auto solve = [&](const at::Tensor& K) { return halver(K); };
  const at::Tensor K = test::normals(kRows, 4, 1);
  EXPECT_TRUE(at::equal(known.get(K.narrow(1, 0, 2), solve), K.narrow(1, 0, 2) / 2));
  EXPECT_TRUE(at::equal(known.get(K, solve), K / 2));
  const at::Tensor mixed = K.index_select(1, at::tensor({3, 0, 3}, at::kLong));
  EXPECT_TRUE(at::equal(known.get(mixed, solve), mixed / 2));
  EXPECT_EQ(halver.calls, (std::vector<std::int64_t>{2, 2}));
}

TEST(KnownSolutions, EqualColumnsOfOneCallAreOne) {
  KnownSolutions known;
  Halver halver;
  const at::Tensor key = test::normals(kRows, 1, 2), K = at::cat({key, key}, 1);
  EXPECT_TRUE(at::equal(known.get(K, [&](const at::Tensor& k) { return halver(k); }), K / 2));
  EXPECT_EQ(halver.calls, (std::vector<std::int64_t>{1}));
}

TEST(KnownSolutions, NothingIsKeptOfFewRows) {
  KnownSolutions known;
  Halver halver;
  const at::Tensor K = test::normals(kRows - 1, 2, 3);
  for (int twice = 0; twice < 2; ++twice) known.get(K, [&](const at::Tensor& k) { return halver(k); });
  EXPECT_EQ(halver.calls.size(), 2U);
  EXPECT_EQ(known.room_for(kRows - 1), 0U);
}

// A metric that has learnt its keys answers as one that has not.
TEST(KnownSolutions, AMetricThatLearntAnswersTheSame) {
  const at::Tensor C = at::eye(kRows, at::kDouble) + 0.1 * at::ones({kRows, kRows}, at::kDouble);
  const auto factor = std::make_shared<const SpdFactor>(C, 0, "C");
  const at::Tensor K = test::normals(kRows, 5, 4), y = at::ones({2}, at::kDouble);
  const KeyMetric plain(factor, C);
  KeyMetric learnt(factor, C);
  learnt.learn(K.unbind(1));
  const at::Tensor two = K.narrow(1, 1, 2);
  EXPECT_LT((key_response(learnt, two, y) - key_response(plain, two, y)).abs().max().item<double>(), 1e-12);
  EXPECT_LT((key_cosines(learnt, K) - key_cosines(plain, K)).abs().max().item<double>(), 1e-12);
}

}  // namespace
}  // namespace emend
