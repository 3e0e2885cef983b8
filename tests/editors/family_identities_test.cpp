// The identities of the closed forms, one table for every checkpoint of tests/data/families: on the keys that
// each family really makes, and on its weights once a change is laid on them.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "editors/bulk/methods.h"
#include "editors/bulk/preserve.h"
#include "emend/edit.h"
#include "linalg/response_solver.h"
#include "support/family_models.h"
#include "support/random_matrices.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using editors::BulkOptions;
using editors::Preserve;
using test::normals;
using test::relative;

constexpr std::int64_t kFacts = 4, kEarlier = 2;
constexpr double kRidge = 1e-5, kLambda = 0.3;

// What an update is solved from: C with its ridge and without, the null space of C and what is outside of it,
// keys K [F, n] and residuals R [D, n], keys Kp of earlier facts, which must not move.
struct Given {
  at::Tensor C, bare_C, inside, outside, K, R, Kp;
  double threshold = 0;
};

at::Tensor eye_like(const at::Tensor& square) {
  return at::eye(square.size(0), at::kDouble);
}
// R K^T X^-1 for a symmetric X.
at::Tensor updated(const Given& given, const at::Tensor& X) {
  return at::linalg_solve(X, at::matmul(given.K, given.R.t())).t();
}
at::Tensor squared(const at::Tensor& K) {
  return at::matmul(K, K.t());
}

// R (K^T C^-1 K)^-1 K^T C^-1, the rule that ROME has for one key and EMMET for several.
at::Tensor equality(const Given& given) {
  const at::Tensor solved = at::linalg_solve(given.C, given.K);
  return at::matmul(given.R, at::linalg_solve(at::matmul(given.K.t(), solved), solved.t()));
}
// R K^T (lambda C + K K^T)^-1.
at::Tensor memit(const Given& given) {
  return updated(given, kLambda * given.C + squared(given.K));
}
// R (K^T (w C)^-1 K + e I)^-1 K^T (w C)^-1 with w e = lambda.
at::Tensor emmet(const Given& given) {
  const double w = 20;
  const at::Tensor solved = at::linalg_solve(w * given.C, given.K);
  const at::Tensor gram = at::matmul(given.K.t(), solved);
  return at::matmul(given.R, at::linalg_solve(gram + kLambda / w * eye_like(gram), solved.t()));
}
// R K^T P ((Kp Kp^T + K K^T) P + L I)^-1, as it is published.
at::Tensor alphaedit(const Given& given) {
  const at::Tensor P = at::matmul(given.inside, given.inside.t());
  const at::Tensor sum = squared(given.K) + squared(given.Kp);
  return at::linalg_solve(at::matmul(P, sum) + kLambda * eye_like(P),
                          at::matmul(at::matmul(P, given.K), given.R.t()))
      .t();
}
// The same in the basis of the null space, where the system is symmetric.
at::Tensor alphaedit_reduced(const Given& given) {
  Given within;
  within.K = at::matmul(given.inside.t(), given.K);
  within.R = given.R;
  within.Kp = at::matmul(given.inside.t(), given.Kp);
  const at::Tensor sum = squared(within.K) + squared(within.Kp);
  return at::matmul(updated(within, sum + kLambda * eye_like(sum)), given.inside.t());
}

struct Identity {
  std::string name;
  std::function<editors::BulkMethod()> method;
  std::function<at::Tensor(const Given&)> plain;
  std::int64_t facts = kFacts;
  bool carries_earlier = false;
  double lambda = kLambda;
};

const std::vector<Identity>& identities() {
  static const std::vector<Identity> all = {
      {"memit", editors::memit_method, memit},
      {"emmet is memit of the product", editors::emmet_method, emmet},
      {"memit is emmet of the product", editors::memit_method, emmet},
      {"emmet writes one fact exactly, as rome", editors::emmet_method, equality, 1},
      {"bulk tends to equality", editors::bulk_method, equality, kFacts, false, 1e-9},
      {"alphaedit as published", editors::alphaedit_method, alphaedit, kFacts, true},
      {"alphaedit reduced", editors::alphaedit_method, alphaedit_reduced, kFacts, true},
  };
  return all;
}

class FamilyIdentities : public ::testing::TestWithParam<std::string> {
 protected:
  FamilyIdentities() : checkpoint_(GetParam()), model_(checkpoint_.load()) {
    layer_ = model_.config().layers - 1;
    const at::Tensor text = keys_of(7, 24), others = keys_of(91, 2);
    given_.bare_C = at::matmul(text.t(), text) / static_cast<double>(text.size(0));
    const at::Tensor identity = eye_like(given_.bare_C);
    given_.C = given_.bare_C + kRidge * given_.bare_C.trace() / given_.bare_C.size(0) * identity;
    given_.K = others.narrow(0, 3, kFacts).t().contiguous();
    given_.Kp = others.narrow(0, 3 + kFacts, kEarlier).t().contiguous();
    given_.R = normals(model_.config().d_model, kFacts, 3);
    split();
    statistics_.layers[layer_].C = given_.bare_C;
    statistics_.layers[layer_].origin.fingerprint = "keys of random text";
    context_.layers = {layer_};
    context_.statistics = &statistics_;
  }

  // The keys that this family makes of rows of random tokens: [tokens, F] float64.
  at::Tensor keys_of(std::uint64_t seed, std::uint64_t rows) const {
    const c10::NoGradGuard no_grad;
    std::vector<at::Tensor> keys;
    for (std::uint64_t r = 0; r < rows; ++r)
      keys.push_back(test::plain_vectors(model_, test::some_ids(14, 64, seed + r), Site::kKey, layer_));
    return at::cat(keys).to(at::kDouble);
  }

  // Below and above the widest gap in the middle half of C's eigenvalues.
  void split() {
    const auto [values, vectors] = at::linalg_eigh(given_.bare_C);
    const std::int64_t size = values.size(0);
    const double* const value = values.const_data_ptr<double>();
    const auto gap = [&](std::int64_t i) { return value[i] - std::max(value[i - 1], 0.0); };
    std::int64_t kept = size / 4;
    for (std::int64_t i = kept + 1; i < 3 * size / 4; ++i)
      if (gap(i) > gap(kept)) kept = i;
    given_.threshold = (value[kept] + value[kept - 1]) / 2;
    given_.inside = vectors.narrow(1, 0, kept);
    given_.outside = vectors.narrow(1, kept, size - kept);
  }

  // The update [D, F] that the method solves.
  at::Tensor update_of(const Identity& identity) const {
    BulkOptions options = identity.method().published;
    options.lambda = identity.lambda;
    options.relative_ridge = kRidge;
    options.threshold = given_.threshold;
    std::vector<KeyConstraint> all;
    for (std::int64_t i = 0; i < identity.facts; ++i)
      all.push_back({given_.K.narrow(1, i, 1).contiguous(), at::ones({1}, at::kDouble)});
    if (identity.carries_earlier) all.push_back({given_.Kp, at::zeros({kEarlier}, at::kDouble)});
    const at::Tensor A = Preserve(model_, context_, layer_, options, "bulk").responses(join_constraints(all));
    return at::matmul(given_.R.narrow(1, 0, identity.facts), A.narrow(1, 0, identity.facts).t());
  }
  Given of_facts(std::int64_t count) const {
    Given some = given_;
    some.K = given_.K.narrow(1, 0, count);
    some.R = given_.R.narrow(1, 0, count);
    return some;
  }

  test::FamilyCheckpoint checkpoint_;
  Model model_;
  int layer_ = 0;
  Given given_;
  Statistics statistics_;
  EditorContext context_;
};
INSTANTIATE_TEST_SUITE_P(Checkpoints, FamilyIdentities, ::testing::ValuesIn(test::family_checkpoints()),
                         [](const auto& one) { return one.param; });

TEST_P(FamilyIdentities, EveryMethodIsItsFormula) {
  for (const Identity& identity : identities())
    EXPECT_LT(relative(update_of(identity), identity.plain(of_facts(identity.facts))), 1e-6) << identity.name;
}

TEST_P(FamilyIdentities, EqualityGivesWhatIsAsked) {
  for (const std::size_t exact : {3, 4}) {
    const Identity& identity = identities()[exact];
    const Given given = of_facts(identity.facts);
    EXPECT_LT(relative(at::matmul(update_of(identity), given.K), given.R), 1e-6) << identity.name;
  }
}

TEST_P(FamilyIdentities, LeastSquaresGiveTheirShare) {
  const at::Tensor square =
      at::matmul(given_.K.t(), at::linalg_solve(kLambda * given_.C + squared(given_.K), given_.K));
  EXPECT_LT(relative(at::matmul(update_of(identities()[0]), given_.K), at::matmul(given_.R, square)), 1e-6);
}

TEST_P(FamilyIdentities, NothingIsWrittenOutsideTheNullSpace) {
  const at::Tensor update = update_of(identities()[5]);
  EXPECT_GT(update.norm().item<double>(), 0);
  EXPECT_LT(at::matmul(update, given_.outside).norm().item<double>(), 1e-10 * update.norm().item<double>());
}

TEST_P(FamilyIdentities, WhatIsWrittenMovesTheKeysAndComesOffAgain) {
  const WeightRef weight{layer_, Role::kMlpDown};
  const at::Tensor before = model_.weight(weight).clone();
  for (const Identity& identity : identities()) {
    const at::Tensor update = update_of(identity);
    {
      const ScopedEdit scope(model_, {WeightChange::dense(weight, update.to(at::kFloat))});
      const at::Tensor moved = at::matmul((model_.weight(weight) - before).to(at::kDouble), given_.K);
      EXPECT_LT(relative(moved, at::matmul(update, given_.K)), 2e-3) << identity.name;
    }
    EXPECT_TRUE(at::equal(model_.weight(weight), before)) << identity.name;
  }
}

}  // namespace
}  // namespace emend
