#include "delivery/feedback_rounding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "emend/tensor_file.h"

namespace emend {
namespace {

constexpr std::size_t kRows = 48, kColumns = 512;

using Numbers = std::vector<double>;

Numbers normal(std::size_t count, std::mt19937_64& random) {
  std::normal_distribution<double> distribution;
  Numbers numbers(count);
  for (double& number : numbers) number = distribution(random);
  return numbers;
}

// x M x^T for a symmetric M.
double square(const double* x, const Numbers& M) {
  double sum = 0;
  for (std::size_t i = 0; i < kColumns; ++i)
    for (std::size_t j = 0; j < kColumns; ++j) sum += x[i] * M[i * kColumns + j] * x[j];
  return sum;
}

// sum over rows of e C e^T
double stray(const Numbers& E, const Numbers& C) {
  double sum = 0;
  for (std::size_t r = 0; r < kRows; ++r) sum += square(&E[r * kColumns], C);
  return sum;
}

Numbers times(const Numbers& M, const Numbers& key) {
  Numbers product(kRows);
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t j = 0; j < kColumns; ++j) product[r] += M[r * kColumns + j] * key[j];
  return product;
}

Numbers minus(const Numbers& a, const Numbers& b) {
  Numbers difference(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
  return difference;
}

double inner(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// C = sum over directions of 0.98^i u_i u_i^T for random u_i, and a key that is drawn from it.
struct Text {
  Numbers C = Numbers(kColumns * kColumns), key = Numbers(kColumns);
};

Text make_text(std::mt19937_64& random) {
  Text text;
  double weight = 1;
  for (std::size_t i = 0; i < kColumns; ++i, weight *= 0.98) {
    const Numbers u = normal(kColumns, random);
    const double drawn = std::sqrt(weight) * normal(1, random)[0];
    for (std::size_t a = 0; a < kColumns; ++a) {
      text.key[a] += drawn * u[a];
      for (std::size_t b = 0; b < kColumns; ++b) text.C[a * kColumns + b] += weight * u[a] * u[b];
    }
  }
  return text;
}

std::vector<std::byte> encode(const ElementType& type, const Numbers& values) {
  const std::vector<float> floats(values.begin(), values.end());
  const std::size_t blocks = values.size() / type.block_elements;
  std::vector<std::byte> bytes(blocks * type.block_bytes);
  type.write(floats.data(), bytes.data(), blocks);
  return bytes;
}

Numbers decode(const ElementType& type, const std::vector<std::byte>& bytes) {
  const std::size_t blocks = bytes.size() / type.block_bytes;
  std::vector<float> floats(blocks * type.block_elements);
  type.read(bytes.data(), floats.data(), blocks);
  return {floats.begin(), floats.end()};
}

// A weight on the grid of a type and a change u k^T of it, of a norm relative to W's.
struct Case {
  const ElementType* type;
  Text text;
  std::vector<std::byte> base;
  Numbers W, change;
  double plain = 0;  // stray change of rounding the full-precision weight that W comes from

  Case(const std::string& name, double relative_norm) : type(&element_type(name)) {
    std::mt19937_64 random(7);
    text = make_text(random);
    const Numbers exact = normal(kRows * kColumns, random), u = normal(kRows, random);
    base = encode(*type, exact);
    W = decode(*type, base);
    plain = stray(minus(W, exact), text.C);
    change.resize(W.size());
    for (std::size_t i = 0; i < W.size(); ++i) change[i] = u[i / kColumns] * text.key[i % kColumns];
    const double factor = relative_norm * std::sqrt(inner(W, W) / inner(change, change));
    for (double& number : change) number *= factor;
  }

  FeedbackProblem problem() const {
    return {type->format,  type->block_bytes, base, kRows, kColumns, change.data(),
            text.C.data(), text.key.data(),   1};
  }

  std::vector<std::byte> rounded() const {
    std::vector<std::byte> bytes(base.size());
    round_rows(FeedbackRounding(problem()), 0, kRows, bytes);
    return bytes;
  }

  // With the products with C that round_rows asks for.
  void round_rows(const FeedbackRounding& rounding, std::int64_t begin, std::int64_t end,
                  std::vector<std::byte>& bytes) const {
    Numbers errors(static_cast<std::size_t>(end - begin) * kColumns), products(errors.size());
    rounding.first_errors(begin, end, errors.data());
    for (std::size_t at = 0; at < errors.size(); ++at)
      for (std::size_t j = 0; j < kColumns; ++j)
        products[at / kColumns * kColumns + j] += errors[at] * text.C[at % kColumns * kColumns + j];
    rounding.round_rows(begin, end, products.data(), bytes);
  }

  // <(W' - W) k, Delta k> / ||Delta k||^2
  double realised(const std::vector<std::byte>& bytes) const {
    const Numbers wanted = times(change, text.key);
    return inner(times(minus(decode(*type, bytes), W), text.key), wanted) / inner(wanted, wanted);
  }

  double stray_change(const std::vector<std::byte>& bytes) const {
    return stray(minus(minus(decode(*type, bytes), W), change), text.C);
  }
};

// Every type that emend writes in blocks with levels.
class FeedbackRoundingOf : public testing::TestWithParam<const char*> {};

TEST_P(FeedbackRoundingOf, RealisesTheEditAtNoMoreStrayChangeThanRounding) {
  for (const double relative_norm : {0.01, 0.1}) {
    const Case edit(GetParam(), relative_norm);
    const std::vector<std::byte> bytes = edit.rounded();
    EXPECT_NEAR(edit.realised(bytes), 1, 0.02) << relative_norm;
    EXPECT_LE(edit.stray_change(bytes), edit.plain) << relative_norm;
  }
}

TEST_P(FeedbackRoundingOf, KeepsScalesAndUnchangedBlocks) {
  const Case edit(GetParam(), 0.002);
  const std::vector<std::byte> bytes = edit.rounded();
  const std::size_t block = edit.type->block_bytes;
  std::size_t kept = 0;
  for (std::size_t at = 0; at < bytes.size(); at += block) {
    BlockScales old_scales, new_scales;
    BlockCodes old_codes, new_codes;
    edit.type->format->unpack(&edit.base[at], old_scales, old_codes);
    edit.type->format->unpack(&bytes[at], new_scales, new_codes);
    EXPECT_EQ(old_scales.scale, new_scales.scale);
    EXPECT_EQ(old_scales.minimum, new_scales.minimum);
    if (std::equal(old_codes.begin(), old_codes.begin() + edit.type->block_elements, new_codes.begin())) {
      EXPECT_TRUE(std::equal(&edit.base[at], &edit.base[at] + block, &bytes[at]));
      ++kept;
    }
  }
  if (edit.type->block_elements == 32) {
    EXPECT_GT(kept, 0U);
  }
}

TEST_P(FeedbackRoundingOf, GivesBackTheBaseWithoutAChange) {
  Case edit(GetParam(), 0.1);
  std::fill(edit.change.begin(), edit.change.end(), 0);
  EXPECT_EQ(edit.rounded(), edit.base);
}

TEST_P(FeedbackRoundingOf, DoesNotDependOnTheSplitOverThreads) {
  const Case edit(GetParam(), 0.01);
  const FeedbackRounding rounding(edit.problem());
  std::vector<std::byte> bytes(edit.base.size());
  for (const auto& [begin, end] : {std::pair{17, 48}, {0, 1}, {1, 17}})
    edit.round_rows(rounding, begin, end, bytes);
  EXPECT_EQ(bytes, edit.rounded());
}

TEST_P(FeedbackRoundingOf, EstimatesWhatRoundingCosts) {
  const Case edit(GetParam(), 0.01);
  Numbers diagonal(kColumns);
  for (std::size_t j = 0; j < kColumns; ++j) diagonal[j] = edit.text.C[j * kColumns + j];
  const double noise =
      rounding_noise(*edit.type->format, edit.type->block_bytes, edit.base, kColumns, diagonal.data());
  EXPECT_NEAR(noise / edit.plain, 1, 0.35);
}

INSTANTIATE_TEST_SUITE_P(Types, FeedbackRoundingOf,
                         testing::Values("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K",
                                         "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"),
                         [](const auto& instance) { return std::string(instance.param); });

// The fault that all this is for.
TEST(NearestRounding, LosesASmallEditOfWeightsOnTheGrid) {
  for (const char* const name : {"Q4_0", "Q4_1", "Q2_K", "Q3_K", "Q4_K", "IQ4_NL"}) {
    const Case edit(name, 0.01);
    Numbers wanted = edit.W;
    for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i] += edit.change[i];
    EXPECT_LT(edit.realised(encode(*edit.type, wanted)), 0.5) << name;
  }
}

TEST(FeedbackRounding, KeepsEveryOneOfSeveralKeysUnderTheIdentity) {
  Case edit("Q4_K", 0.02);
  std::mt19937_64 random(8);
  Numbers keys = edit.text.key;
  const Numbers second = normal(kColumns, random), v = normal(kRows, random);
  keys.insert(keys.end(), second.begin(), second.end());
  const double factor = 0.02 * std::sqrt(inner(edit.W, edit.W) / (inner(v, v) * inner(second, second)));
  for (std::size_t i = 0; i < edit.change.size(); ++i)
    edit.change[i] += factor * v[i / kColumns] * second[i % kColumns];
  FeedbackProblem problem = edit.problem();
  problem.C = nullptr;
  problem.keys = keys.data();
  problem.key_count = 2;
  std::vector<std::byte> bytes(edit.base.size());
  const FeedbackRounding rounding(problem);
  Numbers errors(edit.change.size());
  rounding.first_errors(0, kRows, errors.data());
  rounding.round_rows(0, kRows, errors.data(), bytes);
  EXPECT_NEAR(edit.realised(bytes), 1, 0.02);
  edit.text.key = second;
  EXPECT_NEAR(edit.realised(bytes), 1, 0.02);
}

TEST(NextCodes, AreThoseOfTheNextLevels) {
  const NextCodes q4_0(kQ4_0Format);
  EXPECT_EQ(q4_0.above[3], 4);
  EXPECT_EQ(q4_0.below[3], 2);
  EXPECT_EQ(q4_0.above[15], 15);
  EXPECT_EQ(q4_0.below[0], 0);
  // MXFP4: codes 0 to 7 mean 0, 1, 2, 3, 4, 6, 8, 12, and 8 to 15 the same below zero.
  const NextCodes mxfp4(kMxfp4Format);
  EXPECT_EQ(mxfp4.above[9], 0);
  EXPECT_EQ(mxfp4.below[8], 9);
  EXPECT_EQ(mxfp4.above[8], 1);
  EXPECT_EQ(mxfp4.below[0], 9);
  EXPECT_EQ(mxfp4.above[15], 14);
  EXPECT_EQ(mxfp4.below[15], 15);
  EXPECT_EQ(mxfp4.above[7], 7);
  // TQ2_0: the fourth code is left, never taken.
  const NextCodes tq2_0(kTq2_0Format);
  EXPECT_EQ(tq2_0.above[2], 2);
  EXPECT_EQ(tq2_0.below[3], 2);
}

// Rounds all rows under a C that has nothing but this diagonal.
void round_under(const FeedbackProblem& problem, const Numbers& diagonal, std::vector<std::byte>& bytes) {
  const FeedbackRounding rounding(problem);
  Numbers products(kRows * kColumns);
  rounding.first_errors(0, kRows, products.data());
  for (std::size_t i = 0; i < products.size(); ++i) products[i] *= diagonal[i % kColumns];
  rounding.round_rows(0, kRows, products.data(), bytes);
}

// With C given as its diagonal the bytes are those of the matrix that has nothing else.
TEST(FeedbackRounding, ADiagonalIsTheDiagonalMatrix) {
  for (const char* const name : {"Q4_0", "Q4_K", "IQ4_NL"}) {
    const Case edit(name, 0.02);
    Numbers diagonal(kColumns), matrix(kColumns * kColumns);
    for (std::size_t j = 0; j < kColumns; ++j)
      matrix[j * kColumns + j] = diagonal[j] = edit.text.C[j * kColumns + j] * (j % 7 == 0 ? 40 : 1);
    FeedbackProblem problem = edit.problem();
    problem.C = matrix.data();
    std::vector<std::byte> wanted(edit.base.size()), bytes = wanted, plain = wanted;
    round_under(problem, diagonal, wanted);
    problem.C = nullptr;
    problem.diagonal = diagonal.data();
    round_under(problem, diagonal, bytes);
    problem.diagonal = nullptr;
    round_under(problem, Numbers(kColumns, 1), plain);
    EXPECT_EQ(bytes, wanted) << name;
    EXPECT_NE(bytes, plain) << name;  // the identity rounds to other codes
    EXPECT_NEAR(edit.realised(bytes), 1, 0.02) << name;
    const auto stray = [&](const std::vector<std::byte>& of) {
      const Numbers E = minus(minus(decode(*edit.type, of), edit.W), edit.change);
      double sum = 0;
      for (std::size_t i = 0; i < E.size(); ++i) sum += E[i] * E[i] * diagonal[i % kColumns];
      return sum;
    };
    EXPECT_LT(stray(bytes), stray(plain)) << name;
  }
}

TEST(ChangedBlocks, CountsBlocks) {
  std::vector<std::byte> a(12), b(12);
  b[4] = b[5] = b[11] = std::byte{1};
  EXPECT_EQ(changed_blocks(a, b, 4), 2);
  EXPECT_EQ(changed_blocks(a, a, 4), 0);
}

}  // namespace
}  // namespace emend
