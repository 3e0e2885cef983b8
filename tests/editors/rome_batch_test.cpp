// Many requests at once: alone and together.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "base/expect_error.h"
#include "support/edit_world.h"

namespace emend {
namespace {

using test::EditWorld;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

double cosine(const at::Tensor& a, const at::Tensor& b) {
  return at::cosine_similarity(a, b, 0).item<double>();
}

class RomeBatch : public ::testing::TestWithParam<std::string> {
 protected:
  RomeBatch() : world_(EditWorld::of(GetParam())), requests_(test::world_edits(8)) {}
  EditWorld& world_;
  std::vector<EditRequest> requests_;
};
INSTANTIATE_TEST_SUITE_P(World, RomeBatch, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

void expect_same(const Edit& one, const Edit& other) {
  ASSERT_EQ(one.facts.size(), 1u);
  ASSERT_EQ(other.facts.size(), 1u);
  const FactRecord &a = one.facts[0], &b = other.facts[0];
  EXPECT_EQ(a.request.id, b.request.id);
  EXPECT_GT(cosine(a.parts[0].residual, b.parts[0].residual), 0.999) << a.request.id;
  EXPECT_LE(std::abs(a.steps - b.steps), 1) << a.request.id;
  EXPECT_NEAR(a.loss, b.loss, 0.02 * b.loss + 1e-4) << a.request.id;
  EXPECT_GT(cosine(one.changes[0].A[0], other.changes[0].A[0]), 0.99999) << a.request.id;
}

// The rows of each fact are those of A that answer at its keys, and their columns of B are its residual.
void expect_carried(const Edit& edit) {
  for (const FactRecord& fact : edit.facts) {
    SCOPED_TRACE(fact.request.id);
    ASSERT_EQ(fact.parts.size(), 1u);
    const FactPart& part = fact.parts[0];
    EXPECT_EQ(part.rows.size(), fact.is_edited() ? 1u : 0u);
    for (const std::int64_t row : part.rows) {
      const WeightChange* change = edit.change_of(part.weight);
      ASSERT_NE(change, nullptr);
      ASSERT_LT(row, change->A.size(0));
      EXPECT_TRUE(test::near(at::mv(part.keys, change->A[row]), part.answers, 1e-3));
      EXPECT_TRUE(at::equal(change->B.select(1, row), part.residual));
    }
  }
}

TEST_P(RomeBatch, EachEqualsTheSameRequestAlone) {
  const auto batch = world_.edit_each(requests_);
  ASSERT_EQ(batch.size(), requests_.size());
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    expect_same(batch[i], world_.edit_each({requests_[i]})[0]);
    if (i == 0) expect_same(batch[i], world_.edit({requests_[i]}));
  }
}

TEST_P(RomeBatch, OrderAndTokenBudgetChangeNothing) {
  const std::vector<EditRequest> some(requests_.begin(), requests_.begin() + 3),
      backwards(some.rbegin(), some.rend());
  const auto forth = world_.edit_each(some), back = world_.edit_each(backwards);
  EditorContext small = world_.context;
  small.token_budget = 64;
  SilentProgress silent;
  const auto portions = EditWorld::editor({})->edit_each(world_.model, some, small, silent);
  for (std::size_t i = 0; i < 3; ++i) {
    expect_same(back[2 - i], forth[i]);
    expect_same(portions[i], forth[i]);
  }
}

TEST_P(RomeBatch, EachWarnsOfWhatAnEditOfItAloneWarnsOf) {
  EditRequest straddling =  // the subject ends inside a word
      test::request_of("inside", "The profession of a painter is", "paint", "tailor");
  EditRequest loud = requests_[1];  // its own prompt as a neighbour receives the whole residual
  loud.neighbours = {{loud.prompt, loud.was}};
  const std::vector<EditRequest> requests = {requests_[0], straddling, loud};
  EditorContext context = world_.context;
  context.keep_going = true;
  SilentProgress silent;
  const auto editor = EditWorld::editor({{"steps", "1"}, {"contexts", "2"}});
  const auto edits = editor->edit_each(world_.model, requests, context, silent);
  ASSERT_EQ(edits.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(edits[i].warnings, editor->edit(world_.model, {requests[i]}, context, silent).warnings);
  EXPECT_THAT(edits[0].warnings, ::testing::Not(Contains(HasSubstr("subject"))));
  EXPECT_THAT(edits[1].warnings, Contains(AllOf(HasSubstr("inside"), HasSubstr("end of the subject"))));
  EXPECT_THAT(edits[2].warnings, Contains(AllOf(HasSubstr(loud.id), HasSubstr("neighbour"))));
  // Together they warn of the same.
  const auto together = editor->plan(world_.model, requests, context).warnings;
  EXPECT_THAT(together, Contains(edits[1].warnings.front()));
}

TEST_P(RomeBatch, EachIsAnEditOfItsOwnEvenForOneKey) {
  // The same prompt with two targets is no contradiction here: each stands on the unedited model.
  EditRequest other = requests_[0];
  other.id = "other";
  other.target = requests_[0].was;
  std::swap(other.target, other.was);
  other.target = requests_[0].target + "s";
  EXPECT_EQ(world_.edit_each({requests_[0], other}, {{"steps", "25"}}).size(), 2u);
}

TEST_P(RomeBatch, JointEditOfFourFactsHolds) {
  const std::vector<EditRequest> four(requests_.begin(), requests_.begin() + 4);
  const Edit edit = world_.edit(four);
  ASSERT_EQ(edit.facts.size(), 4u);
  ASSERT_EQ(edit.changes.size(), 1u);
  EXPECT_EQ(edit.changes[0].A.size(0), 4);
  expect_carried(edit);
  std::vector<at::Tensor> bare;
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(edit.facts[i].request.id, four[i].id) << "in the order of the requests";
    bare.push_back(world_.bare_key(four[i]));
    // At its own key each gets its own residual, whatever the others are.
    const at::Tensor r = edit.facts[i].parts[0].residual;
    EXPECT_TRUE(test::near(world_.moved(edit, bare[i]), r, 1e-3 * r.norm().item<double>())) << four[i].id;
  }
  const ScopedEdit scope(world_.model, edit.changes);
  for (const EditRequest& request : four) EXPECT_TRUE(world_.holds(request)) << request.id;
}

TEST_P(RomeBatch, RequestsWithOneKeyShareOneResidual) {
  // Two relations of one subject, at the beginning of both prompts; the subject's other facts say what is
  // asked elsewhere.
  EditRequest first = test::request_of("one", "Workis Tellond was trained as a", "Workis Tellond", "painter");
  EditRequest second = test::request_of("two", "Workis Tellond makes music on the", "Workis Tellond", "harp");
  second.was = "flute";
  first.was = "stone cutter";
  const EditPlan plan =
      EditWorld::editor({})->plan(world_.model, {first, requests_[1], second}, world_.context);
  EXPECT_THAT(plan.entries[0].merged_with, ElementsAre("two"));
  EXPECT_TRUE(plan.entries[1].merged_with.size() + plan.entries[2].merged_with.size() == 1);
  const Edit edit = world_.edit({first, requests_[1], second});
  ASSERT_EQ(edit.facts.size(), 3u);
  EXPECT_EQ(edit.changes[0].A.size(0), 2) << "two keys, two ranks";
  EXPECT_EQ(edit.facts[0].request.id, "one");
  EXPECT_EQ(edit.facts[1].request.id, requests_[1].id);
  EXPECT_EQ(edit.facts[2].request.id, "two");
  EXPECT_TRUE(at::equal(edit.facts[0].parts[0].residual, edit.facts[2].parts[0].residual));
  EXPECT_EQ(edit.facts[0].parts[0].rows, edit.facts[2].parts[0].rows) << "one key, one row";
  EXPECT_NE(edit.facts[0].parts[0].rows, edit.facts[1].parts[0].rows);
  expect_carried(edit);
  const ScopedEdit scope(world_.model, edit.changes);
  EXPECT_TRUE(world_.holds(first));
  EXPECT_TRUE(world_.holds(second));
  EXPECT_TRUE(world_.holds(requests_[1]));
}

TEST_P(RomeBatch, ContradictionsAreRefusedWithBothIds) {
  EditRequest other = requests_[0];
  other.id = "the-other";
  other.target = "tailor";
  const auto contradiction = [&](const std::vector<EditRequest>& requests) {
    return test::error_of(ErrorKind::kConfig,
                          [&] { EditWorld::editor({})->plan(world_.model, requests, world_.context); });
  };
  EXPECT_THAT(contradiction({requests_[0], requests_[1], other}),
              AllOf(HasSubstr(requests_[0].id), HasSubstr("the-other"), HasSubstr("contradict"),
                    HasSubstr("tailor")));
  const at::Tensor before = world_.weight().clone();
  test::error_of(ErrorKind::kConfig, [&] { world_.edit({requests_[0], other}); });
  EXPECT_TRUE(at::equal(world_.weight(), before));
}

TEST_P(RomeBatch, NearlyParallelKeysAreWarnedOfWithTheirIds) {
  // The same name after another word: at the last token of a long name little of what precedes is left. Which
  // texts are close enough depends on the model, so all pairs of a list are tried.
  const std::vector<std::string> openings = {"", "The ", "A ", "This ", "In fact ", "Now "};
  std::vector<EditRequest> requests;
  for (std::size_t i = 0; i < openings.size(); ++i)
    requests.push_back(test::request_of("fact-" + std::to_string(i),
                                        openings[i] + "Dastan Flusto Fustund's first language is",
                                        "Dastan Flusto Fustund", "High Wegese"));
  const at::Tensor C = world_.statistics.layers.at(world_.layer()).C;
  const at::Tensor ridged = C + 1e-5 * C.trace() / C.size(0) * at::eye(C.size(0), at::kDouble);
  int warned = 0, apart = 0;
  for (std::size_t i = 0; i < requests.size(); ++i)
    for (std::size_t j = i + 1; j < requests.size(); ++j) {
      const at::Tensor K =
          at::stack({world_.bare_key(requests[i]), world_.bare_key(requests[j])}, 1).to(at::kDouble);
      const at::Tensor gram = at::matmul(K.t(), at::linalg_solve(ridged, K));
      const double cosine = (gram[0][1] / (gram[0][0] * gram[1][1]).sqrt()).item<double>();
      if (std::abs(cosine - 0.95) < 0.001) continue;  // rounding decides
      const auto both = AllOf(HasSubstr(requests[i].id), HasSubstr(requests[j].id));
      try {
        const auto said =
            EditWorld::editor({})->plan(world_.model, {requests[i], requests[j]}, world_.context).warnings;
        if (cosine > 0.95) {
          EXPECT_THAT(said, Contains(AllOf(both, HasSubstr("nearly the same key")))) << "cosine " << cosine;
          ++warned;
        } else {
          EXPECT_THAT(said, ::testing::Not(Contains(both))) << "cosine " << cosine;
          ++apart;
        }
      } catch (const Error& refused) {  // so near that they cannot be told apart
        EXPECT_GT(cosine, 0.95);
        EXPECT_THAT(refused.what(), both);
      }
    }
  std::printf("%d pairs warned of, %d far apart\n", warned, apart);
  EXPECT_GT(warned, 0);
}

// A few steps do for the facts of the world, and for no string of letters.
const std::map<std::string, std::string> kFewSteps = {{"steps", "6"}};

EditRequest hopeless_request() {
  return test::request_of("lost", "Dastan Flusto Fustund's first language is", "Dastan",
                          "qqq zzz kkk xxx jjj www vvv");
}

TEST_P(RomeBatch, WhatFailedIsNeitherHeldNorWritten) {
  EditorContext keep = world_.context;
  keep.keep_going = true;
  SilentProgress silent;
  const auto edit = [&](const std::vector<EditRequest>& requests) {
    return EditWorld::editor(kFewSteps)->edit(world_.model, requests, keep, silent);
  };
  const Edit with = edit({requests_[0], hopeless_request(), requests_[2]});
  const Edit without = edit({requests_[0], requests_[2]});
  ASSERT_EQ(with.facts.size(), 3u);
  EXPECT_EQ(with.facts[0].status, FactStatus::kEdited);
  EXPECT_EQ(with.facts[1].status, FactStatus::kFailed);
  EXPECT_EQ(with.facts[2].status, FactStatus::kEdited);
  expect_carried(with);
  EXPECT_THAT(with.facts[0].parts[0].rows, ElementsAre(0));
  EXPECT_THAT(with.facts[1].parts[0].rows, ::testing::IsEmpty()) << "no row carries what failed";
  EXPECT_THAT(with.facts[2].parts[0].rows, ElementsAre(1));
  ASSERT_EQ(with.changes.size(), 1u);
  ASSERT_EQ(with.changes[0].A.sizes(), without.changes[0].A.sizes());
  // The others are what they are without it: their responses need no 0 at its key, their losses know nothing
  // of it.
  for (std::int64_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(test::near(with.changes[0].A[i], without.changes[0].A[i],
                           1e-6 * without.changes[0].A[i].norm().item<double>()));
    EXPECT_GT(cosine(with.changes[0].B.select(1, i), without.changes[0].B.select(1, i)), 0.999);
  }
  EXPECT_NEAR(with.facts[0].loss, without.facts[0].loss, 0.02 * without.facts[0].loss + 1e-4);
  EXPECT_NEAR(with.facts[2].loss, without.facts[1].loss, 0.02 * without.facts[1].loss + 1e-4);
}

TEST_P(RomeBatch, EveryStepBelongsToAStageCalledSearching) {
  class Stages : public SilentProgress {
   public:
    void begin(std::string_view stage, std::int64_t, std::string_view) override { open = stage; }
    void update(std::int64_t, std::string_view) override { steps.push_back(open); }
    void end() override { open.clear(); }
    std::string open;
    std::vector<std::string> steps;
  } stages;
  EditorContext keep = world_.context;
  keep.keep_going = true;
  // So few that both joint rounds go on, and what is written is measured at the end.
  EditWorld::editor({{"steps", "4"}, {"contexts", "2"}})
      ->edit(world_.model, {requests_[0], requests_[1]}, keep, stages);
  EXPECT_THAT(stages.steps, ::testing::Each(::testing::StartsWith("searching")));
}

// The model with NaN in the down projection of `block`.
struct BrokenBlock {
  BrokenBlock(Model& model, int block)
      : scope(model, {WeightChange::low_rank({block, Role::kMlpDown},
                                             at::full({1, model.config().d_ff}, std::nanf("")),
                                             at::ones({model.config().d_model, 1}))}) {}
  const ScopedEdit scope;
};

TEST_P(RomeBatch, NaNRefusesAJointEditWithItsIdsAndLayer) {
  const std::vector<EditRequest> some(requests_.begin(), requests_.begin() + 3);
  const int layer = world_.layer();
  const at::Tensor before = world_.weight().clone();
  const auto refusal = [&] { return test::error_of(ErrorKind::kNumeric, [&] { world_.edit(some); }); };
  const auto names_all = AllOf(HasSubstr(some[0].id), HasSubstr(some[1].id), HasSubstr(some[2].id),
                               HasSubstr("layer " + std::to_string(layer)));
  for (const int block : {layer, layer + 1}) {  // in the search
    const BrokenBlock broken(world_.model, block);
    EXPECT_THAT(refusal(), AllOf(names_all, HasSubstr("did not converge"), HasSubstr("not a number")));
  }
  {  // in the keys
    const BrokenBlock broken(world_.model, layer - 1);
    EXPECT_THAT(refusal(), AllOf(names_all, HasSubstr("keys"), HasSubstr("NaN")));
    EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { world_.edit_each(some); }), names_all);
  }
  EXPECT_TRUE(at::equal(world_.weight(), before));
}

TEST_P(RomeBatch, FailedSearchesAreNamedOrKept) {
  // A step that can only make things worse.
  const std::map<std::string, std::string> hopeless = {
      {"steps", "1"}, {"absolute_step", "100"}, {"clamp", "1000"}, {"kl", "1000"}};
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { world_.edit({requests_[0]}, hopeless); }),
              HasSubstr(requests_[0].id));
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric,
                             [&] {
                               world_.edit({requests_[0], requests_[1]}, hopeless);
                             }),
              AllOf(HasSubstr(requests_[0].id), HasSubstr(requests_[1].id)));
  EditorContext keep = world_.context;
  keep.keep_going = true;
  SilentProgress silent;
  const Edit edit = EditWorld::editor(hopeless)->edit(world_.model, {requests_[0]}, keep, silent);
  ASSERT_EQ(edit.facts.size(), 1u);
  EXPECT_EQ(edit.facts[0].status, FactStatus::kFailed);
  EXPECT_FALSE(edit.facts[0].reason.empty());
  ASSERT_EQ(edit.facts[0].parts.size(), 1u);
  EXPECT_THAT(edit.facts[0].parts[0].rows, ::testing::IsEmpty());
  EXPECT_TRUE(edit.changes.empty());
  EXPECT_TRUE(edit.solves.empty());
}

}  // namespace
}  // namespace emend
