// Single edits of the invented world: what is written is what was promised.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "base/expect_error.h"
#include "support/edit_records.h"
#include "support/edit_world.h"

namespace emend {
namespace {

using test::EditWorld;
using test::near;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

double length(const at::Tensor& x) {
  return x.norm().item<double>();
}

class Rome : public ::testing::TestWithParam<std::string> {
 protected:
  Rome() : world_(EditWorld::of(GetParam())), requests_(test::world_edits(6)) {}

  // The nll that the search weighs, on the model as it is now: the bare prompt 0.3, the context rows the
  // rest.
  double weighted_nll(const EditRequest& request, const Edit& edit) const {
    const Tokenizer& tokenizer = world_.model.tokenizer();
    const TokenIds target = target_ids(tokenizer, request.target, world_.form);
    double loss = 0.3 * test::plain_nll(world_.model, bare_row(tokenizer, request, world_.form).ids, target);
    for (const TokenIds& context : edit.context_ids)
      loss +=
          0.7 / static_cast<double>(edit.context_ids.size()) *
          test::plain_nll(world_.model, context_row(tokenizer, request, context, world_.form).ids, target);
    return loss;
  }

  EditWorld& world_;
  std::vector<EditRequest> requests_;
};
INSTANTIATE_TEST_SUITE_P(World, Rome, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(Rome, InvariantsHoldOnTheWrittenWeights) {
  for (std::size_t i = 0; i < 3; ++i) {
    SCOPED_TRACE(requests_[i].id);
    const Edit edit = world_.edit({requests_[i]});
    ASSERT_EQ(edit.changes.size(), 1u);
    const at::Tensor r = edit.facts[0].parts[0].residual;
    const at::Tensor bare = world_.bare_key(requests_[i]);
    const at::Tensor mean = at::stack(world_.context_keys(requests_[i], edit)).mean(0);
    EXPECT_TRUE(
        near(world_.moved(edit, bare), r, 1e-4 * length(r) + 1e-5 * length(at::mv(world_.weight(), bare))));
    EXPECT_TRUE(
        near(world_.moved(edit, mean), r, 1e-4 * length(r) + 1e-5 * length(at::mv(world_.weight(), mean))));
    const at::Tensor sink = world_.key_at(world_.context.prefix, 0);
    EXPECT_LT(length(world_.moved(edit, sink)),
              1e-5 * length(at::mv(world_.weight(), sink)) + 1e-5 * length(r));
    // The same keys are what the edit carries.
    const FactPart& part = edit.facts[0].parts.at(0);
    ASSERT_EQ(part.keys.sizes(), (std::vector<std::int64_t>{3, world_.model.config().d_ff}));
    EXPECT_TRUE(near(part.answers, at::tensor({1.0, 1.0, 0.0}), 0));
    EXPECT_TRUE(near(part.keys[0], mean, 1e-3));
    EXPECT_TRUE(near(part.keys[1], bare, 1e-3));
    EXPECT_TRUE(near(part.keys[2], sink, 1e-3));
    EXPECT_THAT(part.rows, ::testing::ElementsAre(0));
    EXPECT_NEAR(part.update_norm, length(at::matmul(edit.changes[0].B, edit.changes[0].A)),
                1e-4 * part.update_norm);
    EXPECT_NEAR(part.relative_norm, part.update_norm / length(world_.weight()), 1e-6);
    // One weight: its norms are those of the fact.
    EXPECT_DOUBLE_EQ(edit.facts[0].update_norm(), part.update_norm);
    EXPECT_DOUBLE_EQ(edit.facts[0].relative_norm(), part.relative_norm);
  }
}

TEST_P(Rome, KeptLossIsThatOfTheWrittenModel) {
  const auto edits = world_.edit_each(requests_, {{"kl", "0"}});
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    const EditRequest& request = requests_[i];
    const Edit& edit = edits[i];
    const double before = weighted_nll(request, edit);
    const ScopedEdit scope(world_.model, edit.changes);
    const double after = weighted_nll(request, edit);
    EXPECT_NEAR(edit.facts[0].loss, after, 0.01) << request.id;
    EXPECT_LT(after, before - 1) << request.id;
  }
}

TEST_P(Rome, EditsHoldAndTheModelIsAsBeforeAfterwards) {
  const std::string before = [&] {
    const at::Tensor w = world_.weight();
    return std::string(static_cast<const char*>(w.const_data_ptr()), w.nbytes());
  }();
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_FALSE(world_.holds(requests_[i])) << "nothing to edit";
    const Edit edit = world_.edit({requests_[i]});
    EXPECT_EQ(edit.facts[0].status, FactStatus::kEdited);
    EXPECT_FALSE(world_.holds(requests_[i])) << "an editor does not change the model";
    const ScopedEdit scope(world_.model, edit.changes);
    EXPECT_TRUE(world_.holds(requests_[i])) << requests_[i].id;
  }
  const at::Tensor w = world_.weight();
  EXPECT_EQ(std::string(static_cast<const char*>(w.const_data_ptr()), w.nbytes()), before);
}

TEST_P(Rome, AnEditSaysWhereItComesFrom) {
  const Edit edit = world_.edit({requests_[0]});
  EXPECT_EQ(edit.method, "rome");
  EXPECT_EQ(edit.objective, Objective::kWritten);
  EXPECT_EQ(edit.options, EditWorld::editor({})->options());
  EXPECT_EQ(edit.base_fingerprint, world_.model.fingerprint());
  EXPECT_EQ(edit.statistics_fingerprint(), world_.statistics.fingerprint());
  EXPECT_EQ(edit.context_ids.size(), 20u);
  EXPECT_EQ(edit.facts[0].request.id, requests_[0].id);
  EXPECT_EQ(edit.facts[0].layer(), world_.layer());
  const WeightRef written{world_.layer(), Role::kMlpDown};
  EXPECT_EQ(edit.changes[0].weight, written);
  EXPECT_EQ(edit.facts[0].parts[0].weight, written);
  EXPECT_EQ(edit.change_of(written), &edit.changes[0]);
}

TEST_P(Rome, SameSeedSameBytes) {
  const Edit a = world_.edit({requests_[0]}), b = world_.edit({requests_[0]});
  EXPECT_TRUE(at::equal(a.changes[0].A, b.changes[0].A));
  EXPECT_TRUE(at::equal(a.changes[0].B, b.changes[0].B));
  EditorContext other = world_.context;
  other.seed = 1;
  SilentProgress silent;
  const Edit c = EditWorld::editor({})->edit(world_.model, {requests_[0]}, other, silent);
  EXPECT_NE(c.context_ids, a.context_ids);
  EXPECT_FALSE(at::equal(c.changes[0].A, a.changes[0].A));
}

// --- the other kinds of keys

// A few steps are enough: the invariants do not depend on the search.
std::map<std::string, std::string> quick(std::map<std::string, std::string> options) {
  options.emplace("steps", "3");
  return options;
}

TEST_P(Rome, KeysMeanAnswersTheMeanOverAllRows) {
  const Edit edit = world_.edit({requests_[0]}, quick({{"keys", "mean"}}));
  std::vector<at::Tensor> keys = world_.context_keys(requests_[0], edit);
  keys.push_back(world_.bare_key(requests_[0]));
  const at::Tensor r = edit.facts[0].parts[0].residual, mean = at::stack(keys).mean(0);
  EXPECT_TRUE(near(world_.moved(edit, mean), r, 1e-3 * length(r)));
  EXPECT_TRUE(near(edit.facts[0].parts[0].keys[0], mean, 1e-3));
  EXPECT_TRUE(near(edit.facts[0].parts[0].answers, at::tensor({1.0, 0.0}), 0));
  EXPECT_LT(length(world_.moved(edit, world_.key_at(world_.context.prefix, 0))), 1e-3 * length(r));
}

TEST_P(Rome, KeysPromptAnswersTheBareKey) {
  const Edit edit = world_.edit({requests_[0]}, quick({{"keys", "prompt"}}));
  const at::Tensor r = edit.facts[0].parts[0].residual;
  EXPECT_TRUE(near(world_.moved(edit, world_.bare_key(requests_[0])), r, 1e-3 * length(r)));
  EXPECT_TRUE(near(edit.facts[0].parts[0].keys[0], world_.bare_key(requests_[0]), 1e-3));
}

TEST_P(Rome, KeysOriginalPointsAlongTheMeanAndAnswersTheBareKey) {
  const Edit edit = world_.edit({requests_[0]}, quick({{"keys", "original"}}));
  const at::Tensor r = edit.facts[0].parts[0].residual, bare = world_.bare_key(requests_[0]);
  EXPECT_TRUE(near(world_.moved(edit, bare), r, 1e-3 * length(r)));
  std::vector<at::Tensor> keys = world_.context_keys(requests_[0], edit);
  keys.push_back(bare);
  const at::Tensor mean = at::stack(keys).mean(0).to(at::kDouble);
  const at::Tensor C = world_.statistics.layers.at(world_.layer()).C;
  const at::Tensor ridged = C + 1e-5 * C.trace() / C.size(0) * at::eye(C.size(0), at::kDouble);
  const at::Tensor u = at::linalg_solve(ridged, mean);
  EXPECT_GT(at::cosine_similarity(u, edit.changes[0].A[0].to(at::kDouble), 0).item<double>(), 0.9999);
  EXPECT_EQ(edit.facts[0].parts[0].keys.size(0), 1);
}

TEST_P(Rome, WithoutSinkProtectionTheSinkMoves) {
  const Edit edit = world_.edit({requests_[0]}, quick({{"protect_sink", "false"}}));
  EXPECT_EQ(edit.facts[0].parts[0].keys.size(0), 2);
  const at::Tensor r = edit.facts[0].parts[0].residual, bare = world_.bare_key(requests_[0]);
  EXPECT_TRUE(near(world_.moved(edit, bare), r, 1e-3 * length(r)));
}

TEST_P(Rome, WithoutContextsTheBareRowIsAll) {
  const Edit edit = world_.edit({requests_[0]}, {{"contexts", "0"}, {"kl", "0"}});
  EXPECT_TRUE(edit.context_ids.empty());
  const at::Tensor r = edit.facts[0].parts[0].residual, bare = world_.bare_key(requests_[0]);
  EXPECT_TRUE(near(world_.moved(edit, bare), r, 1e-3 * length(r)));
  const ScopedEdit scope(world_.model, edit.changes);
  const TokenIds target = target_ids(world_.model.tokenizer(), requests_[0].target, world_.form);
  EXPECT_NEAR(edit.facts[0].loss,
              test::plain_nll(world_.model, bare_row(world_.model.tokenizer(), requests_[0], world_.form).ids,
                              target),
              0.01);
}

TEST_P(Rome, WithoutCovarianceTheUpdateIsTheRawKeyAndSaysSo) {
  EditorContext context = world_.context;
  context.statistics = nullptr;
  SilentProgress silent;
  const Edit edit =
      EditWorld::editor(quick({{"covariance", "false"}, {"keys", "prompt"}, {"protect_sink", "false"}}))
          ->edit(world_.model, {requests_[0]}, context, silent);
  EXPECT_THAT(edit.warnings, Contains(HasSubstr("covariance")));
  EXPECT_TRUE(edit.statistics_fingerprint().empty());
  ASSERT_EQ(edit.solves.size(), 1u);
  EXPECT_EQ(edit.solves[0].rule, SolveRule::kEquality);
  EXPECT_FALSE(edit.solves[0].ridge.has_value()) << "no factor was solved with";
  EXPECT_FALSE(edit.solves[0].condition.has_value());
  EXPECT_GT(at::cosine_similarity(world_.bare_key(requests_[0]), edit.changes[0].A[0], 0).item<double>(),
            0.99999);
}

TEST_P(Rome, RidgeEntersTheMetric) {
  const Edit small = world_.edit({requests_[0]}, quick({})),
             large = world_.edit({requests_[0]}, quick({{"ridge", "1"}}));
  EXPECT_LT(at::cosine_similarity(small.changes[0].A[0], large.changes[0].A[0], 0).item<double>(), 0.999);
  const at::Tensor r = large.facts[0].parts[0].residual;
  EXPECT_TRUE(near(world_.moved(large, world_.bare_key(requests_[0])), r, 1e-3 * length(r)))
      << "the constraint holds for any ridge";
}

// --- how the weight was solved

TEST_P(Rome, AnEditSaysHowItsWeightWasSolved) {
  const at::Tensor C = world_.statistics.layers.at(world_.layer()).C;
  const double mean_diagonal = (C.trace() / C.size(0)).item<double>();
  const auto solve_of = [&](const Edit& edit) {
    EXPECT_EQ(edit.solves.size(), 1u);
    return edit.solves.at(0);
  };
  const Edit edit = world_.edit({requests_[0]}, quick({}));
  const WeightSolve solve = solve_of(edit);
  EXPECT_EQ(solve.weight, edit.changes.at(0).weight);
  EXPECT_EQ(edit.solve_of(solve.weight), &edit.solves[0]);
  EXPECT_EQ(solve.rule, SolveRule::kEquality);
  EXPECT_EQ(solve.statistics_fingerprint, world_.statistics.fingerprint());
  EXPECT_DOUBLE_EQ(solve.relative_ridge, std::stod(edit.options.at("ridge")));
  ASSERT_TRUE(solve.ridge.has_value());
  EXPECT_NEAR(*solve.ridge, solve.relative_ridge * mean_diagonal, 1e-6 * *solve.ridge);
  EXPECT_GT(*solve.ridge, 0);
  ASSERT_TRUE(solve.condition.has_value());
  EXPECT_GT(*solve.condition, 1);
  // A larger ridge, a better condition.
  const WeightSolve larger = solve_of(world_.edit({requests_[0]}, quick({{"ridge", "1"}})));
  EXPECT_DOUBLE_EQ(larger.relative_ridge, 1);
  EXPECT_LT(larger.condition.value(), *solve.condition);
}

TEST_P(Rome, KeysOriginalAreSolvedEachAlone) {
  const Edit edit = world_.edit({requests_[0]}, quick({{"keys", "original"}}));
  ASSERT_EQ(edit.solves.size(), 1u);
  EXPECT_EQ(edit.solves[0].rule, SolveRule::kEachAlone);
  EXPECT_EQ(edit.solves[0].statistics_fingerprint, world_.statistics.fingerprint());
  EXPECT_THAT(edit.facts[0].parts[0].rows, ::testing::ElementsAre(0));
}

// --- without a BOS

TEST_P(Rome, AOneTokenSubjectAtPosition0UsesTheMeanAndWarns) {
  EditorContext context = world_.context;
  context.prefix.clear();
  const RowForm form{};
  // A filler word stands for the subject: what is tested is the choice of keys, and nothing moves this fact
  // from there.
  const EditRequest request =
      test::request_of("first-word", "The language of Workis Tellond is", "The", "painter");
  ASSERT_EQ(bare_row(world_.model.tokenizer(), request, form).lookup, 0u);
  context.keep_going = true;
  SilentProgress silent;
  const Edit edit = EditWorld::editor(quick({}))->edit(world_.model, {request}, context, silent);
  EXPECT_THAT(edit.warnings,
              Contains(AllOf(HasSubstr(request.id), HasSubstr("keys: mean"), HasSubstr("BOS"))));
  // [mean over the context rows, a position-0 key of other text], y = [1, 0].
  EXPECT_TRUE(near(edit.facts[0].parts[0].answers, at::tensor({1.0, 0.0}), 0));
  std::vector<at::Tensor> keys;
  for (const TokenIds& ids : edit.context_ids) {
    const PromptRow row = context_row(world_.model.tokenizer(), request, ids, form);
    keys.push_back(world_.key_at(row.ids, row.lookup));
  }
  const at::Tensor mean = at::stack(keys).mean(0);
  EXPECT_TRUE(near(edit.facts[0].parts[0].keys[0], mean, 1e-3 * length(mean)));
  // With the BOS in front the same request needs no warning.
  context.prefix = world_.context.prefix;
  EXPECT_THAT(EditWorld::editor(quick({}))->edit(world_.model, {request}, context, silent).warnings,
              ::testing::Not(Contains(HasSubstr("keys: mean"))));
}

// --- refusals

TEST_P(Rome, RefusesWhatItCannotDoAndLeavesTheModelAlone) {
  const at::Tensor before = world_.weight().clone();
  SilentProgress silent;
  const auto refusal = [&](const EditorContext& context, const EditRequest& request, ErrorKind kind) {
    return test::error_of(kind,
                          [&] { EditWorld::editor({})->edit(world_.model, {request}, context, silent); });
  };
  EditorContext context = world_.context;
  context.layers = {9};
  EXPECT_THAT(refusal(context, requests_[0], ErrorKind::kConfig),
              AllOf(HasSubstr("layer 9"), HasSubstr("0 to 8")));
  context.layers = {world_.layer() + 1};
  EXPECT_THAT(refusal(context, requests_[0], ErrorKind::kConfig), HasSubstr("statistics of layer"));
  context.layers = world_.context.layers;
  context.statistics = nullptr;
  EXPECT_THAT(refusal(context, requests_[0], ErrorKind::kConfig), HasSubstr("statistics"));
  Statistics singular;
  singular.layers[world_.layer()].C = -at::eye(world_.model.config().d_ff, at::kDouble);
  context.statistics = &singular;
  EXPECT_THAT(refusal(context, requests_[0], ErrorKind::kNumeric), HasSubstr("not positive definite"));
  EditRequest lost = requests_[0];
  lost.prompt = lost.subject = "x";
  lost.subject_begin = 5;
  EXPECT_THROW(EditWorld::editor({})->edit(world_.model, {lost}, world_.context, silent), Error);
  EXPECT_TRUE(at::equal(world_.weight(), before));
}

TEST_P(Rome, AnInterruptedSearchLeavesTheModelAlone) {
  class Interrupting : public SilentProgress {
   public:
    void update(std::int64_t, std::string_view) override { throw Error(ErrorKind::kInterrupted, "stopped"); }
  } progress;
  const at::Tensor before = world_.weight().clone();
  const void* place = world_.weight().const_data_ptr();
  test::error_of(ErrorKind::kInterrupted, [&] {
    EditWorld::editor({})->edit(world_.model, {requests_[0]}, world_.context, progress);
  });
  EXPECT_TRUE(at::equal(world_.weight(), before));
  EXPECT_EQ(world_.weight().const_data_ptr(), place);
}

TEST_P(Rome, PlanSaysWhatTheEditWillDo) {
  const EditPlan plan = EditWorld::editor({})->plan(world_.model, {requests_[0]}, world_.context);
  ASSERT_EQ(plan.entries.size(), 1u);
  EXPECT_EQ(plan.entries[0].id, requests_[0].id);
  EXPECT_EQ(plan.entries[0].layers, world_.context.layers);
  EXPECT_EQ(plan.entries[0].rows, 21);
  EXPECT_EQ(plan.entries[0].target_tokens,
            static_cast<std::int64_t>(
                target_ids(world_.model.tokenizer(), requests_[0].target, world_.form).size()));
  const Edit edit = world_.edit({requests_[0]}, quick({}));
  EXPECT_NEAR(plan.entries[0].predicted_norm, length(edit.changes[0].A), 1e-3 * length(edit.changes[0].A));
  // The largest alpha over the tokens of the neighbours' prompts, by plain passes.
  double largest = 0;
  for (const Neighbour& neighbour : requests_[0].neighbours) {
    const TokenIds ids = prompt_ids(world_.model.tokenizer(), neighbour.prompt, world_.form);
    const at::Tensor keys = test::plain_vectors(world_.model, ids, Site::kKey, world_.layer());
    largest = std::max(
        largest,
        at::mv(keys.narrow(0, 1, keys.size(0) - 1), edit.changes[0].A[0]).abs().max().item<double>());
  }
  EXPECT_NEAR(plan.entries[0].largest_neighbour_alpha, largest, 1e-3);
  // a^T C a of the edit that is made, from the statistics.
  const at::Tensor a = edit.changes[0].A[0].to(at::kDouble),
                   C = world_.statistics.layers.at(world_.layer()).C;
  const double share = std::sqrt(at::dot(a, at::mv(C, a)).item<double>());
  EXPECT_NEAR(plan.entries[0].text_share, share, 1e-3 * share);
  EXPECT_EQ(EditWorld::editor({{"covariance", "false"}})
                ->plan(world_.model, {requests_[0]}, world_.context)
                .entries[0]
                .text_share,
            0);
}

}  // namespace
}  // namespace emend
