// Bulk editors without a search: each method's formula on a model whose keys are made up, and the order in
// which facts come.
#include <gmock/gmock.h>

#include "base/expect_error.h"
#include "editors/bulk/carried.h"
#include "editors/bulk/layer_system.h"
#include "editors/bulk/methods.h"
#include "editors/bulk/preserve.h"
#include "emend/editor.h"
#include "emend/editor_cache.h"
#include "linalg/key_factors.h"
#include "linalg/response_solver.h"
#include "support/factor_count.h"
#include "support/random_matrices.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using editors::BulkOptions;
using editors::LayerSystem;
using editors::Preserve;
using editors::PreserveStage;
using test::normals;
using test::relative;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class BulkFormula : public ::testing::Test {
 protected:
  static constexpr std::int64_t kFacts = 12;

  BulkFormula() : model_(test::tiny_model("gpt2")), F_(model_.config().d_ff), D_(model_.config().d_model) {
    const at::Tensor text = normals(4 * F_, F_, 1) * at::logspace(-1, 1, F_, 10.0, at::kDouble);
    C_ = at::matmul(text.t(), text) / static_cast<double>(4 * F_);
    statistics_.layers[kLayer].C = C_;
    statistics_.layers[kLayer].origin.fingerprint = "made up";
    context_.layers = {kLayer};
    context_.statistics = &statistics_;
    // As a patch keeps them.
    K_ = normals(F_, kFacts, 2).to(at::kFloat).to(at::kDouble);
    R_ = normals(kFacts, D_, 3).to(at::kFloat);
  }

  Preserve preserve(const BulkOptions& options) const { return {model_, context_, kLayer, options, "bulk"}; }
  at::Tensor weight() const { return model_.weight({kLayer, Role::kMlpDown}); }

  std::vector<KeyConstraint> constraints(std::int64_t begin, std::int64_t end) const {
    std::vector<KeyConstraint> some;
    for (std::int64_t i = begin; i < end; ++i)
      some.push_back({K_.narrow(1, i, 1).contiguous(), at::ones({1}, at::kDouble)});
    return some;
  }

  // All facts in one solve, in float64: [D, F].
  at::Tensor update_of(const BulkOptions& options) const {
    const Preserve solved = preserve(options);
    const at::Tensor A = solved.responses(join_constraints(constraints(0, kFacts)));
    return at::matmul(R_.to(at::kDouble).t(), A.t());
  }
  at::Tensor R() const { return R_.to(at::kDouble).t(); }  // [D, n]
  at::Tensor eye(std::int64_t n) const { return at::eye(n, at::kDouble); }

  static constexpr int kLayer = 1;
  Model model_;
  std::int64_t F_, D_;
  at::Tensor C_, K_, R_;
  Statistics statistics_;
  EditorContext context_;
};

TEST_F(BulkFormula, OfMemitIsThatOfThePaper) {
  BulkOptions options = editors::memit_method().published;
  options.lambda = 3;
  const at::Tensor plain =
      at::matmul(at::matmul(R(), K_.t()), at::linalg_inv(3 * C_ + at::matmul(K_, K_.t())));
  EXPECT_LT(relative(update_of(options), plain), 1e-8);
}

TEST_F(BulkFormula, OfEmmetIsThatOfThePaperAndMemitOfTheProduct) {
  const double w = 20, e = 0.1;
  BulkOptions options = editors::emmet_method().published;
  options.lambda = w * e;
  const at::Tensor inverse = at::linalg_inv(w * C_);
  const at::Tensor gram = at::matmul(at::matmul(K_.t(), inverse), K_) + e * eye(kFacts);
  const at::Tensor plain = at::matmul(at::matmul(at::matmul(R(), at::linalg_inv(gram)), K_.t()), inverse);
  EXPECT_LT(relative(update_of(options), plain), 1e-8);
  BulkOptions memit = editors::memit_method().published;
  memit.lambda = w * e;
  EXPECT_LT(relative(update_of(options), update_of(memit)), 1e-10);
}

TEST_F(BulkFormula, OfEmmetWritesASingleFactExactly) {
  const Preserve emmet = preserve(editors::emmet_method().published);
  const at::Tensor A = emmet.responses(join_constraints(constraints(0, 1)));
  EXPECT_NEAR(at::dot(A.select(1, 0), K_.select(1, 0)).item<double>(), 1, 1e-10);
  EXPECT_EQ(emmet.record(1).rule, SolveRule::kEquality);
  EXPECT_EQ(emmet.record(2).rule, SolveRule::kLeastSquares);
  EXPECT_EQ(emmet.record(1).lambda_of_several, emmet.record(2).lambda);
  EXPECT_EQ(preserve(editors::memit_method().published).record(1).lambda_of_several, 0);
}

TEST_F(BulkFormula, OfAlphaEditIsThatOfThePaperAndStaysInTheNullSpace) {
  BulkOptions options = editors::alphaedit_method().published;
  options.lambda = 10;
  options.threshold = 1;
  const at::Tensor Kp = normals(F_, 5, 7);
  std::vector<KeyConstraint> all = constraints(0, kFacts);
  all.push_back({Kp, at::zeros({5}, at::kDouble)});
  const at::Tensor A = preserve(options).responses(join_constraints(all));
  const at::Tensor update = at::matmul(R(), A.narrow(1, 0, kFacts).t());

  const auto [values, vectors] = at::linalg_eigh(C_);
  const at::Tensor U0 = vectors.index_select(1, at::nonzero(values < 1).squeeze(1));
  const at::Tensor U1 = vectors.index_select(1, at::nonzero(values >= 1).squeeze(1));
  ASSERT_GT(U1.size(1), 0);
  const at::Tensor P = at::matmul(U0, U0.t());
  const at::Tensor sum = at::matmul(K_, K_.t()) + at::matmul(Kp, Kp.t());
  const at::Tensor plain =
      at::linalg_solve(at::matmul(P, sum) + 10 * eye(F_), at::matmul(at::matmul(P, K_), R().t())).t();
  EXPECT_LT(relative(update, plain), 1e-8);
  EXPECT_LT(at::matmul(update, U1).abs().max().item<double>(), 1e-10);
}

// The null space by the sign of C - tau I, without eigenvectors, writes the same and is refused with the same
// words.
TEST_F(BulkFormula, OfAlphaEditByTheProjectorIsThatByEigenvectors) {
  EditorCache with_projectors, without;
  with_projectors.factors().make_projectors_from(1);
  BulkOptions options = editors::alphaedit_method().published;
  options.lambda = 0;
  options.relative_lambda = 0.3;
  options.threshold = 1;
  context_.cache = &without;
  const Preserve eigenvectors = preserve(options);
  const at::Tensor wanted = update_of(options);
  context_.cache = &with_projectors;
  const Preserve projector = preserve(options);
  EXPECT_LT(relative(update_of(options), wanted), 1e-8);
  EXPECT_NE(with_projectors.factors().projector(kLayer, "", C_, 1, at::kCPU), nullptr);
  EXPECT_NEAR(*projector.kept_energy(), *eigenvectors.kept_energy(), 1e-12);
  EXPECT_EQ(projector.record(2).null_space_threshold, 1);
  EXPECT_NEAR(projector.record(2).lambda, eigenvectors.record(2).lambda,
              1e-10 * eigenvectors.record(2).lambda);
  const auto refusal = [&] { return test::error_of(ErrorKind::kNumeric, [&] { preserve(options); }); };
  options.threshold = 1e-6;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("no eigenvalue below 1e-06"), HasSubstr("the smallest is")));
  options.threshold = 1e6;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("no eigenvalue from 1e+06 on"), HasSubstr("the largest is")));
  // At an eigenvalue the eigenvectors decide, on both ways to the same.
  options.threshold = std::get<0>(at::linalg_eigh(C_))[F_ / 2].item<double>();
  const at::Tensor by_projector = update_of(options);
  context_.cache = &without;
  EXPECT_TRUE(at::equal(by_projector, update_of(options)));
}

TEST_F(BulkFormula, OfARelativeLambdaFollowsTheText) {
  BulkOptions options = editors::bulk_method().own;
  options.relative_ridge = 0;
  options.relative_lambda = 0.5;
  EXPECT_NEAR(preserve(options).record(3).lambda, 0.5 * static_cast<double>(F_), 1e-9);
  options.preserve = PreserveStage::kNullSpace;
  options.kept_directions = 0.5;
  const Preserve half = preserve(options);
  const at::Tensor values = std::get<0>(at::linalg_eigh(C_));
  const double energy = values.narrow(0, 0, F_ / 2).sum().item<double>();
  EXPECT_NEAR(half.record(3).lambda, 0.5 * energy, 1e-9 * energy);
  EXPECT_NEAR(*half.kept_energy(), energy / values.sum().item<double>(), 1e-12);
}

TEST_F(BulkFormula, OfAnEmptyOrWholeNullSpaceIsRefused) {
  BulkOptions options = editors::alphaedit_method().published;
  options.threshold = 1e-6;
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { preserve(options); }),
              AllOf(HasSubstr("C of layer 1 has no eigenvalue below 1e-06"), HasSubstr("the smallest is")));
  options.threshold = 1e6;
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { preserve(options); }),
              AllOf(HasSubstr("no eigenvalue from 1e+06 on"), HasSubstr("the largest is")));
}

// Fewer keys than elements: C holds nothing in some directions, and its float32 numbers something.
TEST_F(BulkFormula, OfANullSpaceThatOnlyRoundingFillsIsRefused) {
  const at::Tensor few = normals(F_ / 2, F_, 1);
  statistics_.layers[kLayer].C =
      (at::matmul(few.t(), few) / static_cast<double>(F_ / 2)).to(at::kFloat).to(at::kDouble);
  const auto refusal = [&](const BulkOptions& options) {
    return test::error_of(ErrorKind::kNumeric, [&] { preserve(options); });
  };
  BulkOptions options = editors::alphaedit_method().own;
  options.threshold = 0;
  options.kept_directions = 0.3;
  EXPECT_THAT(refusal(options), AllOf(HasSubstr("kept_directions 0.3"), HasSubstr("rounding would choose"),
                                      HasSubstr("a share above 0.5")));
  options.threshold = 1e-3;  // all of those directions, and no others
  EXPECT_THAT(refusal(options), AllOf(HasSubstr("nothing but rounding"), HasSubstr("give lambda itself")));
  options.lambda = 10;
  EXPECT_EQ(preserve(options).record(2).lambda, 10);
  options = editors::alphaedit_method().own;
  options.kept_directions = 0.8;
  EXPECT_GT(preserve(options).record(2).lambda, 0);
}

TEST_F(BulkFormula, OfAShareOfNoOrAllDirectionsIsRefusedByTheOptionThatWasGiven) {
  BulkOptions options = editors::alphaedit_method().own;
  options.threshold = 0;
  for (const auto& [share, kept] : {std::pair(1e-6, "keeps none of the"), std::pair(1.0, "keeps all")}) {
    options.kept_directions = share;
    EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { preserve(options); }),
                AllOf(HasSubstr("kept_directions"), HasSubstr(kept), HasSubstr("at layer 1"),
                      Not(HasSubstr("threshold"))));
  }
}

// Facts one by one, as the recursive form of least squares has it: M = (lambda C + Kp Kp^T)^-1, residuals
// measured on the weights as they are.
TEST_F(BulkFormula, OfASequenceIsThatOfOneBatch) {
  BulkOptions options = editors::bulk_method().own;
  options.lambda = 3;
  options.relative_ridge = 0;
  const Preserve solved = preserve(options);
  const at::Tensor joint = update_of(options);
  for (const std::int64_t step : {std::int64_t{1}, std::int64_t{5}, kFacts}) {
    // Our carried system: residuals that are still missing, of the weights as they are.
    std::vector<FactRecord> facts;
    WeightChange change;
    at::Tensor M = at::linalg_inv(3 * C_), recursive = at::zeros({D_, F_}, at::kDouble);
    for (std::int64_t begin = 0; begin < kFacts; begin += step) {
      const std::int64_t end = std::min(begin + step, kFacts);
      LayerSystem system(solved, weight(), editors::carried_groups(facts, {kLayer, Role::kMlpDown}));
      const at::Tensor keys = K_.narrow(1, begin, end - begin);
      const at::Tensor wanted = R_.narrow(0, begin, end - begin).to(at::kDouble);
      at::Tensor missing = wanted;
      if (change.A.defined())
        missing = wanted - at::matmul(change.delta(at::TensorOptions(at::kDouble)), keys).t();
      system.add(constraints(begin, end), missing.to(at::kFloat));
      change = system.change();
      for (std::int64_t i = begin; i < end; ++i) {
        facts.emplace_back();
        facts.back().request.id = std::to_string(i);
        facts.back().parts = {system.part(static_cast<std::size_t>(i - begin))};
      }
      // And the recursion.
      const at::Tensor off = wanted.t() - at::matmul(recursive, keys);
      const at::Tensor MK = at::matmul(M, keys);
      const at::Tensor gain = at::linalg_solve(eye(end - begin) + at::matmul(keys.t(), MK), MK.t());
      recursive = recursive + at::matmul(off, gain);
      M = M - at::matmul(MK, gain);
    }
    const at::Tensor ours = at::matmul(change.B.to(at::kDouble), change.A.to(at::kDouble));
    EXPECT_LT(relative(ours, joint), 1e-6) << step;
    EXPECT_LT(relative(recursive, joint), 1e-8) << step;
  }
}

TEST_F(BulkFormula, OfAShareIsWhatTheChangeGives) {
  BulkOptions options = editors::bulk_method().own;
  options.lambda = 1e-9;
  const Preserve exact = preserve(options);
  LayerSystem system(exact, weight(), {});
  system.add(constraints(0, 2), R_.narrow(0, 0, 2));
  const editors::RealisedShare whole = system.realised();
  EXPECT_NEAR(whole.least, 1, 1e-5);
  EXPECT_LT(whole.missing, 1e-5);
  options.lambda = 1e9;
  const Preserve quiet = preserve(options);
  LayerSystem weak(quiet, weight(), {});
  weak.add(constraints(0, 2), R_.narrow(0, 0, 2));
  EXPECT_LT(weak.realised().mean, 1e-3);
}

// New facts and all facts, at the keys where they are measured and at all keys, in float64.
TEST_F(BulkFormula, OfAShareIsThatOfTheProducts) {
  const Preserve solved = preserve(editors::bulk_method().own);
  std::vector<KeyConstraint> held = constraints(0, kFacts);
  for (KeyConstraint& constraint : held) constraint = with_protected(constraint, K_.select(1, 0) * 3);
  const std::vector<KeyConstraint> old(held.begin(), held.begin() + 5), fresh(held.begin() + 5, held.end());
  std::vector<editors::CarriedGroup> carried;
  for (std::size_t i = 0; i < old.size(); ++i)
    carried.push_back({{i}, old[i], R_[static_cast<std::int64_t>(i)]});
  LayerSystem system(solved, weight(), carried);
  system.solve();
  const auto given = [&](const at::Tensor& keys) {
    return at::matmul(keys.t(),
                      at::matmul(system.change().B.to(at::kDouble), system.change().A.to(at::kDouble)).t());
  };
  const at::Tensor keys = K_.slice(1, 5), before = given(keys);
  const at::Tensor more = R_.slice(0, 5).to(at::kDouble);
  system.add(fresh, R_.slice(0, 5));
  const editors::RealisedShare own = system.realised();
  const at::Tensor now = given(keys) - before;
  const at::Tensor shares = (now * more).sum(1) / more.square().sum(1);
  EXPECT_NEAR(own.mean, shares.mean().item<double>(), 1e-5);
  EXPECT_NEAR(own.least, shares.min().item<double>(), 1e-5);
  EXPECT_NEAR(own.missing, relative(now, more), 1e-5);
  const at::Tensor all_keys = at::cat({K_, K_.narrow(1, 0, 1) * 3}, 1);
  at::Tensor wanted = at::cat({R_.to(at::kDouble), at::zeros({1, D_}, at::kDouble)});
  wanted.slice(0, 5, kFacts).add_(before);  // residuals are in units of the untouched weight
  EXPECT_NEAR(own.missing_at_all_keys, relative(given(all_keys), wanted), 1e-5);

  system.replace(carried, fresh, R_.slice(0, 5));
  const editors::RealisedShare all = system.realised();
  EXPECT_NEAR(all.missing, relative(given(K_), R_.to(at::kDouble)), 1e-5);
  EXPECT_GT(all.missing_at_all_keys, 0);
}

// Responses depend on keys alone, so that rounds which only change residuals solve nothing; and what is not
// asked for is not solved.
TEST_F(BulkFormula, OfTheSameKeysIsSolvedOnce) {
  const Preserve solved = preserve(editors::bulk_method().own);
  std::vector<editors::CarriedGroup> carried;
  for (std::size_t i = 0; i < 4; ++i)
    carried.push_back({{i}, constraints(0, 4)[i], R_[static_cast<std::int64_t>(i)]});
  const test::FactorCount of_keys(kFacts);  // few keys: the system is theirs
  LayerSystem system(solved, weight(), carried);
  EXPECT_EQ(test::FactorCount::cholesky(), 0);
  system.replace(carried, constraints(4, kFacts), R_.slice(0, 4));
  EXPECT_EQ(test::FactorCount::cholesky(), 1);
  const at::Tensor A = system.change().A, B = system.change().B;
  for (editors::CarriedGroup& group : carried) group.residual = 2 * group.residual;
  system.replace(carried, constraints(4, kFacts), 2 * R_.slice(0, 4));
  EXPECT_EQ(test::FactorCount::cholesky(), 1);
  EXPECT_TRUE(at::equal(system.change().A, A));
  EXPECT_TRUE(at::equal(system.change().B, 2 * B));
  carried[2].constraint.K = carried[2].constraint.K * 1.5;
  system.replace(carried, constraints(4, kFacts), R_.slice(0, 4));
  EXPECT_EQ(test::FactorCount::cholesky(), 2);
}

// The change of the edit before is what its facts give: they need not be solved again for it.
TEST_F(BulkFormula, OfFactsOnAKnownChangeIsTheSame) {
  const Preserve solved = preserve(editors::memit_method().own);
  std::vector<editors::CarriedGroup> carried;
  for (std::size_t i = 0; i < 4; ++i)
    carried.push_back({{i}, constraints(0, 4)[i], R_[static_cast<std::int64_t>(i)]});
  LayerSystem first(solved, weight(), carried);
  first.solve();
  const test::FactorCount of_four(4);
  LayerSystem plain(solved, weight(), carried), known(solved, weight(), carried, first.change());
  plain.add(constraints(4, 9), R_.narrow(0, 4, 5));
  EXPECT_EQ(test::FactorCount::cholesky(), 1);
  known.add(constraints(4, 9), R_.narrow(0, 4, 5));
  EXPECT_EQ(test::FactorCount::cholesky(), 1);
  EXPECT_LT(relative(known.change().B, plain.change().B), 1e-6);
  EXPECT_TRUE(at::equal(known.change().A, plain.change().A));
  // As two factors or as one matrix.
  LayerSystem dense(solved, weight(), carried,
                    WeightChange::dense(first.weight(), first.change().delta(at::TensorOptions(at::kFloat))));
  dense.add(constraints(4, 9), R_.narrow(0, 4, 5));
  EXPECT_LT(relative(dense.change().B, plain.change().B), 1e-5);
}

}  // namespace
}  // namespace emend
