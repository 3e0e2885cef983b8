// Fine-tuning of one weight: the step, the gradient, and whole edits of the invented world.
#include "editors/finetune/finetune.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "analysis/prompt_rows.h"
#include "base/expect_error.h"
#include "editors/common/training_rows.h"
#include "editors/common/weight_descent.h"
#include "editors/finetune/methods.h"
#include "emend/locate.h"
#include "support/random_matrices.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend {
namespace {

using test::error_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// By hand: m = 0.1 g, v = 0.001 g^2, corrected m = g and v = g^2, so the first step is of `step` against the
// sign; the second, for g = (1, 0) after (2, -4), is 0.01 (0.28 / 0.19) / sqrt(0.004996 / 0.001999) and
// 0.01 (-0.36 / 0.19) / sqrt(0.015984 / 0.001999).
TEST(WeightDescent, StepsAsAdamDoes) {
  editors::WeightDescent descent(at::zeros({1, 2}), 0.01, 0);
  descent.update(at::tensor({2.0f, -4.0f}).view({1, 2}));
  EXPECT_TRUE(at::allclose(descent.change(), at::tensor({-0.01f, 0.01f}).view({1, 2}), 1e-5));
  descent.update(at::tensor({1.0f, 0.0f}).view({1, 2}));
  const double first = 0.01 + 0.01 * (0.28 / 0.19) / std::sqrt(0.004996 / 0.001999);
  const double second = 0.01 + 0.01 * (0.36 / 0.19) / std::sqrt(0.015984 / 0.001999);
  EXPECT_NEAR(descent.change()[0][0].item<double>(), -first, 1e-6);
  EXPECT_NEAR(descent.change()[0][1].item<double>(), second, 1e-6);
}

TEST(WeightDescent, StopsAtTheBound) {
  editors::WeightDescent descent(at::zeros({1, 2}), 0.01, 0.025);
  for (int i = 0; i < 5; ++i) descent.update(at::tensor({2.0f, -4.0f}).view({1, 2}));
  EXPECT_TRUE(at::equal(descent.change(), at::tensor({-0.025f, 0.025f}).view({1, 2})));
}

// A change that is put in place keeps its direction and the bound: (0.05, -0.1) becomes (0.0125, -0.025).
TEST(WeightDescent, ScalesAChangeThatIsPutInPlace) {
  editors::WeightDescent descent(at::zeros({1, 2}), 0.01, 0.025);
  descent.replace(at::tensor({0.05f, -0.1f}).view({1, 2}));
  EXPECT_TRUE(at::allclose(descent.change(), at::tensor({0.0125f, -0.025f}).view({1, 2}), 1e-6));
  descent.replace(at::tensor({0.01f, -0.02f}).view({1, 2}));
  EXPECT_TRUE(at::equal(descent.change(), at::tensor({0.01f, -0.02f}).view({1, 2})));
}

// Two rows of random ids; the second has two labels.
class TrainingRowsOf : public ::testing::TestWithParam<std::string> {
 protected:
  static constexpr int kLayer = 1;
  TrainingRowsOf() : model_(test::tiny_model(GetParam())), trace_(model_, {kLayer}, {{}}, 4096) {
    const std::int64_t vocab = model_.config().vocab;
    for (const std::size_t length : {std::size_t{5}, std::size_t{7}}) {
      editors::SearchRow row;
      row.row = {-1, test::some_ids(length, vocab, length)};
      row.label_at = {static_cast<std::int64_t>(length) - 1};
      row.labels = {3};
      rows_.push_back(row);
    }
    rows_[1].label_at = {5, 6};
    rows_[1].labels = {rows_[1].row.own[6], 2};
    change_ = random_change(11, 0.05);
  }
  at::Tensor random_change(std::uint64_t seed, double share) const {
    const at::Tensor& weight = model_.weight({kLayer, Role::kMlpDown});
    return test::normals(weight.size(0), weight.size(1), seed).to(at::kFloat) *
           (share * weight.square().mean().sqrt());
  }
  // -log p of the labels of one row by plain passes over the model as it is.
  double plain(const editors::SearchRow& row) const {
    const auto first = static_cast<std::ptrdiff_t>(row.label_at.front()) + 1;
    return test::plain_nll(model_, {row.row.own.begin(), row.row.own.begin() + first}, row.labels);
  }

  Model model_;
  editors::LayerTrace trace_;
  std::vector<editors::SearchRow> rows_;
  at::Tensor change_;
};
// Values reach the stream as they are, or through a norm.
INSTANTIATE_TEST_SUITE_P(Family, TrainingRowsOf, ::testing::Values("gpt2", "llama", "gemma2"),
                         [](const auto& family) { return family.param; });

TEST_P(TrainingRowsOf, LossesAreThoseOfTheWrittenModel) {
  const c10::NoGradGuard no_grad;
  const editors::TrainingRows rows(model_, trace_, rows_, 4096);
  const std::vector<double> before = rows.losses({0, 1}, {at::zeros_like(change_)}, nullptr);
  const std::vector<double> after = rows.losses({0, 1}, {change_}, nullptr);
  for (std::size_t i = 0; i < rows_.size(); ++i) EXPECT_NEAR(before[i], plain(rows_[i]), 1e-4);
  const ScopedEdit scope(model_, {WeightChange::dense({kLayer, Role::kMlpDown}, change_)});
  for (std::size_t i = 0; i < rows_.size(); ++i) EXPECT_NEAR(after[i], plain(rows_[i]), 1e-4);
  EXPECT_GT(std::abs(after[0] - before[0]), 1e-3);
}

TEST_P(TrainingRowsOf, TheGradientIsThatOfTheMean) {
  const c10::NoGradGuard no_grad;
  const editors::TrainingRows rows(model_, trace_, rows_, 4096);
  std::vector<at::Tensor> gradients = {at::zeros_like(change_)};
  rows.losses({0, 1}, {change_}, &gradients);
  const at::Tensor& gradient = gradients.front();
  const auto mean = [&](const at::Tensor& change) {
    const std::vector<double> losses = rows.losses({0, 1}, {change}, nullptr);
    return (losses[0] + losses[1]) / 2;
  };
  // Along the gradient itself, where the difference is largest against rounding.
  const at::Tensor step = gradient * (0.02 / gradient.norm());
  const double slope = (mean(change_ + step) - mean(change_ - step)) / 2;
  EXPECT_NEAR(slope / (0.02 * gradient.norm().item<double>()), 1, 0.02);
  // And the same in passes of one row each.
  const editors::TrainingRows one_by_one(model_, trace_, rows_, 1);
  std::vector<at::Tensor> again = {at::zeros_like(change_)};
  one_by_one.losses({0, 1}, {change_}, &again);
  EXPECT_LT(test::relative(again.front(), gradient), 1e-4);
}

// Two weights, the second in the block right above or one further up.
TEST_P(TrainingRowsOf, SeveralLayersAreThoseOfTheWrittenModel) {
  const c10::NoGradGuard no_grad;
  constexpr int kFirst = 0;
  const editors::LayerTrace trace(model_, {kFirst}, {{}}, 4096);
  for (int above = 1; above < model_.config().layers; ++above) {
    SCOPED_TRACE(above);
    const editors::TrainingRows rows(model_, trace, rows_, 4096, {above});
    const std::vector<at::Tensor> changes = {random_change(12, 0.05), random_change(13, 0.05)};
    const std::vector<double> losses = rows.losses({0, 1}, changes, nullptr);
    std::vector<at::Tensor> gradients = {at::zeros_like(change_), at::zeros_like(change_)};
    const std::vector<double> again = rows.losses({0, 1}, changes, &gradients);
    for (std::size_t i = 0; i < rows_.size(); ++i) EXPECT_NEAR(again[i], losses[i], 1e-5);
    {
      const ScopedEdit scope(model_, {WeightChange::dense({kFirst, Role::kMlpDown}, changes[0]),
                                      WeightChange::dense({above, Role::kMlpDown}, changes[1])});
      for (std::size_t i = 0; i < rows_.size(); ++i) EXPECT_NEAR(losses[i], plain(rows_[i]), 1e-4);
    }
    for (std::size_t l = 0; l < 2; ++l) {
      const auto mean = [&](double length) {
        std::vector<at::Tensor> moved = changes;
        moved[l] = moved[l] + gradients[l] * (length / gradients[l].norm());
        const std::vector<double> at_it = rows.losses({0, 1}, moved, nullptr);
        return (at_it[0] + at_it[1]) / 2;
      };
      const double slope = (mean(0.02) - mean(-0.02)) / 0.04;
      EXPECT_NEAR(slope / gradients[l].norm().item<double>(), 1, 0.02) << "layer " << l;
    }
  }
}

class FinetuneWorld : public ::testing::TestWithParam<std::string> {
 protected:
  static constexpr std::size_t kEdits = 5;
  FinetuneWorld() : model_(test::load_world(GetParam())), requests_(test::world_edits(kEdits)) {
    context_.layers = {default_layer(model_.config())};
    context_.prefix = model_.tokenizer().automatic_prefix();
  }
  static std::unique_ptr<Editor> editor(const std::string& method,
                                        const std::map<std::string, std::string>& options = {}) {
    std::map<std::string, OptionText> texts;
    for (const auto& [name, value] : options) texts[name] = {value, "test"};
    return make_editor(method, texts);
  }
  Edit edit(const std::string& method, const std::map<std::string, std::string>& options = {}) {
    SilentProgress silent;
    return editor(method, options)->edit(model_, requests_, context_, silent);
  }
  double nll(const EditRequest& request) const {
    const RowForm form{context_.prefix, PromptForm::kRaw};
    return test::plain_nll(model_, prompt_ids(model_.tokenizer(), request.prompt, form),
                           target_ids(model_.tokenizer(), request.target, form));
  }
  double root_mean_square() const {
    return model_.weight({context_.layers[0], Role::kMlpDown}).square().mean().sqrt().item<double>();
  }

  Model model_;
  std::vector<EditRequest> requests_;
  EditorContext context_;
};
INSTANTIATE_TEST_SUITE_P(World, FinetuneWorld, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(FinetuneWorld, MakesAllTargetsLikelyTogether) {
  const std::string before = model_.weights_digest();
  for (const std::string method : {"ft", "locft"}) {
    SCOPED_TRACE(method);
    const Edit made = edit(method);
    EXPECT_EQ(model_.weights_digest(), before);
    EXPECT_EQ(made.method, method);
    ASSERT_EQ(made.changes.size(), 1u);
    EXPECT_TRUE(made.changes[0].is_dense());
    EXPECT_EQ(made.solves.at(0).rule, SolveRule::kTrained);
    ASSERT_EQ(made.facts.size(), kEdits);
    const ScopedEdit scope(model_, made.changes);
    for (std::size_t i = 0; i < kEdits; ++i) {
      EXPECT_EQ(made.facts[i].request.id, requests_[i].id);
      EXPECT_GT(std::exp(-nll(requests_[i])), 0.5) << requests_[i].id;
      EXPECT_NEAR(made.facts[i].loss, nll(requests_[i]), 2e-3);
    }
  }
}

TEST_P(FinetuneWorld, KeepsTheBoundExactly) {
  const at::Tensor absolute = edit("ft", {{"bound", "0.003"}, {"epochs", "20"}}).changes.at(0).D;
  EXPECT_EQ(absolute.abs().max().item<float>(), 0.003f);
  const at::Tensor relative = edit("ft", {{"relative_bound", "0.05"}, {"epochs", "20"}}).changes.at(0).D;
  EXPECT_NEAR(relative.abs().max().item<double>(), 0.05 * root_mean_square(), 1e-8);
  // Without one the numbers go further.
  const at::Tensor free = edit("ft", {{"relative_bound", "0"}, {"epochs", "20"}}).changes.at(0).D;
  EXPECT_GT(free.abs().max().item<double>(), 0.1 * root_mean_square());
}

TEST_P(FinetuneWorld, DependsOnTheSeedAlone) {
  const std::map<std::string, std::string> options = {{"batch", "2"}, {"epochs", "3"}};
  const at::Tensor one = edit("locft", options).changes.at(0).D;
  EXPECT_TRUE(at::equal(one, edit("locft", options).changes.at(0).D));
  context_.seed = 1;
  EXPECT_FALSE(at::equal(one, edit("locft", options).changes.at(0).D));
  const std::map<std::string, std::string> in_order = {{"batch", "2"}, {"epochs", "3"}, {"shuffle", "false"}};
  const at::Tensor ordered = edit("locft", in_order).changes.at(0).D;
  context_.seed = 0;
  EXPECT_TRUE(at::equal(ordered, edit("locft", in_order).changes.at(0).D));
}

TEST_P(FinetuneWorld, EachAloneIsTheEditOfOne) {
  SilentProgress silent;
  const std::unique_ptr<Editor> quick = editor("ft", {{"epochs", "3"}});
  const std::vector<Edit> each = quick->edit_each(model_, requests_, context_, silent);
  ASSERT_EQ(each.size(), kEdits);
  const Edit alone = quick->edit(model_, {requests_[2]}, context_, silent);
  EXPECT_TRUE(at::equal(each[2].changes.at(0).D, alone.changes.at(0).D));
}

TEST_P(FinetuneWorld, RefusesWhatCannotHold) {
  requests_[1] = requests_[0];
  requests_[1].id = "again";
  requests_[1].target = requests_[2].target + " too";
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { edit("ft"); }),
              AllOf(HasSubstr(requests_[0].id), HasSubstr("again")));
  context_.layers = {99};
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { edit("ft"); }), HasSubstr("99"));
}

TEST_P(FinetuneWorld, NamesTheFactsOfATrainingThatRanAway) {
  const at::Tensor weight = model_.weight({context_.layers[0], Role::kMlpDown});
  const at::Tensor saved = weight.clone();
  weight.fill_(std::numeric_limits<float>::infinity());
  const std::string message = error_of(ErrorKind::kNumeric, [&] {
    edit("ft", {{"bound", "1"}, {"learning_rate", "0.1"}});
  });
  EXPECT_THAT(message, AllOf(HasSubstr(requests_[0].id), HasSubstr("not a number")));
  context_.keep_going = true;
  const Edit kept = edit("ft", {{"bound", "1"}, {"learning_rate", "0.1"}});
  EXPECT_TRUE(kept.changes.empty());
  for (const FactRecord& fact : kept.facts) EXPECT_EQ(fact.status, FactStatus::kFailed);
  weight.copy_(saved);
}

// A model that has no numbers from some position on, which only one request reaches.
TEST(FinetuneWithNaN, OnlyTheFactThatHasNoLossFails) {
  const Model model = test::load_world("gpt2");
  std::vector<EditRequest> others = test::world_edits(3), requests = others;
  std::string words;
  for (int i = 0; i < 30; ++i) words += " of the city";
  requests.insert(requests.begin() + 1, test::request_of("bad", "Gellis Kevond" + words + " was trained as a",
                                                         "Gellis Kevond", "tailor"));
  constexpr std::int64_t kFirstBad = 45;
  at::Tensor positions = model.weights().position_embedding;
  positions.slice(0, kFirstBad).fill_(std::nanf(""));
  EditorContext context;
  context.layers = {default_layer(model.config())};
  context.prefix = model.tokenizer().automatic_prefix();
  SilentProgress silent;
  for (const std::string method : {"ft", "locft"}) {
    SCOPED_TRACE(method);
    const std::unique_ptr<Editor> quick = make_editor(method, {{"epochs", {"3", "test"}}});
    context.keep_going = false;
    const std::string refused =
        error_of(ErrorKind::kNumeric, [&] { quick->edit(model, requests, context, silent); });
    EXPECT_THAT(refused, AllOf(HasSubstr("the loss of bad is not a number before any step"),
                               HasSubstr("leave it out"), ::testing::Not(HasSubstr(others[0].id))));
    context.keep_going = true;
    const Edit made = quick->edit(model, requests, context, silent);
    ASSERT_EQ(made.facts.size(), 4u);
    EXPECT_EQ(made.facts[1].status, FactStatus::kFailed);
    EXPECT_THAT(made.facts[1].reason, HasSubstr("not a number before any step"));
    EXPECT_EQ(made.facts[1].steps, 0);
    for (const std::size_t i : {0, 2, 3}) EXPECT_TRUE(made.facts[i].is_edited()) << i;
    ASSERT_EQ(made.changes.size(), 1u);
    const at::Tensor without = quick->edit(model, others, context, silent).changes.at(0).D;
    EXPECT_LT((made.changes[0].D - without).norm().item<double>(), 0.05 * without.norm().item<double>());
  }
}

TEST(FinetuneMethods, PapersHaveTheirConstants) {
  const auto value = [](const std::string& method, const std::string& option) {
    return make_editor(method, {{"preset", {"paper", "test"}}})->options().at(option);
  };
  EXPECT_EQ(value("ft", "bound"), "5e-04");
  EXPECT_EQ(value("ft", "learning_rate"), "5e-04");
  EXPECT_EQ(value("ft", "reading"), "at-the-prompt");
  EXPECT_EQ(value("ft", "epochs"), "25");
  EXPECT_EQ(value("locft", "bound"), "0");
  EXPECT_EQ(value("locft", "relative_bound"), "0");
  EXPECT_EQ(value("locft", "learning_rate"), "5e-04");
  EXPECT_EQ(value("locft", "batch"), "100");
  EXPECT_EQ(value("locft", "end_token"), "true");
  ModelConfig config;
  config.layers = 32;
  const auto layers = [&](const std::string& method, const std::string& preset) {
    return make_editor(method, {{"preset", {preset, "test"}}})->layers_around(4, config);
  };
  EXPECT_THAT(layers("ft", "paper"), ElementsAre(0));
  EXPECT_THAT(layers("locft", "paper"), ElementsAre(22));
  EXPECT_THAT(layers("ft", "emend"), ElementsAre(4));
}

// What a patch records names every option.
TEST(FinetuneMethods, RecordedOptionsCanBeGivenAgain) {
  for (const std::string method : {"ft", "locft"})
    for (const std::string preset : {"emend", "paper"}) {
      const auto recorded = make_editor(method, {{"preset", {preset, "test"}}})->options();
      std::map<std::string, OptionText> again;
      for (const auto& [name, value] : recorded) again[name] = {value, "test"};
      EXPECT_EQ(make_editor(method, again)->options(), recorded);
    }
}

// The published program reads all tokens of a target where the prompt ends; the others in turn, and the end
// of the text last.
TEST(TrainingRow, ReadsTheTargetInTurnOrAtThePrompt) {
  const Model model = test::load_world("llama");
  const std::vector<EditRequest> requests = test::world_edits(1);
  const RowForm form{model.tokenizer().automatic_prefix(), PromptForm::kRaw};
  const editors::CallRows rows(model.tokenizer(), requests, form, {});
  const TokenIds prompt = prompt_ids(model.tokenizer(), requests[0].prompt, form);
  const TokenIds target = target_ids(model.tokenizer(), requests[0].target, form);
  const auto last = static_cast<std::int64_t>(prompt.size()) - 1;
  editors::TrainingOptions options;
  options.end_token = true;
  const editors::SearchRow in_turn = training_rows(rows, model.tokenizer(), options)[0];
  TokenIds labels = target;
  labels.push_back(*model.tokenizer().eos());
  EXPECT_EQ(in_turn.labels, labels);
  for (std::size_t j = 0; j < labels.size(); ++j)
    EXPECT_EQ(in_turn.label_at[j], last + static_cast<std::int64_t>(j));
  EXPECT_EQ(in_turn.row.own.size() + form.prefix.size(), prompt.size() + target.size());
  options.reading = editors::TargetReading::kAtThePrompt;
  options.end_token = false;
  const editors::SearchRow at_prompt = training_rows(rows, model.tokenizer(), options)[0];
  EXPECT_EQ(at_prompt.labels, target);
  for (const std::int64_t at : at_prompt.label_at) EXPECT_EQ(at, last);
  EXPECT_EQ(at_prompt.row.own.size() + form.prefix.size(), prompt.size());
}

}  // namespace
}  // namespace emend
