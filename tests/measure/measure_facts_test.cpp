// Present answers and states of facts, on models of the invented world.
#include <cmath>

#include "analysis/prompt_rows.h"
#include "emend/checks.h"
#include "emend/generate.h"
#include "support/stop_at.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend {
namespace {

using test::request_of;

class MeasureFacts : public ::testing::TestWithParam<std::string> {
 protected:
  MeasureFacts() : model_(test::load_world(GetParam())), requests_(test::world_edits(3)) {
    options_.prefix = model_.tokenizer().automatic_prefix();
    form_.prefix = options_.prefix;
  }
  double nll(const std::string& prompt, const std::string& answer) const {
    return test::plain_nll(model_, prompt_ids(model_.tokenizer(), prompt, form_),
                           target_ids(model_.tokenizer(), answer, form_));
  }
  // Of the whole answer.
  double whole(const std::string& prompt, const std::string& answer) const {
    return std::exp(-nll(prompt, answer) *
                    static_cast<double>(target_ids(model_.tokenizer(), answer, form_).size()));
  }
  Model model_;
  std::vector<EditRequest> requests_;
  CheckOptions options_;
  RowForm form_;
  SilentProgress silent_;
};
INSTANTIATE_TEST_SUITE_P(World, MeasureFacts, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(MeasureFacts, EqualsScoresByHand) {
  const auto states = measure_facts(model_, requests_, options_, silent_);
  ASSERT_EQ(states.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    const EditRequest& request = requests_[i];
    SCOPED_TRACE(request.id);
    EXPECT_EQ(states[i].id, request.id);
    EXPECT_NEAR(states[i].prompt.p_target, std::exp(-nll(request.prompt, request.target)), 1e-5);
    EXPECT_NEAR(states[i].prompt.p_was, std::exp(-nll(request.prompt, request.was)), 1e-4);
    EXPECT_GT(states[i].prompt.p_was, 0.5) << "the world's models know it";
    EXPECT_FALSE(states[i].prompt.argmax_target);
    EXPECT_TRUE(states[i].prompt.completion.starts_with(" " + request.was)) << states[i].prompt.completion;
    ASSERT_EQ(states[i].paraphrases.size(), request.paraphrases.size());
    for (std::size_t p = 0; p < request.paraphrases.size(); ++p) {
      EXPECT_NEAR(states[i].paraphrases[p].p_target, std::exp(-nll(request.paraphrases[p], request.target)),
                  1e-5);
      EXPECT_NEAR(states[i].paraphrases[p].p_was, std::exp(-nll(request.paraphrases[p], request.was)), 1e-4);
    }
    ASSERT_EQ(states[i].neighbours.size(), request.neighbours.size());
    for (std::size_t n = 0; n < request.neighbours.size(); ++n) {
      EXPECT_EQ(states[i].neighbours[n].answer, request.neighbours[n].answer);
      EXPECT_NEAR(states[i].neighbours[n].p_answer,
                  whole(request.neighbours[n].prompt, request.neighbours[n].answer), 1e-4);
      EXPECT_NEAR(states[i].neighbours[n].p_target, whole(request.neighbours[n].prompt, request.target),
                  1e-5);
    }
  }
}

TEST_P(MeasureFacts, ArgmaxIsOfTheTarget) {
  std::vector<EditRequest> true_now = requests_;
  for (EditRequest& request : true_now) std::swap(request.target, request.was);
  for (const FactState& state : measure_facts(model_, true_now, options_, silent_)) {
    EXPECT_TRUE(state.prompt.argmax_target) << state.id;
    EXPECT_GT(state.prompt.p_target, state.prompt.p_was);
  }
}

TEST_P(MeasureFacts, AnUnknownAnswerGetsTheTargetsProbability) {
  requests_[0].was.clear();
  requests_[0].paraphrases = {requests_[0].prompt};  // asked once, told twice
  const FactState state = measure_facts(model_, requests_, options_, silent_)[0];
  EXPECT_NEAR(state.prompt.p_target, std::exp(-nll(requests_[0].prompt, requests_[0].target)), 1e-5);
  EXPECT_EQ(state.prompt.p_was, state.prompt.p_target);
  ASSERT_EQ(state.paraphrases.size(), 1u);
  EXPECT_EQ(state.paraphrases[0].p_target, state.prompt.p_target);
  EXPECT_EQ(state.paraphrases[0].completion, state.prompt.completion);
}

TEST_P(MeasureFacts, CompletionsHaveTheTokensAskedFor) {
  GenerateOptions greedy;
  greedy.max_new = options_.completion_tokens = 5;
  for (const FactState& state : measure_facts(model_, {requests_[1]}, options_, silent_)) {
    const TokenIds ids =
        generate(model_, {prompt_ids(model_.tokenizer(), requests_[1].prompt, form_)}, greedy)[0];
    EXPECT_EQ(state.prompt.completion, model_.tokenizer().decode(ids, true));
  }
}

TEST_P(MeasureFacts, StopsBetweenBatches) {
  options_.token_budget = 20;
  test::StopAt stop(2);
  EXPECT_THROW(measure_facts(model_, requests_, options_, stop), Error);
}

TEST_P(MeasureFacts, TokenBudgetChangesNothing) {
  const auto whole = measure_facts(model_, requests_, options_, silent_);
  options_.token_budget = 20;
  const auto portions = measure_facts(model_, requests_, options_, silent_);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(portions[i].prompt.p_was, whole[i].prompt.p_was, 1e-4);
    EXPECT_EQ(portions[i].prompt.completion, whole[i].prompt.completion);
  }
}

// --- present answers

TEST_P(MeasureFacts, PresentAnswersHaveAsManyWordsAsTheTarget) {
  // "profession-116" is now a stone cutter, which is two words.
  EditRequest request = request_of("x", "Workis Tellond was trained as a", "Workis Tellond", "wool dyer");
  request.neighbours = {{"Kindric Gemover has long been a", ""}, {"Kindric Gemover has long been a", "kept"}};
  EditRequest one_word = request;
  one_word.target = "painter";
  EditRequest given = request;
  given.was = "given";
  std::vector<EditRequest> requests = {request, one_word, given};
  fill_present_answers(model_, requests, options_);
  EXPECT_EQ(requests[0].was, "stone cutter");
  EXPECT_EQ(requests[1].was, "stone");
  EXPECT_EQ(requests[2].was, "given");
  EXPECT_EQ(requests[0].neighbours[0].answer, "stone cutter");
  EXPECT_EQ(requests[0].neighbours[1].answer, "kept");
  EXPECT_EQ(requests[1].neighbours[0].answer, "stone");
}

TEST_P(MeasureFacts, PresentAnswersEndBeforePunctuation) {
  // Many more words than the answer has: what follows it is text, and an answer does not go past its line.
  EditRequest request =
      request_of("x", "Workis Tellond was trained as a", "Workis Tellond", "a b c d e f g h i j k l");
  std::vector<EditRequest> requests = {request};
  options_.completion_tokens = 3;
  fill_present_answers(model_, requests, options_);
  EXPECT_TRUE(requests[0].was.starts_with("stone cutter")) << requests[0].was;
  EXPECT_EQ(requests[0].was.find('\n'), std::string::npos);
  EXPECT_EQ(requests[0].was.find_first_of(".,;:!?", requests[0].was.size() - 1), std::string::npos);
}

// A target of several tokens, whose later ones follow from the first, is no likelier for that.
TEST_P(MeasureFacts, NeighboursAreComparedByWholeAnswers) {
  EditRequest request = requests_[0];
  request.target = "wool dyer who was a painter";
  request.neighbours = {{request.prompt, request.was}};
  const FactState state = measure_facts(model_, {request}, options_, silent_)[0];
  EXPECT_NEAR(state.neighbours[0].p_target / whole(request.prompt, request.target), 1, 1e-2);
  EXPECT_LT(state.neighbours[0].p_target, state.prompt.p_target) << "a mean per token";
}

TEST_P(MeasureFacts, FoundAnswersOfManyWordsAreWhole) {
  EditRequest request = request_of("x", "Workis Tellond was trained as a", "Workis Tellond", "a b c d e f");
  std::vector<EditRequest> few = {request}, many = {request};
  options_.completion_tokens = 1;
  fill_present_answers(model_, few, options_);
  options_.completion_tokens = 60;
  fill_present_answers(model_, many, options_);
  EXPECT_EQ(few[0].was, many[0].was);
}

TEST_P(MeasureFacts, NothingToFillAsksNothing) {
  std::vector<EditRequest> requests = requests_;
  fill_present_answers(model_, requests, options_);
  for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(requests[i].was, requests_[i].was);
}

}  // namespace
}  // namespace emend
