// Bulk editors: whole edits of the invented world, alone and on top of earlier ones.
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "analysis/prompt_rows.h"
#include "base/expect_error.h"
#include "emend/editor.h"
#include "support/keep_notes.h"
#include "support/random_matrices.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend {
namespace {

using test::relative;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

// The second moments of a world's layers 1 and 2, made once a program.
const Statistics& world_moments(const std::string& shape, const Model& model) {
  static std::map<std::string, Statistics> made;
  Statistics& statistics = made[shape];
  if (!statistics.layers.empty()) return statistics;
  SilentProgress silent;
  StatisticsOptions collecting;
  collecting.layers = {1, 2};
  collecting.prefix = model.tokenizer().automatic_prefix();
  return statistics = collect_statistics(model, collecting, silent);
}

class BulkWorld : public ::testing::TestWithParam<std::string> {
 protected:
  static constexpr std::size_t kEdits = 6;
  BulkWorld() : model_(test::load_world(GetParam())), requests_(test::world_edits(kEdits)) {
    context_.layers = {1, 2};
    context_.prefix = model_.tokenizer().automatic_prefix();
    context_.statistics = &world_moments(GetParam(), model_);
    context_.cache = &cache_;
  }

  static std::unique_ptr<Editor> editor(const std::string& method,
                                        const std::map<std::string, std::string>& options = {}) {
    std::map<std::string, OptionText> texts;
    for (const auto& [name, value] : options) texts[name] = {value, "test"};
    return make_editor(method, texts);
  }
  Edit edit(const std::string& method, const std::vector<EditRequest>& requests,
            const Edit* earlier = nullptr, const std::map<std::string, std::string>& options = {}) {
    SilentProgress silent;
    EditorContext context = context_;
    context.earlier = earlier;
    const ScopedEdit scope(model_, earlier == nullptr ? std::vector<WeightChange>() : earlier->changes);
    return editor(method, options)->edit(model_, requests, context, silent);
  }
  // Facts of few are written nearly whole.
  const std::map<std::string, std::string> loud_ = {
      {"relative_lambda", "0.2"}, {"rounds", "2"}, {"stop_probability", "0.95"}};

  double probability(const EditRequest& request) const {
    const RowForm form{context_.prefix, PromptForm::kRaw};
    return std::exp(-test::plain_nll(model_, prompt_ids(model_.tokenizer(), request.prompt, form),
                                     target_ids(model_.tokenizer(), request.target, form)));
  }
  // Of the bare prompt at the subject's last token, on the model as it is: [F] float32.
  at::Tensor lookup_key(const EditRequest& request, int layer) const {
    PassInput input;
    const PromptRow row = bare_row(model_.tokenizer(), request, {context_.prefix, PromptForm::kRaw});
    input.ids = {row.ids};
    input.recordings = {{Site::kKey, layer, at::tensor({static_cast<std::int64_t>(row.lookup)})}};
    return model_.forward(input).recorded[0][0].to(at::kFloat);
  }
  std::vector<EditRequest> some(std::size_t begin, std::size_t end) const {
    return {requests_.begin() + static_cast<std::ptrdiff_t>(begin),
            requests_.begin() + static_cast<std::ptrdiff_t>(end)};
  }

  Model model_;
  std::vector<EditRequest> requests_;
  EditorCache cache_;
  EditorContext context_;
};
INSTANTIATE_TEST_SUITE_P(World, BulkWorld, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(BulkWorld, EveryMethodWritesBothLayersAndMakesTheTargetsLikely) {
  const std::string before = model_.weights_digest();
  for (const std::string method : {"bulk", "memit", "emmet", "alphaedit"}) {
    SCOPED_TRACE(method);
    const Edit made = edit(method, requests_);
    EXPECT_EQ(model_.weights_digest(), before);
    ASSERT_EQ(made.changes.size(), 2u);
    ASSERT_EQ(made.solves.size(), 2u);
    ASSERT_EQ(made.facts.size(), kEdits);
    EXPECT_FALSE(made.replaces_earlier);
    EXPECT_EQ(made.method, method);
    const ScopedEdit scope(model_, made.changes);
    double mean = 0;
    for (const EditRequest& request : requests_) mean += probability(request) / kEdits;
    EXPECT_GT(mean, 0.5);
  }
}

// A model that has no numbers from some position on, which only the longest request reaches.
class BulkWorldWithNaN : public BulkWorld {
 protected:
  static constexpr std::int64_t kFirstBad = 45;
  BulkWorldWithNaN() {
    requests_.resize(3);
    const c10::NoGradGuard no_grad;
    at::Tensor positions = model_.weights().position_embedding;
    positions.slice(0, kFirstBad).fill_(std::nanf(""));
    context_.keep_going = true;
  }
  // One in the middle, with more tokens than there are good positions in front of its end.
  std::vector<EditRequest> with(const std::string& before, const std::string& after) const {
    EditRequest bad = test::request_of("bad", before + "Gellis Kevond" + after, "Gellis Kevond", "tailor");
    return {requests_[0], bad, requests_[1], requests_[2]};
  }
  static std::string many_words() {
    std::string words;
    for (int i = 0; i < 30; ++i) words += " of the city";
    return words;
  }
  // The bad one is named, and the others are what they are without it.
  void expect_only_the_bad_one_fails(const std::vector<EditRequest>& requests, const std::string& reason) {
    for (const std::string method : {"bulk", "memit", "alphaedit"}) {
      SCOPED_TRACE(method);
      const Edit found = edit(method, requests, nullptr, loud_),
                 others = edit(method, requests_, nullptr, loud_);
      ASSERT_EQ(found.facts.size(), 4u);
      EXPECT_EQ(found.facts[1].status, FactStatus::kFailed);
      EXPECT_THAT(found.facts[1].reason, HasSubstr(reason));
      for (const std::size_t i : {0, 2, 3}) EXPECT_EQ(found.facts[i].status, FactStatus::kEdited) << i;
      ASSERT_EQ(found.changes.size(), others.changes.size());
      for (std::size_t c = 0; c < found.changes.size(); ++c)
        EXPECT_LT(relative(dense(found.changes[c]), dense(others.changes[c])), 0.05);
    }
  }
  static at::Tensor dense(const WeightChange& change) { return at::matmul(change.B, change.A); }
};
INSTANTIATE_TEST_SUITE_P(World, BulkWorldWithNaN, ::testing::Values("gpt2"),
                         [](const auto& shape) { return shape.param; });

TEST_P(BulkWorldWithNaN, InASearchOnlyItsFactFails) {
  const std::vector<EditRequest> requests = with("", many_words() + " was trained as a");
  expect_only_the_bad_one_fails(requests, "not a number");
  context_.keep_going = false;
  EXPECT_THAT(
      test::error_of(ErrorKind::kNumeric, [&] { edit("bulk", requests); }),
      AllOf(HasSubstr("did not converge for bad (the loss is not a number)"), HasSubstr("keep-going")));
}

TEST_P(BulkWorldWithNaN, InAKeyOnlyItsFactFails) {
  const std::vector<EditRequest> requests = with("All" + many_words() + " say ", " was trained as a");
  expect_only_the_bad_one_fails(requests, "its keys hold NaN or infinity");
  const EditPlan plan = editor("bulk")->plan(model_, requests, context_);
  ASSERT_EQ(plan.entries.size(), 4u);
  EXPECT_EQ(plan.entries[1].predicted_norm, 0);
  EXPECT_GT(plan.entries[3].predicted_norm, 0);
  EXPECT_THAT(plan.warnings, ::testing::Contains("bad: its keys hold NaN or infinity; left out"));
  context_.keep_going = false;
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { edit("bulk", requests); }),
              HasSubstr("the keys of bad at layer 1 hold NaN"));
}

TEST_P(BulkWorldWithNaN, WhereNothingIsLeftAllFail) {
  const std::vector<EditRequest> bad = {with("All" + many_words() + " say ", " was trained as a")[1]};
  const Edit found = edit("bulk", bad);
  ASSERT_EQ(found.facts.size(), 1u);
  EXPECT_EQ(found.facts[0].status, FactStatus::kFailed);
  EXPECT_TRUE(found.changes.empty());
  EXPECT_EQ(editor("bulk")->plan(model_, bad, context_).entries.size(), 1u);
}

TEST_P(BulkWorld, WhatIsCarriedStays) {
  const Edit first = edit("bulk", some(0, 4), nullptr, loud_);
  const Edit both = edit("bulk", some(4, 6), &first, loud_);
  EXPECT_TRUE(both.replaces_earlier);
  ASSERT_EQ(both.facts.size(), 2u);
  ASSERT_EQ(both.carried.size(), 4u);
  EXPECT_EQ(both.changes.at(0).A.size(0), 6);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(both.carried[i].request.id, requests_[i].id);
    EXPECT_TRUE(at::equal(both.carried[i].parts[0].residual, first.facts[i].parts[0].residual));
  }
  const ScopedEdit scope(model_, both.changes);
  for (const EditRequest& request : requests_) EXPECT_GT(probability(request), 0.5) << request.id;
}

// Later edits of the lower layer move the keys that earlier facts have at the upper one: the solve has to
// answer at the keys that the edited model reads.
TEST_P(BulkWorld, WhatIsCarriedHoldsAtTheKeysThatLaterEditsMove) {
  requests_ = test::world_edits(16);
  const Edit first = edit("bulk", some(0, 4));
  const Edit more = edit("bulk", some(4, 10), &first);
  std::vector<FactRecord> so_far = more.carried;
  so_far.insert(so_far.end(), more.facts.begin(), more.facts.end());
  Edit below = more;
  below.facts = so_far;
  const Edit all = edit("bulk", some(10, 16), &below);
  ASSERT_EQ(all.carried.size(), 10u);
  const ScopedEdit scope(model_, all.changes);
  for (std::size_t i = 0; i < all.carried.size(); ++i) {
    SCOPED_TRACE(requests_[i].id);
    const std::vector<FactPart>& parts = all.carried[i].parts;
    EXPECT_LT(relative(lookup_key(requests_[i], 1), parts[0].keys[0]), 1e-5);
    EXPECT_LT(relative(lookup_key(requests_[i], 2), parts[1].keys[0]), 1e-5);
    EXPECT_GT(relative(so_far[i].parts[1].keys[0], parts[1].keys[0]), 1e-3);  // it did move
    EXPECT_GT(probability(requests_[i]), 0.9);
  }
  // At the lower layer no key moves: the facts are what they were.
  for (std::size_t i = 0; i < first.facts.size(); ++i)
    EXPECT_TRUE(at::equal(all.carried[i].parts[0].residual, first.facts[i].parts[0].residual));
}

TEST_P(BulkWorld, ACarriedFactThatHasBecomeWeakIsSearchedAgain) {
  Edit first = edit("bulk", some(0, 2), nullptr, loud_);
  for (FactPart& part : first.facts[0].parts) part.residual = 0.2 * part.residual;
  std::map<std::string, std::string> left = loud_;
  left["carried_probability"] = "0";
  const auto probability_after = [&](const std::map<std::string, std::string>& options) {
    const Edit made = edit("bulk", some(2, 4), &first, options);
    const ScopedEdit scope(model_, made.changes);
    return probability(requests_[0]);
  };
  EXPECT_LT(probability_after(left), 0.5);
  EXPECT_GT(probability_after(loud_), 0.8);
}

TEST_P(BulkWorld, ACarriedFactAsksForNoMoreThanTheClampAllows) {
  Edit first = edit("bulk", some(0, 2), nullptr, loud_);
  for (FactPart& part : first.facts[0].parts) part.residual = 0.2 * part.residual;
  const auto length = [](const FactRecord& fact) { return fact.parts[0].residual.norm().item<double>(); };
  const auto length_after = [&](const std::string& clamp) {
    std::map<std::string, std::string> options = loud_;
    options["carried_clamp"] = clamp;
    return length(edit("bulk", some(2, 4), &first, options).carried[0]);
  };
  const double before = length(first.facts[0]);
  EXPECT_NEAR(length_after("0"), before, 1e-5 * before);  // turned, if anything
  EXPECT_GT(length_after("1000"), 1.5 * before);
  // In units of the vector that stands there, of which each layer has its share: a clamp between the two
  // binds.
  const double loose = length_after("1000");
  double last = before;
  for (const char* clamp : {"0.05", "0.2", "0.4"}) {
    const double now = length_after(clamp);
    EXPECT_GE(now, last * (1 - 1e-5)) << clamp;
    EXPECT_LE(now, loose * (1 + 1e-5)) << clamp;
    last = now;
  }
}

TEST_P(BulkWorld, AReplacedFactLeavesNothingBehind) {
  EditRequest changed = requests_[1];
  changed.target = requests_[0].target == changed.target ? requests_[2].target : requests_[0].target;
  const Edit first = edit("bulk", some(0, 2), nullptr, loud_);
  const Edit replaced = edit("bulk", {changed}, &first, loud_);
  ASSERT_EQ(replaced.carried.size(), 1u);
  EXPECT_EQ(replaced.carried[0].request.id, requests_[0].id);
  EXPECT_EQ(replaced.changes.at(0).A.size(0), 2);
  const ScopedEdit scope(model_, replaced.changes);
  EXPECT_GT(probability(changed), 0.5);
  EXPECT_GT(probability(requests_[0]), 0.5);
  EXPECT_LT(probability(requests_[1]), 0.3);
}

// Two facts of one subject have one key and one residual: what is left of it when one of them goes would
// still write that one.
TEST_P(BulkWorld, AFactWhoseResidualAReplacedOneSharedIsSearchedAgain) {
  const EditRequest painter =
      test::request_of("a", "Workis Tellond was trained as a", "Workis Tellond", "painter");
  const EditRequest speaker =
      test::request_of("b", "Workis Tellond counts and dreams in", "Workis Tellond", "Kevic");
  for (const std::string method : {"memit", "bulk"}) {
    SCOPED_TRACE(method);
    const Edit first = edit(method, {painter, speaker}, nullptr, loud_);
    {
      const ScopedEdit scope(model_, first.changes);
      ASSERT_GT(probability(painter), 0.5);
      ASSERT_GT(probability(speaker), 0.5);
    }
    EditRequest other = requests_[1];
    other.id = "a";
    const Edit replaced = edit(method, {other}, &first, loud_);
    const ScopedEdit scope(model_, replaced.changes);
    EXPECT_LT(probability(painter), 0.3);
    EXPECT_GT(probability(speaker), 0.5);
    EXPECT_GT(probability(other), 0.5);
  }
}

// EMMET writes one fact exactly; the second one is solved together with it all the same, and a patch that is
// down to one fact again can go on.
TEST_P(BulkWorld, AnExactFactIsCarriedIntoASolveOfSeveral) {
  const Edit alone = edit("emmet", some(0, 1));
  ASSERT_EQ(alone.solves[0].rule, SolveRule::kEquality);
  const Edit both = edit("emmet", some(1, 2), &alone);
  EXPECT_EQ(both.carried.size(), 1u);
  EXPECT_EQ(both.solves[0].rule, SolveRule::kLeastSquares);
  EXPECT_EQ(both.solves[0].lambda, alone.solves[0].lambda_of_several);
}

TEST_P(BulkWorld, AnEarlierEditOfOtherOptionsIsRefusedByName) {
  const Edit first = edit("bulk", some(0, 2));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] {
                               edit("bulk", some(2, 3), &first, {{"relative_lambda", "3"}});
                             }),
              AllOf(HasSubstr("cannot be solved again"), HasSubstr("lambda")));
  context_.layers = {2};
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { edit("bulk", some(2, 3), &first); }),
              AllOf(HasSubstr("block 1"), HasSubstr("not among the layers")));
}

TEST_P(BulkWorld, ValueStagesAndFiltersWork) {
  for (const std::map<std::string, std::string>& options :
       {std::map<std::string, std::string>{{"values", "replay"}},
        {{"values", "last"}},
        {{"filter", "spectral"}},
        {{"filter", "norm-anchor"}, {"anchor", "1.3"}}}) {
    SCOPED_TRACE(options.begin()->second);
    const Edit made = edit("bulk", some(0, 3), nullptr, options);
    EXPECT_EQ(made.changes.size(), options.begin()->second == "last" ? 1u : 2u);
    const double before = probability(requests_[0]);
    const ScopedEdit scope(model_, made.changes);
    EXPECT_GT(probability(requests_[0]), before);
  }
}

TEST_P(BulkWorld, EditsOfTheirOwnDoNotKnowEachOther) {
  SilentProgress silent;
  const std::vector<Edit> each = editor("bulk")->edit_each(model_, some(0, 2), context_, silent);
  ASSERT_EQ(each.size(), 2u);
  const Edit alone = edit("bulk", some(1, 2));
  EXPECT_LT(relative(each[1].changes.at(0).delta(at::TensorOptions(at::kDouble)),
                     alone.changes.at(0).delta(at::TensorOptions(at::kDouble))),
            0.1);
}

TEST_P(BulkWorld, ANoteOfEachLayerSaysHowManyKeysWereSolved) {
  test::KeepNotes kept;
  editor("memit", {{"rounds", "1"}})->edit(model_, some(0, 1), context_, kept);
  EXPECT_THAT(kept.notes, Contains(HasSubstr("layer 1: 1 key solved together (facts of one key count")));
  EXPECT_THAT(kept.notes, Contains(HasSubstr("layer 2: 1 key solved together")));
}

TEST_P(BulkWorld, PlanNamesLayersAndMissingStatistics) {
  const EditPlan plan = editor("memit")->plan(model_, requests_, context_);
  ASSERT_EQ(plan.entries.size(), kEdits);
  EXPECT_EQ(plan.entries[0].layers, context_.layers);
  EXPECT_GT(plan.entries[0].predicted_norm, 0);
  context_.layers = {1, 3};
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { editor("memit")->plan(model_, requests_, context_); }),
              HasSubstr("memit: the statistics of layer 3 are missing"));
}

}  // namespace
}  // namespace emend
