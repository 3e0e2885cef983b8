// The divergence over the first content tokens of the unedited model's own answers.
#include "emend/answer_kl.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../base/expect_error.h"
#include "../base/temp_folder.h"
#include "emend/generate.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend {
namespace {

using testing::HasSubstr;

// Three answers of two, one and no content tokens.
std::vector<AnswerKlQuestion> three_answers() {
  return {{"a", "x y", {{"x", 1, true}, {"y", 3, false}}}, {"b", "z", {{"z", 5, false}}}, {"c", "", {}}};
}

TEST(AnswerKlFigures, AreMeansOverTokensByPlaceAndOverQuestions) {
  const AnswerKlFigures f = answer_kl_figures(three_answers(), {0, 200});
  ASSERT_EQ(f.by_token.size(), 2u);
  EXPECT_EQ(f.by_token[0].n, 2);
  EXPECT_DOUBLE_EQ(f.by_token[0].mean, 3);  // 1 and 5
  EXPECT_DOUBLE_EQ(f.by_token[0].largest, 5);
  EXPECT_DOUBLE_EQ(f.by_token[0].same_top, 0.5);
  EXPECT_EQ(f.by_token[1].n, 1);
  EXPECT_DOUBLE_EQ(f.by_token[1].mean, 3);
  EXPECT_EQ(f.all.n, 3);
  EXPECT_DOUBLE_EQ(f.all.mean, 3);  // 1, 3 and 5
  EXPECT_DOUBLE_EQ(f.all.same_top, 1.0 / 3);
  EXPECT_EQ(f.per_question.n, 2);           // the third has nothing
  EXPECT_DOUBLE_EQ(f.per_question.b, 3.5);  // 2 and 5
  EXPECT_GE(f.per_question.low, 2);
  EXPECT_LE(f.per_question.high, 5);
}

TEST(AnswerKlFigures, OfAnswersWithoutContentAreNotThere) {
  const AnswerKlFigures f = answer_kl_figures({{"c", "", {}}}, {0, 10});
  EXPECT_TRUE(f.by_token.empty());
  EXPECT_EQ(f.all.n, 0);
  EXPECT_EQ(f.per_question.n, 0);
}

class AnswerKlWorld : public testing::Test {
 protected:
  AnswerKlWorld() : model_(test::load_world("llama")) {
    options_.form = PromptForm::kRaw;
    options_.tokens = 3;
    for (const EditRequest& edit : test::world_edits(3)) prompts_.push_back(edit.prompt);
    const ModelConfig& c = model_.config();
    const at::Tensor a = at::sin(at::arange(c.d_ff, at::kFloat)),
                     b = at::cos(at::arange(c.d_model, at::kFloat));
    changes_ = {WeightChange::low_rank({1, Role::kMlpDown}, 0.5 * a.unsqueeze(0), 3 * b.unsqueeze(1))};
  }
  Model model_;
  AnswerKlOptions options_;
  std::vector<std::string> prompts_;
  std::vector<WeightChange> changes_;
};

TEST_F(AnswerKlWorld, OfAModelAgainstItselfIsZero) {
  for (const AnswerKlQuestion& question : measure_answer_kl(model_, prompts_, {}, options_)) {
    ASSERT_FALSE(question.tokens.empty());
    for (const AnswerKlToken& token : question.tokens) {
      EXPECT_EQ(token.kl, 0);
      EXPECT_TRUE(token.same_top);
    }
  }
}

// The definition, written out: greedy answer of the model as it is, one plain pass over question and answer
// before and under the change, and the sum over the vocabulary in float64 at each place.
TEST_F(AnswerKlWorld, IsTheDivergenceBehindTheModelsOwnAnswer) {
  const std::vector<AnswerKlQuestion> measured = measure_answer_kl(model_, prompts_, changes_, options_);
  ASSERT_EQ(measured.size(), prompts_.size());
  for (std::size_t i = 0; i < prompts_.size(); ++i) {
    TokenIds ids = model_.tokenizer().automatic_prefix();
    const TokenIds own = model_.tokenizer().encode(prompts_[i], SpecialTokens::kNone).ids;
    ids.insert(ids.end(), own.begin(), own.end());
    const std::size_t prompt = ids.size();
    GenerateOptions how;
    how.max_new = options_.tokens;
    const TokenIds answer = generate(model_, {ids}, how)[0];
    ids.insert(ids.end(), answer.begin(), answer.end());
    const at::Tensor before = at::softmax(test::plain_logits(model_, ids).to(at::kDouble), 1);
    at::Tensor after;
    {
      const ScopedEdit scope(model_, changes_);
      after = at::softmax(test::plain_logits(model_, ids).to(at::kDouble), 1);
    }
    ASSERT_EQ(measured[i].tokens.size(), answer.size()) << prompts_[i];
    for (std::size_t j = 0; j < answer.size(); ++j) {
      const auto at = static_cast<std::int64_t>(prompt + j) - 1;
      double kl = 0;
      for (std::int64_t t = 0; t < model_.config().vocab; ++t) {
        const double p = before[at][t].item<double>(), q = after[at][t].item<double>();
        if (p > 0) kl += p * (std::log(p) - std::log(q));
      }
      EXPECT_NEAR(measured[i].tokens[j].kl, kl, 1e-3 * kl + 1e-6) << i << " " << j;
      EXPECT_GT(kl, 1e-5);
      EXPECT_EQ(measured[i].tokens[j].same_top,
                before[at].argmax().item<std::int64_t>() == after[at].argmax().item<std::int64_t>());
    }
  }
  // As the model was before.
  EXPECT_EQ(measure_answer_kl(model_, prompts_, {}, options_)[0].tokens[0].kl, 0);
}

TEST_F(AnswerKlWorld, DoesNotDependOnTheBatch) {
  const auto together = measure_answer_kl(model_, prompts_, changes_, options_);
  options_.token_budget = 1;
  const auto alone = measure_answer_kl(model_, prompts_, changes_, options_);
  for (std::size_t i = 0; i < together.size(); ++i) {
    EXPECT_EQ(together[i].answer, alone[i].answer);
    ASSERT_EQ(together[i].tokens.size(), alone[i].tokens.size());
    for (std::size_t j = 0; j < together[i].tokens.size(); ++j)
      EXPECT_NEAR(together[i].tokens[j].kl, alone[i].tokens[j].kl, 1e-5);
  }
}

TEST_F(AnswerKlWorld, RefusesWhatCannotBeAsked) {
  const auto refusal = [&](ErrorKind kind, const std::vector<std::string>& questions) {
    return test::error_of(kind, [&] { measure_answer_kl(model_, questions, {}, options_); });
  };
  EXPECT_THAT(refusal(ErrorKind::kUsage, {}), HasSubstr("there are no questions"));
  std::string endless;
  for (int i = 0; i < 2000; ++i) endless += "word ";
  EXPECT_THAT(refusal(ErrorKind::kModel, {endless}), HasSubstr("does not fit behind it into the model's"));
  options_.form = PromptForm::kChat;  // the world has no template
  EXPECT_THAT(refusal(ErrorKind::kModel, {"a"}), HasSubstr("chat template"));
  options_.form = PromptForm::kRaw;
  options_.tokens = 257;
  EXPECT_THAT(refusal(ErrorKind::kUsage, {"a"}),
              HasSubstr("the option answer-tokens must be from 1 to 256, found 257"));
}

TEST(ReadQuestions, TakesALineEach) {
  const test::TempFolder folder;
  EXPECT_THAT(read_questions(folder.write("q.txt", "What is it?\n\n  Who?  \n")),
              testing::ElementsAre("What is it?", "Who?"));
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { read_questions(folder.write("e.txt", " \n")); }),
              HasSubstr("e.txt: no questions; expected one a line"));
}

}  // namespace
}  // namespace emend
